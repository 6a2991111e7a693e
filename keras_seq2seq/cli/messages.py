"""What a command prints besides its data: messages and reports, safe for a terminal."""

import contextlib
import json
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

from keras_seq2seq.text.printable import printable

PROGRAM = "keras-seq2seq"
PARTIAL = ".partial-"  # see `whole_file`


def tell(message: str) -> None:
    """Prints a message on standard error; what came from outside is escaped."""
    print(f"{PROGRAM}:", printable(message, keep="\n"), file=sys.stderr, flush=True)


def say(report: object) -> None:
    """Prints a report on standard output; what came from outside is escaped.

    Raises:
        OSError: If it cannot be written; names standard output.
    """
    _print(printable(str(report), keep="\n"))


def say_json(text: str) -> None:
    """Prints JSON on standard output; see `json_safe` and `say`."""
    _print(json_safe(text))


def json_safe(text: str) -> str:
    r"""Returns JSON that means the same, with what could steer a terminal written as \uXXXX."""
    if text.isprintable():
        return text
    return "".join(
        c if c == "\n" or printable(c) == c else json.dumps(c, ensure_ascii=True)[1:-1]
        for c in text
    )


def about(error: BaseException) -> str:
    """Returns what an error says; a file that could not be read or written comes first."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        # A file that is written under another name first is told by its own.
        return f"{' -> '.join(names).replace(PARTIAL, '')}: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(error)


def _print(text: str) -> None:
    try:
        print(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


@contextlib.contextmanager
def told_warnings() -> Iterator[None]:
    """Prints warnings of this package within the block as messages, without lines of code."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is UserWarning and file is None:
            tell(f"warning: {message}")
        else:
            former(message, category, filename, lineno, file, line)

    former = warnings.showwarning
    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = former
