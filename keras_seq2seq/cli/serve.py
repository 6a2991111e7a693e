"""The command keras-seq2seq serve: a bundle over HTTP."""

import argparse
import logging
import pathlib

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.messages import tell
from keras_seq2seq.cli.options import (
    Commands,
    add_runtime_options,
    search_options,
    translators,
)
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.installed import how_to_install, missing_packages
from keras_seq2seq.serving.app import build_app
from keras_seq2seq.serving.plain_text import splitter
from keras_seq2seq.serving.server import address, bound, run
from keras_seq2seq.serving.service import Limits, ServedModel, TranslationService
from keras_seq2seq.serving.translation_queue import TranslationQueue
from keras_seq2seq.text.languages import language_errors
from keras_seq2seq.text.lines import read_texts

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
# Texts that are translated before the first request, so that no client waits for first runs.
WARM_UP = 4
SENTENCES_FILE = "verify.txt"


def add_serve(commands: Commands) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="serve a bundle over HTTP",
        description="Serves a bundle over HTTP: the REST interface of TensorFlow Serving "
        "(/v1/models/NAME:predict), that of LibreTranslate (/translate), metrics and a web page.",
    )
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    _add_address(parser)
    _add_queue(parser)
    _add_limits(parser)
    add_runtime_options(parser)
    parser.set_defaults(command=_serve)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 is every one of this machine (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=int, default=8501, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--name", default="translator", help="as in /v1/models/NAME (default: %(default)s)"
    )
    parser.add_argument(
        "--model-version",
        type=int,
        default=1,
        metavar="N",
        help="as in /v1/models/NAME/versions/N (default: %(default)s)",
    )
    parser.add_argument(
        "--languages",
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="codes of the languages, such as en fr (default: those of the bundle, or else the "
        "words source and target)",
    )
    parser.add_argument(
        "--split-sentences",
        action="store_true",
        help="in /translate, translate the sentences of a line one by one",
    )
    parser.add_argument(
        "--api-keys",
        type=pathlib.Path,
        metavar="FILE",
        help="file of keys, one per line, one of which a request to translate must have",
    )
    parser.add_argument(
        "--allow-origin",
        dest="allow_origins",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="origin of web pages that may ask, such as https://example.org; may be repeated",
    )


def _add_queue(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("queue")
    group.add_argument(
        "--workers", type=int, default=1, help="batches at the same time (default: %(default)s)"
    )
    group.add_argument(
        "--max-batch-size", type=int, default=32, help="texts of a batch (default: %(default)s)"
    )
    group.add_argument(
        "--max-wait-ms",
        type=float,
        default=2.0,
        help="how long a text waits for others to share its batch (default: %(default)s)",
    )
    group.add_argument(
        "--max-queue-size",
        type=int,
        default=1024,
        help="texts that may wait; then requests get status 503 (default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group, limits = parser.add_argument_group("limits of a request"), Limits()
    for name, kind, told in (
        ("max_characters", int, "characters of a text"),
        ("max_texts", int, "texts, after they were split into sentences"),
        ("max_beam_size", int, "largest beam that it may ask for"),
        ("max_body_bytes", int, "bytes"),
    ):
        option = f"--{name.replace('_', '-')}"
        default = getattr(limits, name)
        group.add_argument(option, type=kind, default=default, help=f"{told} (default: {default})")
    group.add_argument(
        "--timeout",
        dest="seconds",
        type=float,
        default=limits.seconds,
        help="seconds until it is answered or given up (default: %(default)s)",
    )


def _serve(arguments: argparse.Namespace) -> int:
    if missing := missing_packages(PACKAGES):
        raise ImportError(f"A server needs {', '.join(missing)}: {how_to_install('serve')}.")
    limits = Limits(**{name: getattr(arguments, name) for name in vars(Limits())})
    keys = _keys(arguments.api_keys)
    bundle = Bundle.open(arguments.bundle)
    model = _model(arguments, bundle)
    split = splitter(model.languages[0] if arguments.split_sentences else None)
    logging.basicConfig(format="%(message)s")
    with bound(arguments.host, arguments.port) as listening:
        default = None if search_options(arguments) else bundle.beam or GREEDY
        opened = translators(arguments, arguments.workers, default)
        sentences = bundle.folder / SENTENCES_FILE
        texts = read_texts(sentences)[:WARM_UP] if sentences.is_file() else [""]
        for translator in opened:
            list(translator.iterate(texts, verbose=False))
        with TranslationQueue(
            opened,
            max_batch_size=arguments.max_batch_size,
            max_wait_ms=arguments.max_wait_ms,
            max_queue_size=arguments.max_queue_size,
        ) as queue:
            service = TranslationService(queue, model, limits=limits, api_keys=keys, split=split)
            app = build_app(service, allow_origins=arguments.allow_origins)
            told = f"serving {model.name} at {address(listening)}: {opened[0]!r}"
            run(app, listening, ready=lambda: tell(told))
    return 0


def _model(arguments: argparse.Namespace, bundle: Bundle) -> ServedModel:
    languages = arguments.languages or bundle.languages
    if arguments.languages and (errors := language_errors(arguments.languages, "--languages")):
        raise ValueError("\n".join(errors))
    if arguments.split_sentences and not languages:
        raise ValueError(
            "--split-sentences needs the language of the source, which this bundle does not tell; "
            "pass --languages."
        )
    if arguments.model_version < 1:
        raise ValueError(
            f"--model-version must be at least 1. Received: {arguments.model_version}."
        )
    if not arguments.name or set(arguments.name) & set("/:"):
        raise ValueError(f"--name must have neither / nor :. Received: {arguments.name!r}.")
    source, target = languages or ("source", "target")
    beam = bundle.beam or BeamSearch()
    return ServedModel(arguments.name, arguments.model_version, (source, target), beam)


def _keys(path: pathlib.Path | None) -> list[str]:
    if path is None:
        return []
    keys = [key for line in read_texts(path) if (key := line.strip())]
    if not keys:
        raise ValueError(f"--api-keys must hold a key, one per line. Received: {path}, empty.")
    return keys
