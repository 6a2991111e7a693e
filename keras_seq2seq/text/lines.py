"""Reads the lines of files and cleans texts before they become ids.

The host (`clean_text`) and the graph (`graph_tokenizer.py`) clean by the same rule, so their ids
are equal: bytes that are not UTF-8 become U+FFFD, as with `bytes.decode(errors="replace")`; a lone
surrogate in a str becomes U+FFFD too; NUL becomes a space. The default normalisation of
SentencePiece then turns U+FFFD into a space; "nfkc" and "identity" keep it.
"""

import codecs
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
    """Cleans one text for SentencePiece; every runtime does this first.

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
    r"""Yields the lines of a file one by one, as bytes.

    Only \n ends a line (never U+2028 or \x0b); one \r before it and a byte order mark are removed.

    Args:
        path: The file; gzip if its name ends in .gz, otherwise plain text.
    Raises:
        ValueError: If a .gz file is damaged or cut off, if the file begins with a byte order mark
            of UTF-16 or UTF-32, or if its lines end in \r alone; the message names the file.
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file):
                if number == 0:
                    _check_first_line(line, path)
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                yield line.removesuffix(b"\n").removesuffix(b"\r")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is not a complete gzip file ({error}); copy or compress it again."
        ) from None


def _check_first_line(line: bytes, path: Path) -> None:
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise ValueError(
            f"A text file must be in UTF-8. Received: {path} with the byte order mark of UTF-16 or "
            "UTF-32; convert it, for example with `iconv -f UTF-16 -t UTF-8`."
        )
    if not line.endswith(b"\n") and b"\r" in line.removesuffix(b"\r"):
        raise ValueError(
            f"The lines of a text file must end in \\n or \\r\\n. Received: {path} with \\r alone; "
            "convert it, for example with `tr '\\r' '\\n'`."
        )


def read_texts(path: str | os.PathLike[str]) -> list[str]:
    """Returns what `iterate_texts` yields.

    Raises:
        ValueError: If the file is not in UTF-8.
    """
    return list(iterate_texts(path))


def iterate_texts(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the lines of a file as texts, read by `read_lines` and cleaned by `clean_text`.

    Raises:
        ValueError: If the file is not in UTF-8; for UTF-16 at its end.
    """
    nuls = characters = 0
    for number, line in enumerate(read_lines(path), 1):
        text = utf8(line, f"{path}:{number}")
        nuls += text.count("\0")
        characters += len(text)
        yield clean_text(text)
    # In UTF-16 without a mark, every other character of a Latin text is a NUL.
    if nuls * 3 > characters:
        raise ValueError(
            f"A text file must be in UTF-8. Received: {path} with a NUL in every other place; "
            "convert it, for example with `iconv -f UTF-16 -t UTF-8`."
        )


def utf8(line: bytes, where: str) -> str:
    """Returns the text of a line.

    Args:
        line: Bytes in UTF-8.
        where: "file:line", for the error.
    Raises:
        ValueError: If they are no UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"A text file must be in UTF-8. Received: {where} with the byte "
            f"0x{line[error.start]:02x} at position {error.start}; convert it, for example with "
            "`iconv -f WINDOWS-1252 -t UTF-8`."
        ) from None


def read_pairs(
    source: str | os.PathLike[str], reference: str | os.PathLike[str]
) -> list[tuple[str, str]]:
    """Returns the lines of two files as pairs (source, reference).

    Raises:
        ValueError: If one file has more lines than the other.
    """
    sources, references = read_texts(source), read_texts(reference)
    if len(sources) != len(references):
        raise ValueError(
            "Both files must have the same number of lines. Received: "
            f"{len(sources)} in {source}, {len(references)} in {reference}."
        )
    return list(zip(sources, references, strict=True))
