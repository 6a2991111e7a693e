"""Notices that a process was forked after an engine had started its threads."""

import os

_STARTED: dict[str, int] = {}
REMEDY = (
    "Load every model after the fork (gunicorn without --preload, or in its post_fork hook), or "
    'start processes with multiprocessing.get_context("spawn"); ONNX and LiteRT files may be '
    "loaded before it."
)


def started(engine: str) -> None:
    """Remembers in which process an engine first got threads.

    Args:
        engine: Name of a library with threads that all its models share, such as "tensorflow".
    """
    _STARTED.setdefault(engine, os.getpid())


def check_started_here(engine: str, what: str) -> None:
    """Checks that an engine was not started by a parent of this process.

    A fork copies memory but no threads: what waits for one of them waits for ever. onnxruntime and
    LiteRT do without them in a forked process; TensorFlow and JAX do not.

    Args:
        engine: As for `started`.
        what: Subject of the error, such as the path of a model.
    Raises:
        RuntimeError: If it was.
    """
    owner = _STARTED.get(engine, os.getpid())
    if owner != os.getpid():
        raise RuntimeError(
            f"{what} cannot run in process {os.getpid()}: it was forked from process {owner} after "
            f"{engine} had started there, and its threads were left behind. {REMEDY}"
        )
