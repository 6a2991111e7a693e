"""The command translate: standard input to standard output or a file, line by line."""

import argparse
import contextlib
import functools
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence

from keras_seq2seq.attention_map import draw_attention
from keras_seq2seq.cli.input_texts import InputTexts, add_errors_option
from keras_seq2seq.cli.messages import json_safe, tell
from keras_seq2seq.cli.options import (
    Commands,
    add_runtime_options,
    check_used,
    check_utf8,
    translator,
)
from keras_seq2seq.cli.output_file import OutputFile
from keras_seq2seq.cli.output_lines import OutputLines
from keras_seq2seq.cli.prompt import asked, is_typed
from keras_seq2seq.cli.read_ahead import groups
from keras_seq2seq.cli.resumed import SHARE_OF_QUANTISED, skip_translated
from keras_seq2seq.cli.streams import standard_input
from keras_seq2seq.formats import EXACT
from keras_seq2seq.progress import progress
from keras_seq2seq.text.sentences import map_sentences
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import Translator


def add_translate(commands: Commands) -> None:
    """Adds the command translate."""
    parser = commands.add_parser(
        "translate",
        help="translate standard input, line by line",
        description="Translates standard input: one line of output for each line. Both are UTF-8. "
        "In a terminal it asks for sentences.",
    )
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    _add_output(parser)
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
        dest="language",
        metavar="LANGUAGE",
        help="translate the sentences of a line one by one; language of the source, such as en",
    )
    add_errors_option(parser)
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument(
        "--window",
        type=int,
        default=2048,
        help="lines that may be read ahead to share batches (default: %(default)s)",
    )
    add_runtime_options(parser)
    parser.set_defaults(command=_translate)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=pathlib.Path, metavar="FILE", help="file (default: standard output)"
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume",
        action="store_true",
        help="go on where --output ends; some of its lines are translated again and compared",
    )
    existing.add_argument(
        "--force", action="store_true", help="write over --output if it holds something"
    )


def _translate(arguments: argparse.Namespace) -> int:
    _check(arguments)
    lines = standard_input()
    opened = translator(arguments)
    texts = InputTexts("standard input", arguments.errors)
    typed = is_typed(lines)
    shown = sys.stderr.isatty() and not (arguments.output is None and sys.stdout.isatty())
    try:
        with _output(arguments) as output, progress(None, "lines", shown and not typed) as advance:
            if isinstance(output, OutputFile) and output.lines:
                share = 1.0 if arguments.quantization == EXACT else SHARE_OF_QUANTISED
                again = functools.partial(_translated, opened, arguments)
                skip_translated(output, lines, texts, again, share)
                advance(output.lines)
            for group in asked(lines) if typed else groups(lines, arguments.window):
                sources = [texts.text(line) for line in group]
                output.write(_translated(opened, arguments, sources, output.lines))
                advance(len(group))
    finally:
        texts.tell()
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Checks options that contradict each other, or that would change nothing."""
    if arguments.language and (arguments.json or arguments.plot_attention or arguments.prefix):
        raise ValueError(
            "--split-sentences cannot be combined with --json, --plot-attention or --prefix, "
            "which need one sentence per line."
        )
    if arguments.plot_attention and arguments.plot_attention.suffix != ".png":
        raise ValueError(
            f"--plot-attention must name a .png file. Received: {arguments.plot_attention}."
        )
    if arguments.output is None:
        check_used(arguments, ["resume", "force"], "--output")
    if arguments.num_hypotheses > 1 and not arguments.json:
        raise ValueError(
            "--num-hypotheses above 1 needs --json: without it, each line is the best translation. "
            f"Received: {arguments.num_hypotheses}."
        )
    if arguments.prefix:
        if arguments.search == "in_file":
            raise ValueError(
                "--prefix needs the search on the host. Received: --search in_file; leave it out."
            )
        check_utf8(prefix=arguments.prefix)


@contextlib.contextmanager
def _output(arguments: argparse.Namespace) -> Iterator[OutputLines | OutputFile]:
    """Yields where to write; tells what a file holds if the block fails."""
    if arguments.output is None:
        yield OutputLines.standard()
        return
    output = OutputFile(arguments.output, resume=arguments.resume, force=arguments.force)
    before = output.lines
    try:
        yield output
        output.finish()
    except BaseException:
        if output.lines > before:
            with contextlib.suppress(OSError):
                tell(f"{output.path} has {output.lines} whole lines; --resume goes on after them.")
        raise
    finally:
        output.close()


def _translated(
    opened: Translator,
    arguments: argparse.Namespace,
    texts: Sequence[str],
    before: int | None = None,
) -> list[str]:
    """Returns the line of output for each text.

    Args:
        opened: What translates.
        arguments: Those of the command.
        texts: The texts.
        before: int >= 0. Number of lines before them, for the names of pictures; None draws none.
    """
    options = {"batch_size": arguments.batch_size, "window": arguments.window, "verbose": False}
    if arguments.language:

        def translate(sentences: list[str]) -> list[str]:
            return [best.text for best, *_ in opened.iterate(sentences, **options)]

        found = map_sentences(texts, arguments.language, translate)
        return [_one_line(text) for text in found]
    lines = []
    n_bests = opened.iterate(texts, prefixes=arguments.prefix, **options)
    for place, (text, n_best) in enumerate(zip(texts, n_bests, strict=True), 1):
        if arguments.plot_attention and before is not None:
            _plot_attention(n_best[0], arguments.plot_attention, before + place)
        lines.append(_json(text, n_best) if arguments.json else _one_line(n_best[0].text))
    return lines


def _json(text: str, n_best: list[Translation]) -> str:
    hypotheses = [translation.to_dict() for translation in n_best]
    first = {"source": text, "source_tokens": list(n_best[0].source_tokens)}
    return json_safe(json.dumps({**first, "hypotheses": hypotheses}, ensure_ascii=False))


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
