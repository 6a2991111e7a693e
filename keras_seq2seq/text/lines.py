"""What a text is before it is ids: one rule for any input, and the lines of a file.

The rule holds on the host (`clean_text`) and in the graph (`tokenizer_layer.py`), so that ids are
equal: bytes that are not UTF-8 become U+FFFD as `bytes.decode(errors="replace")` has it, so does a
lone surrogate in a str, and NUL becomes a space. The normaliser makes U+FFFD a space too.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

Text = str | bytes

_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def clean_text(text: Text) -> str:
    """Makes the text that SentencePiece sees: the first step of every runtime.

    Args:
        text: str or bytes.
    Returns:
        The text as valid Unicode without NUL.
    Raises:
        TypeError: If `text` is neither str nor bytes.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    elif not isinstance(text, str):
        raise TypeError(
            f"A text must be str or bytes. Received: {type(text).__name__} {text!r:.60}."
        )
    return _SURROGATE.sub("\ufffd", text).replace("\0", " ")


def read_lines(path: str | os.PathLike[str]) -> Iterator[bytes]:
    r"""Yields the lines of a file, one at a time, undecoded.

    Only \n ends a line (never U+2028 or \x0b); one \r before it and a byte order mark are removed.

    Args:
        path: plain, or gzip if its name ends in .gz.
    Raises:
        ValueError: If a .gz file is damaged or cut off; names the file.
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file):
                if number == 0:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                yield line.removesuffix(b"\n").removesuffix(b"\r")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: must be a whole gzip file. Received: {error}.") from None


def read_texts(path: str | os.PathLike[str]) -> list[str]:
    """Returns the lines of a file as texts, by the rules of `read_lines` and `clean_text`."""
    return [clean_text(line) for line in read_lines(path)]


def read_pairs(
    source: str | os.PathLike[str], reference: str | os.PathLike[str]
) -> list[tuple[str, str]]:
    """Returns the lines of two files side by side.

    Raises:
        ValueError: If one has more lines than the other.
    """
    sources, references = read_texts(source), read_texts(reference)
    if len(sources) != len(references):
        raise ValueError(
            "Both files must have as many lines. Received: "
            f"{len(sources)} in {source}, {len(references)} in {reference}."
        )
    return list(zip(sources, references, strict=True))
