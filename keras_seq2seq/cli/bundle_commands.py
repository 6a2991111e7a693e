"""The commands that look at a bundle: evaluate, verify, inspect."""

import argparse
import json
import pathlib

from keras_seq2seq.bundles.manifest import dumps
from keras_seq2seq.cli.options import (
    Commands,
    add_runtime_options,
    add_tokenize_option,
    translator,
)
from keras_seq2seq.evaluation import METRICS, evaluate
from keras_seq2seq.inspection.inspect import inspect
from keras_seq2seq.inspection.rendering import rendered
from keras_seq2seq.text.lines import read_pairs


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
    add_runtime_options(parser)
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    pairs = read_pairs(arguments.source, arguments.reference)
    translations = translator(arguments).translate([source for source, _ in pairs])
    found = evaluate(
        translations,
        [reference for _, reference in pairs],
        metrics=arguments.metrics,
        num_bootstraps=arguments.bootstrap,
        tokenize=arguments.tokenize,
    )
    for name in arguments.metrics:
        interval = found.get(f"{name}_interval", f"{found[name]:.2f}")
        print(f"{name:12} {interval}  {found[f'{name}_signature']}")
    print(f"exact match  {found['exact_match']:.2f} % of {found['sentences']}")
    return 0


def add_verify(commands: Commands) -> None:
    """Adds the command verify."""
    parser = commands.add_parser("verify", help="check that all files of a bundle agree")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--text", type=pathlib.Path, help="sentences to translate, one per line")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(command=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.verification.parity import verify

    parity = verify(arguments.bundle, arguments.text, verbose=not arguments.json)
    print(dumps(parity.to_dict()) if arguments.json else parity)
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
    if arguments.json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(rendered(found, summary=arguments.summary))
    return 0
