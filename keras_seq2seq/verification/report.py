"""REPORT.md of a bundle: what was measured when it was written, and how to measure it again."""

import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.installed import how_to_install, is_installed
from keras_seq2seq.text.printable import printable
from keras_seq2seq.verification.report_rows import metric, report_rows

REPORT_FILE = "REPORT.md"
PLOT_FILE = "report.png"
TOKENIZE = re.compile(r"\btok:([^|]+)")


def write_report(folder: pathlib.Path, manifest: dict[str, Any]) -> list[str]:
    """Writes `REPORT.md` and, where matplotlib is installed, `report.png`.

    Args:
        folder: Folder of the bundle.
        manifest: Content of `manifest.json`, still without these two files.
    Returns:
        The names of the files that were written.
    """
    plotted = is_installed("matplotlib")
    (folder / REPORT_FILE).write_text(markdown(manifest, plotted=plotted), "utf-8")
    if not plotted:
        return [REPORT_FILE]
    from keras_seq2seq.verification.report_plot import plot_png

    (folder / PLOT_FILE).write_bytes(plot_png(report_rows(manifest), metric(manifest)))
    return [REPORT_FILE, PLOT_FILE]


def markdown(manifest: dict[str, Any], *, plotted: bool) -> str:
    """Returns the report of a bundle as Markdown.

    Args:
        manifest: Content of `manifest.json`.
        plotted: Whether there is a `report.png` next to it.
    """
    shown = "Size, latency and quality" if metric(manifest) else "Size and latency"
    picture = (
        f"![{shown} of each artefact]({PLOT_FILE})"
        if plotted
        else f"There is no plot: it needs matplotlib, {how_to_install('train')}."
    )
    parts = [
        "# Report",
        f"Written by keras_seq2seq {manifest['versions']['keras_seq2seq']} with the bundle. "
        "`manifest.json` holds the same figures.",
        "## Quality of the model",
        *_quality(manifest["quality"]),
        "## Artefacts",
        *_artefacts(manifest),
        picture,
        "## Parity",
        *_parity(manifest["parity"]),
        "## Versions",
        _table(("package", "version"), manifest["versions"].items()),
        "## Measure again",
        "BUNDLE is this folder, SOURCE and REFERENCE are files with one sentence per line.",
        "\n".join(["```", *commands(manifest), "```"]),
    ]
    return "\n\n".join(parts) + "\n"


def commands(manifest: dict[str, Any]) -> list[str]:
    """Returns the commands that repeat the measurements of the report, one per line."""
    options = _beam_options(manifest["beam"])
    scores = [verdict["before"]["scores"] for verdict in manifest["quantization"]]
    signatures = [given.get("bleu_signature") for given in (*scores, manifest["quality"] or {})]
    if tokenize := TOKENIZE.search(next(filter(None, signatures), "")):
        options += f" --tokenize {tokenize[1]}"
    if metric(manifest) in ("wer", "cer"):
        options += f" --metrics bleu chrf {metric(manifest)}"
    evaluate = "keras-seq2seq evaluate BUNDLE --source SOURCE --reference REFERENCE"
    return [
        "keras-seq2seq verify BUNDLE",
        "keras-seq2seq verify BUNDLE --json",
        "keras-seq2seq inspect BUNDLE",
        *(
            f"{evaluate} --runtime {row.runtime} --quantization {row.quantization}{options}"
            for row in report_rows(manifest)
            if not row.refused
        ),
    ]


def _beam_options(beam: dict[str, Any] | None) -> str:
    if beam is None:
        return ""
    defaults = BeamSearch().to_dict()
    given = BeamSearch.from_dict(beam).to_dict()
    changed = {n: v for n, v in given.items() if n == "beam_size" or v != defaults[n]}
    changed.pop("suppress", None)  # the command line has no such option
    given = {name: value for name, value in changed.items() if value is not None}
    return "".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items())


def _quality(quality: dict[str, Any] | None) -> list[str]:
    if not quality:
        return ["Not measured: the export was given no figures."]
    values = {name: v for name, v in quality.items() if not name.endswith("_signature")}
    lines = [
        (name, f"{v:.2f}" if isinstance(v, float) else v, quality.get(f"{name}_signature"))
        for name, v in values.items()
    ]
    return [_table(("metric", "value", "signature"), lines)]


def _artefacts(manifest: dict[str, Any]) -> list[str]:
    name = metric(manifest)
    lines = [
        (
            row.runtime,
            row.quantization,
            f"{row.bytes:,}",
            f"{row.share:.2f}",
            None if row.latency_ms is None else f"{row.latency_ms:.2f}",
            None if row.score is None else f"{row.score:.2f}",
            f"refused: {row.refused}" if row.refused else "in the bundle",
        )
        for row in report_rows(manifest)
    ]
    heads = ("runtime", "weights", "bytes", "of float32", "ms a sentence", name or "quality", "")
    search = "greedy" if manifest["beam"] is None else f"a beam of {manifest['beam']['beam_size']}"
    timed = max((entry["sentences"] for entry in manifest.get("latencies", ())), default=0)
    parts = [
        _table(heads, lines),
        f"Milliseconds are the median of {timed} sentences, one per call, with the search inside "
        f"the artefact ({search}), without tokenisation. ONNX and LiteRT used one thread, Keras "
        "and the SavedModel the threads of TensorFlow.",
    ]
    judged = [
        f"- {v['runtime']} {v['quantization']}: {v['identical']:.1f} % of the sentences as in "
        f"float32{_agreement(v['after']['scores'])}, repetition rate "
        f"{v['before']['repetition_rate']:.2f} before and "
        f"{v['after']['repetition_rate']:.2f} after."
        for v in manifest["quantization"]
    ]
    if not judged:
        judged = ["No quantised artefact was judged."]
    return [*parts, "\n".join(judged)]


def _agreement(scores: dict[str, Any]) -> str:
    agreed = scores.get("agreement")
    return "" if agreed is None else f", agreement {agreed:.1f} %"


def _parity(parity: dict[str, Any]) -> list[str]:
    lines = [
        (
            agreement["runtime"],
            agreement["quantization"],
            agreement["search"],
            f"{agreement['identical']} of {agreement['sentences']}",
            f"{agreement['largest_gap_per_token']:.1e}",
            f"{agreement['tolerance']:.0e}",
            "yes" if agreement["passed"] else "no",
        )
        for agreement in parity["agreements"]
    ]
    heads = ("runtime", "weights", "search", "same words", "score gap per token", "tolerance")
    return [
        f"{'Passed' if parity['passed'] else 'FAILED'}: each artefact compared with the "
        "Keras model on the sentences of `verify.txt`. Quantised ones are only reported.",
        _table((*heads, "as Keras"), lines),
    ]


def _table(heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    texts = [[_cell(value) for value in line] for line in lines]
    ruled = [list(heads), ["---"] * len(heads), *texts]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def _cell(value: Any) -> str:
    return "" if value is None else printable(" ".join(str(value).split())).replace("|", "\\|")
