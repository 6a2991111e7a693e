"""Standard input, output and error of a command: UTF-8, whatever the locale says."""

import codecs
import contextlib
import io
import locale
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO


def in_utf8_mode() -> None:
    """Starts this process again in Python's UTF-8 mode if the locale has another encoding.

    Then arguments, file names and the files that other packages open are UTF-8 too. Windows has
    file names and arguments in Unicode, whatever its code page.
    """
    if os.name != "posix" or sys.flags.utf8_mode or not sys.executable:
        return
    if codecs.lookup(locale.getencoding()).name != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def fill_closed_descriptors() -> None:
    """Opens the null device for each standard stream that the process was started without.

    Otherwise the next file that is opened becomes standard error, and every message goes into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


@contextlib.contextmanager
def utf8_streams() -> Iterator[None]:
    """Makes standard output and error UTF-8 within the block.

    A lone surrogate, as in a file name that is not UTF-8, is written as an escape sequence. What
    goes to a standard error that is closed is lost.
    """
    if sys.stderr is None:
        # Without it, `print` takes standard output.
        sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "w"))
    changed = [
        (stream, stream.encoding, stream.errors)
        for stream in (sys.stdout, sys.stderr)
        if isinstance(stream, io.TextIOWrapper)
    ]
    for stream, *_ in changed:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        yield
    finally:
        for stream, encoding, errors in changed:
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(encoding=encoding, errors=errors)


def standard_input() -> BinaryIO:
    """Returns standard input as bytes.

    Raises:
        OSError: If it is closed, or a folder.
    """
    if sys.stdin is None:
        raise OSError("Standard input is closed; send it a file or a pipe.")
    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:
        return sys.stdin.buffer
    try:
        # A file of its own: Python dies at its end if a thread still reads from `sys.stdin`.
        return open(descriptor, "rb", closefd=False)
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard input") from None


def check_output() -> None:
    """Checks that there is a standard output.

    Raises:
        OSError: If it is closed.
    """
    if sys.stdout is None:
        raise OSError("Standard output is closed; send it to a file or to the null device.")


def flush_output() -> None:
    """Flushes standard output.

    Raises:
        OSError: If it cannot be written; names it.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


def drop_unwritten() -> None:
    """Drops what can no longer be written, so that Python does not try it again at its end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, stream.fileno())
            os.close(descriptor)
