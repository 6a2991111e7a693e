"""The commands that look at a bundle: evaluate, verify, inspect."""

import argparse
import json
import pathlib

from keras_seq2seq.bundles.manifest import dumps
from keras_seq2seq.cli.input_texts import add_errors_option, pairs_of_files, texts_of_file
from keras_seq2seq.cli.messages import say, say_json
from keras_seq2seq.cli.options import (
    Commands,
    add_runtime_options,
    add_tokenize_option,
    check_used,
    translator,
)
from keras_seq2seq.evaluation import METRICS, evaluate
from keras_seq2seq.inspection.inspect import inspect
from keras_seq2seq.inspection.rendering import rendered


def add_evaluate(commands: Commands) -> None:
    """Adds the command evaluate."""
    parser = commands.add_parser("evaluate", help="translate a file and compare it with references")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--source", type=pathlib.Path, required=True, help="texts, one per line")
    parser.add_argument(
        "--reference", type=pathlib.Path, required=True, help="reference translations, one per line"
    )
    parser.add_argument(
        "--bootstrap",
        dest="num_bootstraps",
        type=int,
        default=1000,
        help="resamplings for confidence intervals (default: %(default)s)",
    )
    add_tokenize_option(parser)
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["bleu", "chrf", "ter"],
        choices=METRICS,
        help="for ter, wer and cer lower is better (default: bleu chrf ter)",
    )
    add_errors_option(parser)
    add_runtime_options(parser)
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    if "bleu" not in arguments.metrics:
        check_used(arguments, ["tokenize"], "--metrics bleu")
    if not set(arguments.metrics) & {"bleu", "chrf", "ter"}:
        check_used(arguments, ["num_bootstraps"], "--metrics bleu, chrf or ter")
    pairs = pairs_of_files(arguments.source, arguments.reference, errors=arguments.errors)
    translations = translator(arguments).translate([source for source, _ in pairs])
    found = evaluate(
        translations,
        [reference for _, reference in pairs],
        metrics=arguments.metrics,
        num_bootstraps=arguments.num_bootstraps,
        tokenize=arguments.tokenize,
    )
    for name in arguments.metrics:
        interval = found.get(f"{name}_interval", f"{found[name]:.2f}")
        say(f"{name:12} {interval}  {found[f'{name}_signature']}")
    say(f"exact match  {found['exact_match']:.2f} % of {found['sentences']}")
    return 0


def add_verify(commands: Commands) -> None:
    """Adds the command verify."""
    parser = commands.add_parser("verify", help="check that all files of a bundle agree")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--text", type=pathlib.Path, help="sentences to translate, one per line")
    add_errors_option(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(command=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    texts = None
    if arguments.text is None:
        check_used(arguments, ["errors"], "--text")
    else:
        texts = texts_of_file(arguments.text, errors=arguments.errors)
    from keras_seq2seq.verification.parity import verify  # imports Keras

    parity = verify(arguments.bundle, texts, verbose=not arguments.json)
    if arguments.json:
        say_json(dumps(parity.to_dict()))
    else:
        say(parity)
    return 0 if parity.passed else 1


def add_inspect(commands: Commands) -> None:
    """Adds the command inspect."""
    parser = commands.add_parser("inspect", help="show what a shipped file holds and needs")
    parser.add_argument(
        "path", type=pathlib.Path, help="bundle, SavedModel, .tflite, .onnx or .keras"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print everything as JSON")
    form.add_argument(
        "--summary", action="store_true", help="for a bundle, leave out the single artefacts"
    )
    parser.set_defaults(command=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    found = inspect(arguments.path)
    if not found.parts:
        check_used(arguments, ["summary"], "a bundle")
    if arguments.json:
        say_json(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        say(rendered(found, summary=arguments.summary))
    return 0
