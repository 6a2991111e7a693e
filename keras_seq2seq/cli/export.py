"""The command keras-seq2seq export: from a run to a bundle."""

import argparse
import dataclasses
import json
import pathlib
from typing import Any

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.input_texts import add_errors_option, pairs_of_files, texts_of_file
from keras_seq2seq.cli.messages import say
from keras_seq2seq.cli.options import (
    Commands,
    add_search_options,
    add_tokenize_option,
    check_used,
    strategy,
)
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.evaluation import METRICS
from keras_seq2seq.exporters.onnx.opsets import DEFAULT_OPSET, OPSETS
from keras_seq2seq.formats import EXACT, EXPORTED, FORMATS, QUANTIZATIONS
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.kept_search import read_search
from keras_seq2seq.verification.quality_gate import Gate

PHRASEBOOK = {"phrasebook": ("en", "fr")}


def add_export(commands: Commands) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser("export", help="write a run's model as a bundle and verify it")
    parser.add_argument("run", type=pathlib.Path, help="run folder, or a .keras file")
    parser.add_argument("--output-dir", type=pathlib.Path, required=True, help="folder to create")
    parser.add_argument(
        "--formats",
        nargs="+",
        default=list(EXPORTED),
        choices=EXPORTED,
        help="default: all",
    )
    parser.add_argument(
        "--quantization",
        nargs="+",
        default=["dynamic_int8"],
        choices=QUANTIZATIONS,
        help="extra weight formats of the LiteRT and ONNX files, besides float32; int8 is for "
        "LiteRT, measured on the run's sentences; float32 adds nothing (default: dynamic_int8)",
    )
    _add_gate(parser)
    add_tokenize_option(parser)
    add_errors_option(parser)
    add_search_options(parser)
    parser.add_argument(
        "--shortlist",
        nargs="+",
        type=pathlib.Path,
        metavar="FILE",
        help="a source and a target file of a corpus, to learn the likely target ids of each "
        "source id from, or one .npz file with these; searches choose only from them, which is "
        "faster for one sentence",
    )
    _add_onnx_options(parser)
    _add_litert_options(parser)
    _add_languages(parser)
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    parser.set_defaults(command=_export)


def _add_litert_options(parser: argparse.ArgumentParser) -> None:
    """Adds what only LiteRT files have."""
    parser.add_argument(
        "--max-source-length",
        type=int,
        metavar="TOKENS",
        help="longest source of the searches inside LiteRT files, whose lengths are fixed "
        "(default: the model's max_length)",
    )
    parser.add_argument(
        "--litert-batch-size",
        type=int,
        default=1,
        metavar="SENTENCES",
        help="also write LiteRT files that translate so many sentences at once, for servers",
    )


def _add_onnx_options(parser: argparse.ArgumentParser) -> None:
    """Adds what only ONNX files have."""
    parser.add_argument(
        "--text-onnx",
        action="store_true",
        help="also write an ONNX file from text to text, for onnxruntime-extensions",
    )
    parser.add_argument(
        "--onnx-opset",
        type=int,
        choices=OPSETS,
        default=DEFAULT_OPSET,
        help="version of the operators in ONNX files; 23 is faster for a Transformer, and needs "
        "onnxruntime 1.23 or later (default: %(default)s)",
    )
    parser.add_argument(
        "--onnx-single-files",
        action="store_true",
        help="give each ONNX file its weights, instead of one file of weights that all of a "
        "quantization share and that must lie next to them",
    )


def _add_languages(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--languages",
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="codes of the languages, such as en fr, for servers (default: those of the run's "
        "recipe)",
    )


def _add_gate(parser: argparse.ArgumentParser) -> None:
    """Adds how much quality quantised artefacts may lose."""
    parser.add_argument(
        "--evaluation",
        nargs=2,
        type=pathlib.Path,
        metavar=("SOURCE", "REFERENCE"),
        help="files with evaluation pairs; quantised artefacts that lose too much are refused; "
        "without them, those that do not say what float32 says",
    )
    parser.add_argument(
        "--max-quality-drop",
        type=float,
        default=0.3,
        help="largest allowed loss, in points of the metric (default: %(default)s)",
    )
    parser.add_argument(
        "--max-repetition-rise",
        type=float,
        default=1.0,
        help="largest allowed rise of the repetition rate, in points (default: %(default)s)",
    )
    parser.add_argument(
        "--min-agreement",
        type=float,
        default=50.0,
        help="least agreement of a quantised artefact with float32, in per cent of neighbouring "
        "tokens, on the evaluation pairs or the run's sentences; 0 allows any (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--quality-metric",
        default="bleu",
        choices=("exact_match", *METRICS),
        help="default: %(default)s",
    )


