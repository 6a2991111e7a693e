"""The command line: keras-seq2seq train | average | translate | evaluate | export | verify."""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence

import keras_seq2seq
from keras_seq2seq.decoding.strategy import GREEDY, BeamSearch
from keras_seq2seq.search_options import (
    add_beam_options,
    add_runtime_options,
    strategy,
    translator,
)
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
    for add in (_add_train, _add_average, _add_translate, _add_evaluate, _add_export, _add_verify):
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
    from keras_seq2seq.training.run import train

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
    from keras_seq2seq.progress import progress
    from keras_seq2seq.read_ahead import groups

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
        from keras_seq2seq.sentences import map_sentences

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
    from keras_seq2seq.training.evaluation import METRICS

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
    parser.add_argument(
        "--tokenize",
        default="13a",
        help="how BLEU splits words; none for tokenised texts (default: %(default)s)",
    )
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
    from keras_seq2seq.text import read_texts
    from keras_seq2seq.training.evaluation import evaluate

    sources, references = read_texts(arguments.source), read_texts(arguments.reference)
    if len(sources) != len(references):
        raise ValueError(
            "Both files must have as many lines. Received: "
            f"{len(sources)} in {arguments.source}, {len(references)} in {arguments.reference}."
        )
    translations = translator(arguments).translate(sources)
    found = evaluate(
        translations,
        references,
        metrics=arguments.metrics,
        num_bootstraps=arguments.bootstrap,
        tokenize=arguments.tokenize,
    )
    for name in arguments.metrics:
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
    add_beam_options(parser)
    parser.add_argument(
        "--text-onnx",
        action="store_true",
        help="write an ONNX file from text to text too, for onnxruntime-extensions",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    parser.set_defaults(command=_export)


def _export(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.models.seq2seq import load_model
    from keras_seq2seq.text import read_texts

    chosen = strategy(arguments)
    if not isinstance(chosen, BeamSearch) and chosen != GREEDY:
        raise ValueError(
            "Rules of a search inside the files need a beam: pass --beam-size above 1. "
            f"Received: {chosen}."
        )
    path = arguments.run / "model.keras" if arguments.run.is_dir() else arguments.run
    sources, report = arguments.run / "sources.txt", arguments.run / "report.json"
    parity = keras_seq2seq.export(
        load_model(path, compile=False),
        arguments.output_dir,
        formats=arguments.formats,
        sentences=read_texts(sources) if sources.is_file() else None,
        beam=chosen if isinstance(chosen, BeamSearch) else None,
        text_onnx=arguments.text_onnx,
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
