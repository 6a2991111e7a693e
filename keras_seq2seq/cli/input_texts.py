"""Texts of standard input and of files: lines that are UTF-8, or else are counted or refused."""

import argparse
import os

from keras_seq2seq.cli.messages import tell
from keras_seq2seq.text.lines import clean_text, read_lines

ERRORS = ("replace", "strict")
# What a file that is not UTF-8 may begin with; none of it begins UTF-8.
_OTHER_ENCODINGS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def add_errors_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option for lines that are not UTF-8."""
    parser.add_argument(
        "--errors",
        choices=ERRORS,
        default=ERRORS[0],
        help="lines that are not UTF-8 or hold NUL: replace (bytes become U+FFFD, NUL a space, and "
        "the lines are counted) or strict (refuse the first one) (default: %(default)s)",
    )


class InputTexts:
    """Turns lines into texts, and counts those that are not clean UTF-8.

    Args:
        name: Of the input, for messages.
        errors: One of `ERRORS`.
    """

    def __init__(self, name: str | os.PathLike[str], errors: str) -> None:
        self._name = os.fspath(name)
        self._strict = errors == "strict"
        self._number = 0
        # What was wrong, how it was read: how many lines, the first one.
        self._replaced: dict[tuple[str, str], list[int]] = {}

    def text(self, line: bytes) -> str:
        r"""Returns the next line as a text, without its \n and one \r before it.

        Raises:
            ValueError: If the input is UTF-16 or UTF-32, or with "strict" a line is not UTF-8 or
                holds NUL.
        """
        self._number += 1
        if self._number == 1:
            self._check_encoding(line)
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if b"\0" in line:
            self._note("hold NUL", "which was read as a space")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            self._note("are not UTF-8", "wrong bytes were read as U+FFFD", error)
            return line.decode("utf-8", "replace")

    def tell(self) -> None:
        """Tells on standard error how many lines were not clean."""
        for (what, read), (count, first) in self._replaced.items():
            tell(
                f"{self._name}: {count} of {self._number} lines {what}, {read}; the first is line "
                f"{first}. Convert the input to UTF-8, or pass --errors strict to refuse it."
            )

    def _note(self, what: str, read: str, error: UnicodeDecodeError | None = None) -> None:
        if self._strict:
            received = "NUL" if error is None else f"byte 0x{error.object[error.start]:02x}"
            raise ValueError(
                f"{self._name}:{self._number}: a line must be UTF-8 without NUL. Received: "
                f"{received}; convert the input, or pass --errors replace."
            )
        found = self._replaced.setdefault((what, read), [0, self._number])
        found[0] += 1

    def _check_encoding(self, line: bytes) -> None:
        for mark, encoding in _OTHER_ENCODINGS.items():
            if line.startswith(mark):
                raise ValueError(
                    f"{self._name} must be UTF-8. Received: {encoding}, by its first bytes; "
                    "convert it, for example with iconv."
                )


def texts_of_file(path: str | os.PathLike[str], *, errors: str) -> list[str]:
    """Returns the cleaned lines of a file, and tells how many are not clean UTF-8.

    Args:
        path: As in `read_lines`.
        errors: One of `ERRORS`.
    Raises:
        ValueError: If the file is in another encoding; with "strict", if a line is not clean.
    """
    found = InputTexts(path, errors)
    texts = [clean_text(found.text(line)) for line in read_lines(path)]
    found.tell()
    return texts


def pairs_of_files(
    source: str | os.PathLike[str], reference: str | os.PathLike[str], *, errors: str
) -> list[tuple[str, str]]:
    """Returns the lines of two files as pairs (source, reference); see `texts_of_file`.

    Raises:
        ValueError: If one file has more lines than the other, or a file is refused.
    """
    sources, references = (texts_of_file(path, errors=errors) for path in (source, reference))
    if len(sources) != len(references):
        raise ValueError(
            "Both files must have the same number of lines. Received: "
            f"{len(sources)} in {source}, {len(references)} in {reference}."
        )
    return list(zip(sources, references, strict=True))
