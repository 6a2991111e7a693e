"""The rows of a report, one for each artefact, read from the manifest."""

import dataclasses
import pathlib
from typing import Any

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.formats import EXACT


@dataclasses.dataclass(frozen=True)
class ReportRow:
    """The figures of one artefact in a report.

    Args:
        runtime: "keras", "saved_model", "litert" or "onnx".
        quantization: "float32" or another.
        bytes: Size of its files.
        share: Size divided by that of float32 in the same format; may exceed 1.
        latency_ms: Median milliseconds of one sentence, or None if it was not timed.
        score: Its score by `metric`, or None if it was not measured.
        refused: Why it is not in the bundle; empty if it is.
    """

    runtime: str
    quantization: str
    bytes: int
    share: float
    latency_ms: float | None
    score: float | None
    refused: str = ""


def report_rows(manifest: dict[str, Any]) -> list[ReportRow]:
    """Returns a row for each artefact of the bundle, and for each that was refused."""
    bundle = Bundle(pathlib.Path(), manifest)
    name = metric(manifest)
    latencies = {
        (entry["runtime"], entry["quantization"]): entry["latency_ms"]
        for entry in manifest.get("latencies", ())
    }
    scores = {}
    for verdict in manifest["quantization"]:
        scores[verdict["runtime"], EXACT] = verdict["before"]["scores"].get(name)
        scores[verdict["runtime"], verdict["quantization"]] = verdict["after"]["scores"].get(name)
    found = []
    for runtime, quantization in bundle.artefacts:
        size = bundle.size(runtime, quantization)
        measured = latencies.get((runtime, quantization)), scores.get((runtime, quantization))
        found.append(ReportRow(runtime, quantization, size, size / bundle.size(runtime), *measured))
    for verdict in manifest["quantization"]:
        if not verdict["accepted"]:
            which, after = (verdict["runtime"], verdict["quantization"]), verdict["after"]
            measured = after["latency_ms"], scores[which]
            share = after["bytes"] / verdict["before"]["bytes"]
            faults = " ".join(verdict["faults"])
            found.append(ReportRow(*which, after["bytes"], share, *measured, faults))
    return found


def metric(manifest: dict[str, Any]) -> str | None:
    """Returns the metric that judged the quantised artefacts, or None if none did."""
    return next((verdict["metric"] for verdict in manifest["quantization"]), None)
