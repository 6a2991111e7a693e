"""Writes a folder completely or not at all: under a temporary name that is then exchanged."""

import contextlib
import ctypes
import errno
import functools
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator

from keras_seq2seq.whole_file import sync

PREFIX = ".partial-bundle-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# What the kernel answers if it, or the file system, cannot exchange two names.
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV}


@contextlib.contextmanager
def whole_folder(path: pathlib.Path, *, replace: bool = False) -> Iterator[pathlib.Path]:
    """Yields a temporary folder; at the end it is flushed and takes the name `path`.

    A reader of `path` sees the old folder or the complete new one at every moment, also after a
    kill or a power cut, where the system can exchange two names (Linux, on most file systems).
    Elsewhere there is a moment between two renames in which there is none. If the block raises,
    the old folder stays as it was. What a killed process left is deleted by the next one that
    writes into the same parent.

    Args:
        path: The folder to write; no symbolic link. Its parent must exist.
        replace: Replace a folder that is there at the end.
    Raises:
        FileExistsError: If there is one and `replace` is False.
    """
    sweep(path.parent)
    partial, lock = _made(path.parent)
    try:
        yield partial
        partial.chmod(0o755)  # `mkdtemp` makes it for its owner only
        _sync_all(partial)
        if path.exists() and not replace:
            raise FileExistsError(f"{path} was written by another process in the meantime.")
        put_folder(partial, path)
        sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def check_utf8(path: pathlib.Path, what: str) -> None:
    """Checks that the path of a bundle is text, which the runtimes of all formats need.

    Args:
        path: The path.
        what: Subject of the error.
    Raises:
        ValueError: If its bytes are not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{what} must be a path in UTF-8, which the runtimes need. "
            f"Received: {str(path)!r}; use a folder with another name."
        ) from None


def sweep(parent: pathlib.Path) -> None:
    """Deletes the temporary folders of processes that have ended, killed ones too.

    A process holds a lock on its folder, which the kernel frees when the process dies. Where
    folders cannot be locked, nothing is deleted.
    """
    for found in parent.glob(f"{PREFIX}*"):
        if not found.is_dir() or found.is_symlink():
            continue
        with contextlib.suppress(OSError):  # a living process has it, or it is gone
            if (lock := _lock(found)) is not None:
                shutil.rmtree(found, ignore_errors=True)
                os.close(lock)


def _made(parent: pathlib.Path) -> tuple[pathlib.Path, int | None]:
    """Makes a temporary folder; returns it with its lock, None where there are no locks."""
    while True:
        partial = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Another process may sweep the folder before it is locked.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(partial)
            if partial.exists():
                return partial, lock


def _lock(folder: pathlib.Path) -> int | None:
    """Returns a descriptor that holds a lock on a folder, or None where folders have none.

    Raises:
        BlockingIOError: If another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # such as NFS, which locks only files that are open for writing
        os.close(descriptor)
        return None
    return descriptor


def _sync_all(folder: pathlib.Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            sync(pathlib.Path(root, name))
        sync(pathlib.Path(root))


def put_folder(partial: pathlib.Path, path: pathlib.Path) -> None:
    """Gives the finished folder its name; afterwards the old one has the temporary name."""
    if not path.exists():
        partial.rename(path)
        return
    if _exchange(partial, path):
        return
    # Not a name that is swept: a kill between the renames leaves nothing but this.
    old = partial.with_name(f".replaced-bundle-{partial.name.removeprefix(PREFIX)}")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Exchanges two names in one step; returns False if the system cannot do that."""
    if (rename := _renameat2()) is None:
        return False
    places = _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other)
    if rename(*places, _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """Returns the function of the C library, or None where it has none."""
    if sys.platform != "linux":
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = [
        *(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    ]
    return function
