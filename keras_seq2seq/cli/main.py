"""The command line: keras-seq2seq train, average, translate, evaluate, export, verify, inspect."""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence

import keras_seq2seq
from keras_seq2seq.cli.export import add_export
from keras_seq2seq.cli.options import add_runtime_options, add_tokenize_option, translator
from keras_seq2seq.evaluation import METRICS
from keras_seq2seq.text.lines import read_pairs
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import Translator


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 1 failed, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except (ValueError, ArithmeticError, OSError, ImportError) as error:
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
    before, after = (_add_train, _add_average, _add_translate), (_add_verify, _add_inspect)
    for add in (*before, _add_evaluate, add_export, *after):
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
    parser.add_argument(
        "--fine-tune", type=pathlib.Path, metavar="RUN", help="begin from the model of this run"
    )
    parser.add_argument("--force", action="store_true", help="write over an existing run")
    parser.set_defaults(command=_train)


def _train(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.training.recipe import Recipe

    recipe = Recipe.load(arguments.recipe, arguments.set)
    # After the recipe: its faults are told at once, not after seconds of importing Keras.
    from keras_seq2seq.training.train import train

    folder = arguments.output_dir or pathlib.Path("runs") / arguments.recipe.stem
    report = train(recipe, folder, fine_tune=arguments.fine_tune, force=arguments.force)
    for part in ("test", "test_beam"):
        for name, value in report.get(part, {}).items():
            print(f"{part} {name}: {value}")
    print(f"run folder: {folder}")
    return 130 if report["interrupted"] else 0


def _add_average(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "average",
        help="average the weights of epochs of a run",
        description="Averages the weights of epochs that a run kept (training.average_last or "
        "training.average_best of its recipe says how many).",
    )
    parser.add_argument("run", type=pathlib.Path, help="run folder")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--last", type=int, metavar="N", help="the last N epochs")
    which.add_argument("--best", type=int, metavar="N", help="the N best by the recipe's metric")
    parser.add_argument(
        "--output", type=pathlib.Path, help=".keras file to write (default: RUN/average.keras)"
    )
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    parser.set_defaults(command=_average)


def _average(arguments: argparse.Namespace) -> int:
    path = arguments.output or arguments.run / "average.keras"
    if path.exists() and not arguments.force:
        raise FileExistsError(
            f"An average goes into a new file. Received: {path}; pass --force to write over it."
        )
    from keras_seq2seq.training.averaging import average_run
    from keras_seq2seq.training.run_folder import RunFolder

    by_metric = arguments.best is not None
    count = arguments.best if by_metric else arguments.last
    epochs = average_run(RunFolder(arguments.run), path, count, by_metric=by_metric)
    print(f"average of the epochs {', '.join(map(str, epochs))}: {path}")
    return 0


def _add_translate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "translate",
        help="translate standard input, line by line",
        description="Translates standard input, UTF-8, to one line for each line.",
    )
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a line: hypotheses with scores, attention and alignment",
    )
    parser.add_argument(
        "--plot-attention",
        type=pathlib.Path,
        metavar="FILE.png",
        help="draw the attention of the first line there, of line N to FILE-N.png",
    )
    parser.add_argument("--prefix", default="", help="text that every translation begins with")
    parser.add_argument(
        "--split-sentences",
        metavar="LANGUAGE",
        help="translate the sentences of a line one by one; the language of the source, as en",
    )
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument(
        "--window",
        type=int,
        default=2048,
        help="lines that may be read ahead to share batches (default: %(default)s)",
    )
    add_runtime_options(parser)
    parser.set_defaults(command=_translate)


def _translate(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.cli.read_ahead import groups
    from keras_seq2seq.progress import progress

    if arguments.split_sentences and (
        arguments.json or arguments.plot_attention or arguments.prefix
    ):
        raise ValueError(
            "--split-sentences goes with neither --json, --plot-attention nor --prefix, which "
            "are about one sentence a line."
        )
    opened = translator(arguments)
    lines = 0
    bar = sys.stderr.isatty() and not sys.stdout.isatty()
    with progress(None, "lines", bar) as advance:
        for group in groups(sys.stdin.buffer, arguments.window):
            texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in group]
            for line in _translated(opened, texts, arguments, lines):
                print(line)
            sys.stdout.flush()
            lines += len(group)
            advance(len(group))
    return 0


def _translated(
    opened: Translator, texts: list[str], arguments: argparse.Namespace, lines: int
) -> Iterator[str]:
    """Yields what is printed for each text, of which `lines` came before."""
    options = {"batch_size": arguments.batch_size, "window": arguments.window, "verbose": False}
    if arguments.split_sentences:
        from keras_seq2seq.text.sentences import map_sentences

        def translate(sentences: list[str]) -> list[str]:
            return [best.text for best, *_ in opened.iterate(sentences, **options)]

        yield from map(_one_line, map_sentences(texts, arguments.split_sentences, translate))
        return
    found = opened.iterate(texts, prefixes=arguments.prefix, **options)
    for number, (text, n_best) in enumerate(zip(texts, found, strict=True), lines + 1):
        if arguments.plot_attention:
            _plot_attention(n_best[0], arguments.plot_attention, number)
        if arguments.json:
            hypotheses = [translation.to_dict() for translation in n_best]
            first = {"source": text, "source_tokens": list(n_best[0].source_tokens)}
            yield json.dumps({**first, "hypotheses": hypotheses}, ensure_ascii=False)
        else:
            yield _one_line(n_best[0].text)


def _one_line(text: str) -> str:
    """Returns a translation without line breaks, which byte pieces can spell."""
    return text.replace("\r", " ").replace("\n", " ")


def _plot_attention(translation: Translation, path: pathlib.Path, number: int) -> None:
    from keras_seq2seq.attention_map import draw_attention

    if translation.attention is None:
        raise ValueError(
            "--plot-attention needs a model that attends. Received: one without attention."
        )
    if number > 1:
        path = path.with_stem(f"{path.stem}-{number}")
    draw_attention(
        translation.attention, translation.source_tokens, translation.target_tokens, path
    )


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
    from keras_seq2seq.evaluation import evaluate

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


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("verify", help="check that all files of a bundle agree")
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--text", type=pathlib.Path, help="sentences to translate, one a line")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.set_defaults(command=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.bundles.manifest import dumps

    # The bar goes to standard output, which belongs to the JSON.
    parity = keras_seq2seq.verify(arguments.bundle, arguments.text, verbose=not arguments.json)
    print(dumps(parity.to_dict()) if arguments.json else parity)
    return 0 if parity.passed else 1


def _add_inspect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("inspect", help="say what a shipped file holds and needs")
    parser.add_argument(
        "path", type=pathlib.Path, help="bundle, SavedModel, .tflite, .onnx or .keras"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, for programs")
    form.add_argument(
        "--summary", action="store_true", help="of a bundle, without its artefacts one by one"
    )
    parser.set_defaults(command=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.inspection.rendering import rendered

    found = keras_seq2seq.inspect(arguments.path)
    if arguments.json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(rendered(found, summary=arguments.summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