def _export(arguments: argparse.Namespace) -> int:
    _check(arguments)
    chosen = _search(arguments)
    if not isinstance(chosen, BeamSearch) and chosen != GREEDY:
        raise ValueError(
            "Search rules inside the files need a beam search. "
            f"Received: {chosen}; pass --beam-size above 1."
        )
    path = arguments.run / "model.keras" if arguments.run.is_dir() else arguments.run
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; name the folder of a run, or a .keras file."
        )
    # Imported here, after the options are checked: Keras takes seconds.
    from keras_seq2seq.exporters.export import export
    from keras_seq2seq.seq2seq import load_model

    model = load_model(path, compile=False)
    sources = arguments.run / "sources.txt"
    parity = export(
        model,
        arguments.output_dir,
        formats=arguments.formats,
        quantization=arguments.quantization,
        gate=_gate(arguments),
        sentences=texts_of_file(sources, errors=arguments.errors) if sources.is_file() else None,
        beam=chosen if isinstance(chosen, BeamSearch) else None,
        shortlist=_shortlist(arguments, model.tokenizers),
        text_onnx=arguments.text_onnx,
        max_source_length=arguments.max_source_length,
        litert_batch_size=arguments.litert_batch_size,
        onnx_opset=arguments.onnx_opset,
        onnx_single_files=arguments.onnx_single_files,
        languages=arguments.languages or _languages(arguments.run / "recipe.toml"),
        quality=_measured_quality(arguments.run / "report.json"),
        force=arguments.force,
    )
    say(parity)
    refused = Bundle.open(arguments.output_dir).refused
    for name in refused:
        say(f"refused: {name}")
    return 0 if parity.passed and not refused else 1


def _search(arguments: argparse.Namespace) -> Strategy:
    """Returns the search of the options, or else the one that an imported run keeps."""
    chosen = strategy(arguments)
    if arguments.given & {field.name for field in dataclasses.fields(BeamSearch)}:
        return chosen
    kept = read_search(arguments.run)
    return chosen if kept is None or kept.beam_size == 1 else kept


def _shortlist(arguments: argparse.Namespace, tokenizers: TokenizerPair | None) -> Shortlist | None:
    if not arguments.shortlist or tokenizers is None:
        return None
    if len(arguments.shortlist) == 1:
        return Shortlist.load(arguments.shortlist[0])
    pairs = pairs_of_files(*arguments.shortlist, errors=arguments.errors)
    return Shortlist.of_texts(pairs, tokenizers)


def _measured_quality(report: pathlib.Path) -> dict[str, Any] | None:
    """Returns the quality on the test part that a run measured, if it did."""
    if not report.is_file():
        return None
    try:
        return json.loads(report.read_text("utf-8")).get("test")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{report} cannot be read as the report of a run: {error}. Remove it to export "
            "without its figures."
        ) from None


def _languages(recipe: pathlib.Path) -> tuple[str, str] | None:
    """Returns the languages of a run, if its recipe tells them."""
    if not recipe.is_file():
        return None
    from keras_seq2seq.training.recipe import read_settings

    try:
        settings = read_settings(recipe)
    except ValueError as error:
        raise ValueError(f"{error} Pass --languages to export without it.") from None
    return settings["data.languages"] or PHRASEBOOK.get(settings["data.format"])


def _check(arguments: argparse.Namespace) -> None:
    """Checks that no option would change nothing."""
    formats = [FORMATS[name] for name in arguments.formats]
    for quantization in arguments.quantization if "quantization" in arguments.given else ():
        able = [row.name for row in FORMATS.values() if quantization in row.quantizations]
        if quantization != EXACT and not {row.name for row in formats} & set(able):
            raise ValueError(
                f"--quantization {quantization} would change nothing: it takes --formats "
                f"{' or '.join(able)}. Received: {' '.join(arguments.formats)}."
            )
    if arguments.shortlist and len(arguments.shortlist) > 2:
        raise ValueError(
            "--shortlist must name a source and a target file, or one .npz file. "
            f"Received: {len(arguments.shortlist)} files."
        )
    limits = ["max_quality_drop", "max_repetition_rise", "quality_metric", "tokenize"]
    if not arguments.evaluation:
        check_used(arguments, limits, "--evaluation")
    if arguments.quality_metric != "bleu":
        check_used(arguments, ["tokenize"], "--quality-metric bleu")
    if "onnx" not in arguments.formats:
        check_used(arguments, ["onnx_opset", "onnx_single_files"], "--formats onnx")
    if not any(len(row.all_quantizations(arguments.quantization)) > 1 for row in formats):
        check_used(arguments, limits, "a quantised file to judge, see --quantization")
    if not (arguments.evaluation or arguments.shortlist or arguments.run.is_dir()):
        check_used(arguments, ["errors"], "a file of texts, as of --evaluation or --shortlist")


def _gate(arguments: argparse.Namespace) -> Gate:
    return Gate(
        pairs_of_files(*arguments.evaluation, errors=arguments.errors)
        if arguments.evaluation
        else None,
        arguments.quality_metric,
        arguments.max_quality_drop,
        arguments.max_repetition_rise,
        arguments.tokenize,
        arguments.min_agreement,
    )
