"""Silence around libraries that write to the process' standard error from C++."""

import contextlib
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator

LOGGERS = ("tensorflow", "absl")
# Two threads at once would each put back what the other had set.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Hides warnings, log lines and what C++ writes to standard error.

    An error that leaves the block carries the last 2,000 characters of what was hidden. Other
    threads are silent too while the block runs, because a process has only one standard error.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as hidden:
        try:
            with warnings.catch_warnings(), _without_logs(), _standard_error_to(hidden.fileno()):
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            hidden.seek(max(0, hidden.seek(0, os.SEEK_END) - 2000))
            if text := hidden.read().decode(errors="replace").strip():
                error.add_note(f"Standard error of the library:\n{text}")
            raise


@contextlib.contextmanager
def _standard_error_to(descriptor: int) -> Iterator[None]:
    saved = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
