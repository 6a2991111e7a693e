"""Writes a bundle: every artefact into one folder that needs nothing else."""

import dataclasses
import functools
import importlib.metadata
import os
import pathlib
import platform
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_seq2seq.bundles.bundle import FORMAT_VERSION, MANIFEST_FILE, Bundle, sha256
from keras_seq2seq.bundles.manifest import dumps
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategy import BeamSearch
from keras_seq2seq.exporters.request import Request, check
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.seq2seq import Seq2Seq
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from keras_seq2seq.verification.latency import TIMED_SENTENCES, measured_latencies
from keras_seq2seq.verification.parity import SENTENCES_FILE, Parity, verify
from keras_seq2seq.verification.quality_gate import Verdict, judge
from keras_seq2seq.verification.report import write_report

MODEL_FILE = "model.keras"
SHORTLIST_FILE = "shortlist.npz"
VERSIONED = ("keras_seq2seq", "keras", "tensorflow", "tensorflow-text", "tf2onnx", "onnx")
PROBES, PROBE_PIECES = 50, 8
CALIBRATION_SENTENCES = 200


def export(
    model: Seq2Seq,
    output_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("saved_model", "litert", "onnx"),
    quantization: str | Sequence[str] = "dynamic_int8",
    evaluation: Sequence[tuple[str, str]] | None = None,
    max_quality_drop: float = 0.3,
    max_repetition_rise: float = 1.0,
    quality_metric: str = "bleu",
    bleu_tokenize: str = "13a",
    sentences: Sequence[str] | None = None,
    max_length: int | None = None,
    beam: BeamSearch | None = None,
    shortlist: Shortlist | None = None,
    text_onnx: bool = False,
    quality: Mapping[str, Any] | None = None,
    force: bool = False,
    verbose: bool = True,
) -> Parity:
    """Writes a model with its tokenizers and the search for every runtime, and verifies them.

    Everything that can be checked is checked before anything is written. The folder appears
    whole or not at all. Its `model.keras` is the reference that the others are compared with. Its
    `REPORT.md` tells quality, sizes, latencies and parity.

    Args:
        model: A trained model with tokenizers.
        output_dir: The bundle's folder.
        formats: Any of "saved_model", "litert" and "onnx".
        quantization: What LiteRT and ONNX files are written as beside float32: one or several
            of "float16" (half the bytes, float32 arithmetic), "dynamic_int8" (a quarter of
            the bytes, products in int8) and, for LiteRT alone, "int8" (products of int8 numbers
            whose scales are fixed, measured on `sentences`); "float32" adds nothing.
        evaluation: Pairs of a source text and its reference. Each quantised artefact translates
            them, and is refused if it loses more than the next two allow: a warning names it, the
            manifest keeps its figures, the bundle has not its files. None refuses nothing.
        max_quality_drop: float >= 0. Most points of the metric that quantisation may cost.
        max_repetition_rise: float >= 0. Most points by which the rate of translations may rise in
            which a sequence of one to four tokens stands three times in a row.
        quality_metric: "bleu", "chrf", "exact_match", "ter", "wer" or "cer".
        bleu_tokenize: How "bleu" splits words; "none" for tokenised texts.
        sentences: Source texts that are translated to compare the artefacts, now and by every
            later `verify`; None makes 50 of random pieces. "int8" needs them, of the kind that
            will be translated.
        max_length: int > 0. Longest translation in tokens, eos included, fixed inside the
            files; None takes the configuration's.
        beam: A beam search to put beside the greedy one inside every file, fixed there; None
            writes none. On the host any beam search runs over the steps.
        shortlist: Target ids by those of the source, see `Shortlist.learn`: every search of the
            bundle chooses from them alone, and its output layer computes no others. Faster for
            one sentence, at some loss of quality; None lets searches choose from all ids.
        text_onnx: Write `translate_text_greedy.onnx` beside the other ONNX files: text in, text
            out. It alone needs onnxruntime-extensions, wherever it runs.
        quality: Measured quality of the model for the manifest, such as what `evaluate` of
            `keras_seq2seq.evaluation` returned; plain values for JSON.
        force: Replace a bundle that is there.
        verbose: Show what is written, and a progress bar.
    Returns:
        The parity of all artefacts that are in the bundle. A warning tells when it did not pass,
        and which artefacts were refused.
    Raises:
        ValueError: With every fault found before writing.
        FileExistsError: If the folder exists and is not to be replaced.
        ImportError: If a package is missing; the message names the extra.
    """
    output_dir = pathlib.Path(output_dir)
    gate = {
        "evaluation": evaluation,
        "metric": quality_metric,
        "max_quality_drop": max_quality_drop,
        "max_repetition_rise": max_repetition_rise,
        "tokenize": bleu_tokenize,
    }
    request = check(
        model,
        output_dir,
        formats=formats,
        quantization=quantization,
        max_length=max_length,
        beam=beam,
        shortlist=shortlist,
        text_onnx=text_onnx,
        gate=None if evaluation is None else gate,
        sentences=sentences,
        force=force,
    )
    texts = list(sentences) if sentences else _probe_sentences(request.tokenizers)
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(tempfile.mkdtemp(prefix=".partial-", dir=output_dir.parent))
    try:
        artefacts = _write_artefacts(model, partial, request, texts, verbose)
        request.tokenizers.save(partial)
        if shortlist is not None:
            shortlist.save(partial / SHORTLIST_FILE)
        lines = "".join(f"{' '.join(text.splitlines())}\n" for text in texts)
        (partial / SENTENCES_FILE).write_text(lines, "utf-8")
        manifest = _manifest(model, partial, request, artefacts)
        manifest["quality"] = None if quality is None else dict(quality)
        _write_manifest(partial, manifest)
        runtimes = functools.cache(Bundle.open(partial).runtime)
        refused = _judge(partial, manifest, request, texts, runtimes, verbose)
        parity = verify(partial, verbose=verbose, runtimes=runtimes)
        runtimes.cache_clear()  # a file that is open cannot be renamed everywhere
        manifest["parity"] = parity.to_dict()
        written = write_report(partial, manifest)
        manifest["files"] |= {name: _entry(partial / name) for name in written}
        _write_manifest(partial, manifest)
        partial.chmod(0o755)
        _put(partial, output_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for verdict in refused:
        warnings.warn(f"Refused, and not in {output_dir}: {verdict}", stacklevel=2)
    if not parity.passed:
        warnings.warn(f"The artefacts in {output_dir} differ:\n{parity}", stacklevel=2)
    return parity


def _judge(
    folder: pathlib.Path,
    manifest: dict[str, Any],
    request: Request,
    texts: list[str],
    runtimes: Callable[[str, str], Runtime],
    verbose: bool,
) -> list[Verdict]:
    """Times all artefacts, judges the quantised ones and removes those that are refused."""
    bundle = Bundle.open(folder)
    if request.gate:
        texts = [source for source, _ in request.gate.evaluation]
    latencies = measured_latencies(bundle, texts, runtimes, verbose=verbose)
    verdicts = []
    if request.gate:
        verdicts = judge(bundle, request.gate, runtimes, latencies, verbose=verbose)
    refused = [verdict for verdict in verdicts if verdict.faults]
    for verdict in refused:
        for name in bundle.files(verdict.runtime, verdict.quantization):
            (folder / name).unlink()
            del manifest["files"][name]
        del manifest["artefacts"][verdict.runtime]["files"][verdict.quantization]
    manifest["quantization"] = [verdict.to_dict() for verdict in verdicts]
    sentences = min(len(texts), TIMED_SENTENCES)
    held = Bundle(folder, manifest).artefacts
    manifest["latencies"] = [
        dict(zip(("runtime", "quantization"), artefact, strict=True))
        | {"latency_ms": latencies[artefact], "sentences": sentences}
        for artefact in held
    ]
    _write_manifest(folder, manifest)
    return refused


def _write_artefacts(
    model: Seq2Seq,
    folder: pathlib.Path,
    request: Request,
    sentences: list[str],
    verbose: bool,
) -> dict[str, dict[str, Any]]:
    """Writes the files of each format; returns what the manifest says of them."""
    if verbose:
        print("writing keras")
    model.save(folder / MODEL_FILE, include_optimizer=False)
    artefacts: dict[str, dict[str, Any]] = {"keras": {"path": MODEL_FILE}}
    options: dict[str, Any] = {
        "max_length": request.max_length,
        "beam": request.beam,
        "shortlist": request.shortlist,
    }
    for name in request.formats:
        quantizations = request.quantizations_of(name)
        if verbose:
            print(f"writing {name}", flush=True)
        path = folder / name
        path.mkdir()
        if name == "saved_model":
            from keras_seq2seq.exporters.saved_model.writer import write_saved_model

            entry = write_saved_model(
                model, request.tokenizers, path, sentences=sentences, **options
            )
        elif name == "litert":
            from keras_seq2seq.exporters.litert.writer import write_litert

            ids = request.tokenizers.source.encode(sentences[:CALIBRATION_SENTENCES])
            calibration = [[*row, EOS_ID] for row in ids]
            entry = write_litert(
                model, path, quantizations=quantizations, calibration=calibration, **options
            )
        else:
            from keras_seq2seq.exporters.onnx.writer import write_onnx

            inside = request.tokenizers if request.text_onnx else None
            entry = write_onnx(
                model, path, quantizations=quantizations, text_tokenizers=inside, **options
            )
        artefacts[name] = {"path": name, **entry}
    return artefacts


def _manifest(
    model: Seq2Seq, folder: pathlib.Path, request: Request, artefacts: dict[str, Any]
) -> dict[str, Any]:
    beam = request.beam
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sides = request.tokenizers.file_names
    return {
        "format_version": FORMAT_VERSION,
        "versions": {"python": platform.python_version(), **_versions()},
        "model": model.config.to_dict() if model.config else None,
        "special_ids": {"pad": PAD_ID, "unk": UNK_ID, "bos": BOS_ID, "eos": EOS_ID},
        "limits": {"max_length": request.max_length},
        "beam": None if beam is None else dataclasses.asdict(beam),
        "tokenizer": {"source": sides[0], "target": sides[-1]},
        **({} if request.shortlist is None else {"shortlist": SHORTLIST_FILE}),
        "states": state_names(model.decoder),
        "source_tensors": source_names(model.decoder),
        "artefacts": artefacts,
        "files": {path.relative_to(folder).as_posix(): _entry(path) for path in files},
        "quality": None,
        "quantization": [],
        "latencies": [],
        "parity": None,
    }


def _entry(path: pathlib.Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _write_manifest(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    (folder / MANIFEST_FILE).write_text(dumps(manifest) + "\n", "utf-8")


def _put(partial: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Renames the finished folder; what was there is removed only when the new one stands."""
    if not output_dir.exists():
        partial.rename(output_dir)
        return
    old = output_dir.with_name(f".old-{partial.name}")
    output_dir.rename(old)
    partial.rename(output_dir)
    shutil.rmtree(old)


def _probe_sentences(tokenizers: TokenizerPair) -> list[str]:
    generator = random.Random(0)
    source = tokenizers.source
    return [
        source.decode(
            [
                generator.randrange(EOS_ID + 1, source.vocabulary_size)
                for _ in range(1 + i % PROBE_PIECES)
            ]
        )
        for i in range(PROBES)
    ]
