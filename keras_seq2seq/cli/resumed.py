"""Checks that a file of translations is the beginning of what a command would write."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_seq2seq.cli.input_texts import InputTexts
from keras_seq2seq.cli.output_file import OutputFile

SAMPLE = 16
# Products of dynamic_int8 round by what else is in their batch: a few translations may differ.
SHARE_OF_QUANTISED = 7 / 8


def skip_translated(
    output: OutputFile,
    lines: Iterator[bytes],
    texts: InputTexts,
    translate: Callable[[Sequence[str]], list[str]],
    share: float = 1.0,
) -> None:
    """Reads the lines whose translations a file holds, and translates some of them again.

    These are 16 that are spread over the file, and its last 16.

    Args:
        output: The file.
        lines: The input; as many lines are taken from it as the file has.
        texts: Turns them into texts.
        translate: Returns the lines of output for texts.
        share: float, 0 to 1. How many of the translations must be those of the file.
    Raises:
        ValueError: If the input is shorter than the file, or the translations differ.
    """
    places = _places(output.lines)
    wanted = set(places)
    sources = []
    number = -1
    for number, line in enumerate(itertools.islice(lines, output.lines)):
        text = texts.text(line)
        if number in wanted:
            sources.append(text)
    if number + 1 < output.lines:
        raise ValueError(
            f"--resume needs the input that {output.path} is the translation of. Received: "
            f"{number + 1} lines for {output.lines} translations."
        )
    rows = zip(places, output.read(places), translate(sources), strict=True)
    unlike = [row for row in rows if _said(row[1]) != _said(row[2])]
    if len(places) - len(unlike) < share * len(places):
        place, received, expected = unlike[0]
        raise ValueError(
            f"--resume needs the same input, bundle and options as before: {len(unlike)} of "
            f"{len(places)} lines that were translated again differ. Received in line {place + 1} "
            f"of {output.path}: {received[:200]!r}; now it would be {expected[:200]!r}. Name "
            "another file with --output, or start over with --force."
        )


def _places(count: int) -> list[int]:
    spread = range(0, count, max(1, count // SAMPLE))
    return sorted({*spread, *range(max(0, count - SAMPLE), count)})


def _said(line: str) -> Any:
    """Returns what must be equal: of JSON the texts, as numbers may differ in their last digit."""
    try:
        found = json.loads(line)
        return found["source"], [one["translation"] for one in found["hypotheses"]]
    except (ValueError, TypeError, KeyError):
        return line
