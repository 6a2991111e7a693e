"""The command line: keras-seq2seq train | translate | evaluate | export | verify."""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

import keras_seq2seq
from keras_seq2seq.decoding.strategy import BeamSearch
from keras_seq2seq.translator import Translator


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 1 failed, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except (ValueError, OSError, ImportError) as error:
        print(f"keras-seq2seq: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-seq2seq",
        description="Train sequence-to-sequence models in Keras and ship them everywhere.",
    )
    parser.add_argument("--version", action="version", version=keras_seq2seq.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_train, _add_translate, _add_evaluate, _add_export, _add_verify):
        add(commands)
    return parser


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("train", help="train a model as a recipe says")
    parser.add_argument("recipe", type=pathlib.Path, help="TOML file")
    parser.add_argument("--output-dir", type=pathlib.Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="goes before the recipe; may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="write over an existing run")
    parser.set_defaults(command=_train)


def _train(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.training.recipe import Recipe

    recipe = Recipe.load(arguments.recipe, arguments.set)
    # After the recipe: its faults are told at once, not after seconds of importing Keras.
    from keras_seq2seq.training.run import train

    folder = arguments.output_dir or pathlib.Path("runs") / arguments.recipe.stem
    report = train(recipe, folder, force=arguments.force)
    for name, value in report.get("test", {}).items():
        print(f"test {name}: {value}")
    print(f"run folder: {folder}")
    return 130 if report["interrupted"] else 0


def _add_translate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("translate", help="translate standard input, line by line")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, with scores and hypotheses"
    )
    _add_runtime_options(parser)
    parser.set_defaults(command=_translate)


def _add_runtime_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime",
        default="onnx",
        choices=("keras", "saved_model", "litert", "onnx"),
        help="what runs the model (default: %(default)s)",
    )
    parser.add_argument(
        "--quantization",
        default="float32",
        choices=("float32", "dynamic_int8"),
        help="of the LiteRT file (default: %(default)s)",
    )
    parser.add_argument(
        "--search",
        choices=("in_file", "host"),
        help="where the search runs (default: in_file; host for what no file has inside)",
    )
    _add_beam_options(parser)
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")


def _add_beam_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beam-size", type=int, default=1, help="1 is greedy (default)")
    parser.add_argument(
        "--num-hypotheses", type=int, default=1, help="of a beam (default: %(default)s)"
    )
    parser.add_argument(
        "--alpha", type=float, default=0.6, help="length penalty of a beam (default: %(default)s)"
    )


def _beam(arguments: argparse.Namespace) -> BeamSearch | None:
    if arguments.beam_size == 1 and arguments.num_hypotheses == 1:
        return None
    return BeamSearch(arguments.beam_size, arguments.num_hypotheses, alpha=arguments.alpha)


def _translator(arguments: argparse.Namespace) -> Translator:
    return keras_seq2seq.load(
        arguments.bundle,
        runtime=arguments.runtime,
        quantization=arguments.quantization,
        search=arguments.search,
        strategy=_beam(arguments),
        num_threads=arguments.threads,
    )


def _translate(arguments: argparse.Namespace) -> int:
    translator = _translator(arguments)
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        print(_json(translator, text) if arguments.json else _line(translator, text), flush=True)
    return 0


def _line(translator: Translator, text: str) -> str:
    """Returns the translation without line breaks, which byte pieces can spell."""
    return translator.translate(text).replace("\r", " ").replace("\n", " ")


def _json(translator: Translator, text: str) -> str:
    """Returns one line: the source and its hypotheses, the best first."""
    hypotheses = [
        {
            "translation": translator.tokenizers.target.decode(list(found.ids)),
            "ids": list(found.ids),
            "score": found.score,
            "ranking": found.ranking,
            "finished": found.finished,
        }
        for found in translator.n_best([text])[0]
    ]
    return json.dumps({"source": text, "hypotheses": hypotheses}, ensure_ascii=False)


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evaluate", help="translate a file and compare with references")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--source", type=pathlib.Path, required=True, help="texts, one a line")
    parser.add_argument("--reference", type=pathlib.Path, required=True, help="the same, wanted")
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=1000,
        help="resamplings for confidence intervals (default: %(default)s)",
    )
    _add_runtime_options(parser)
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.text import read_texts
    from keras_seq2seq.training.evaluation import METRICS, evaluate

    sources, references = read_texts(arguments.source), read_texts(arguments.reference)
    if len(sources) != len(references):
        raise ValueError(
            "Both files must have as many lines. Received: "
            f"{len(sources)} in {arguments.source}, {len(references)} in {arguments.reference}."
        )
    translations = _translator(arguments).translate(sources)
    found = evaluate(translations, references, metrics=METRICS, num_bootstraps=arguments.bootstrap)
    for name in METRICS:
        interval = found.get(f"{name}_interval", f"{found[name]:.2f}")
        print(f"{name:12} {interval}  {found[f'{name}_signature']}")
    print(f"exact match  {found['exact_match']:.2f} % of {found['sentences']}")
    return 0


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("export", help="write a run's model as a bundle and verify it")
    parser.add_argument("run", type=pathlib.Path, help="run folder, or a .keras file")
    parser.add_argument("--output-dir", type=pathlib.Path, required=True, help="folder to make")
    parser.add_argument(
        "--formats",
        nargs="+",
        default=["saved_model", "litert", "onnx"],
        choices=("saved_model", "litert", "onnx"),
        help="default: all",
    )
    _add_beam_options(parser)
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    parser.set_defaults(command=_export)


def _export(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.models.seq2seq import load_model
    from keras_seq2seq.text import read_texts

    path = arguments.run / "model.keras" if arguments.run.is_dir() else arguments.run
    sources, report = arguments.run / "sources.txt", arguments.run / "report.json"
    parity = keras_seq2seq.export(
        load_model(path, compile=False),
        arguments.output_dir,
        formats=arguments.formats,
        sentences=read_texts(sources) if sources.is_file() else None,
        beam=_beam(arguments),
        quality=json.loads(report.read_text("utf-8")).get("test") if report.is_file() else None,
        force=arguments.force,
    )
    print(parity)
    return 0 if parity.passed else 1


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("verify", help="check that all files of a bundle agree")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--text", type=pathlib.Path, help="sentences to translate, one a line")
    parser.set_defaults(command=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    parity = keras_seq2seq.verify(arguments.bundle, arguments.text)
    print(parity)
    return 0 if parity.passed else 1


if __name__ == "__main__":
    sys.exit(main())
