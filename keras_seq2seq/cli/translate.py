"""The command translate: standard input to standard output, line by line."""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator

from keras_seq2seq.attention_map import draw_attention
from keras_seq2seq.cli.options import Commands, add_runtime_options, translator
from keras_seq2seq.cli.read_ahead import groups
from keras_seq2seq.progress import progress
from keras_seq2seq.text.sentences import map_sentences
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import Translator


def add_translate(commands: Commands) -> None:
    """Adds the command translate."""
    parser = commands.add_parser(
        "translate",
        help="translate standard input, line by line",
        description="Translates standard input (UTF-8): one line of output for each line.",
    )
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object per line: hypotheses with scores, attention and alignment",
    )
    parser.add_argument(
        "--plot-attention",
        type=pathlib.Path,
        metavar="FILE.png",
        help="draw the attention of the first line to this file, of line N to FILE-N.png",
    )
    parser.add_argument("--prefix", default="", help="text that every translation begins with")
    parser.add_argument(
        "--split-sentences",
        metavar="LANGUAGE",
        help="translate the sentences of a line one by one; language of the source, such as en",
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
    if arguments.split_sentences and (
        arguments.json or arguments.plot_attention or arguments.prefix
    ):
        raise ValueError(
            "--split-sentences cannot be combined with --json, --plot-attention or --prefix, "
            "which need one sentence per line."
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
    """Yields the output for each text; `lines` is the number of lines before."""
    options = {"batch_size": arguments.batch_size, "window": arguments.window, "verbose": False}
    if arguments.split_sentences:

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
    """Returns a translation without line breaks, which byte pieces can form."""
    return text.replace("\r", " ").replace("\n", " ")


def _plot_attention(translation: Translation, path: pathlib.Path, number: int) -> None:
    if translation.attention is None:
        raise ValueError(
            "--plot-attention needs a model that attends. Received: one without attention."
        )
    if number > 1:
        path = path.with_stem(f"{path.stem}-{number}")
    draw_attention(
        translation.attention, translation.source_tokens, translation.target_tokens, path
    )
