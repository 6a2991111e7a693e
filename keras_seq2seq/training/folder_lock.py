"""A lock on a path: one process at a time, freed by the kernel when its owner dies."""

import contextlib
import errno
import os
import pathlib
import socket
import sys
import time
import warnings
from collections.abc import Iterator

# What a file system without locks answers; then nothing can be locked there.
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
MOST_FAILURES = 1000  # to make a file in a folder that others make and remove meanwhile
PLACE = 2**30  # Windows lets nobody read the bytes that it locks: lock one far behind the text
# Of each lock of this process, by its descriptor: its file, and the folders made for it.
_held: dict[int, tuple[pathlib.Path, list[pathlib.Path]]] = {}


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Holds the lock file `path` during a block; makes its folder, and leaves nothing behind.

    A lock file that a killed process left holds nobody up. Folders that were made for the file
    alone are removed with it.

    Args:
        path: The lock file, which exists while somebody holds it.
        what: What it protects, for the error.
    Raises:
        BlockingIOError: If another process or another thread holds it; the message names the
            process.
        OSError: If the file cannot be written.
    """
    path = pathlib.Path(path)
    made = _missing_folders(path.parent)
    try:
        descriptor = _acquired(path, what, made)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        _remove_empty(made)


def free_all() -> None:
    """Frees the locks of this process, which is about to end without leaving their blocks."""
    # The last one first: it may lie in a folder that was made for one before it.
    for descriptor, (_, made) in reversed(list(_held.items())):
        _release(descriptor)
        _remove_empty(made)


def _missing_folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders that making `folder` would make, the innermost first."""
    return [one for one in (folder, *folder.parents) if not os.path.lexists(one)]


def _remove_empty(folders: list[pathlib.Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # by now it holds something, or another's lock
            folder.rmdir()


def _acquired(path: pathlib.Path, what: str, made: list[pathlib.Path]) -> int:
    """Returns the descriptor of the file, locked and with this process' id in it."""
    failures = 0
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except (FileNotFoundError, FileExistsError):
            # A former owner has just removed the folder, perhaps while `mkdir` looked whether it
            # is one; or, if it stays so, no name for a file.
            failures += 1
            if failures == MOST_FAILURES:
                raise
            continue
        try:
            free = _try_lock(descriptor)
            if free and _is_file(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
                _held[descriptor] = path, made
                return descriptor
            owner = "" if free else _owner(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not free:
            raise BlockingIOError(
                f"Another process{owner} is at work on {what}. Nothing was changed. Wait until it "
                "ends, or stop it; or name another place."
            )


def _release(descriptor: int) -> None:
    held = _held.pop(descriptor, None)
    if held is None:  # a forked child: the lock is its parent's
        return
    # Removed while it is locked: whoever opened it meanwhile sees that it is no longer there.
    with contextlib.suppress(OSError):  # Windows removes no open file
        held[0].unlink()
    os.close(descriptor)


def _leave_to_parent() -> None:
    """Closes the descriptors that a fork has copied: a child must not outlive the lock's owner."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _is_file(path: pathlib.Path, descriptor: int) -> bool:
    """Returns False if the file was removed by its former owner after it had been opened here."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owner(descriptor: int) -> str:
    """Returns " (process 12 on host)", or "" if the owner does not tell in time."""
    for _ in range(20):
        os.lseek(descriptor, 0, os.SEEK_SET)
        number, _, host = os.read(descriptor, 300).decode("utf-8", "replace").strip().partition(" ")
        if number.isdecimal():
            return f" (process {number} on {host})"
        time.sleep(0.01)
    return ""


def _try_lock(descriptor: int) -> bool:
    """Locks a file; returns False if somebody else holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, PLACE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError) as error:
        if isinstance(error, ImportError) or error.errno in WITHOUT_LOCKS:
            warnings.warn(
                f"This system cannot lock files ({error}): see to it yourself that two processes "
                "do not work on one folder.",
                stacklevel=4,
            )
            return True
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True
