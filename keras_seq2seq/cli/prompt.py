"""Lines that somebody types: a prompt for each, and none is read ahead."""

import sys
from collections.abc import Iterator
from typing import BinaryIO

from keras_seq2seq.cli.messages import tell

PROMPT = "> "


def is_typed(lines: BinaryIO) -> bool:
    """Returns True if somebody types the lines and sees what is written to standard error."""
    return lines.isatty() and sys.stderr.isatty()


def asked(lines: BinaryIO) -> Iterator[list[bytes]]:
    """Yields groups of one line, each typed after a prompt; the prompts go to standard error.

    Args:
        lines: A terminal.
    """
    tell("type a sentence and press Enter; Ctrl-D ends.")
    while True:
        print(PROMPT, end="", file=sys.stderr, flush=True)
        line = lines.readline()
        if not line:
            print(file=sys.stderr, flush=True)  # the shell's own prompt begins a line
            return
        yield [line]
