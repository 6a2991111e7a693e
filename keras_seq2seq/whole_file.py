"""Writes files completely or not at all: to a temporary file that is then renamed."""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Iterator

LONGEST_NAME = 255  # bytes, in every file system in use


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields the path of a temporary file; at the end it is flushed and renamed to `path`.

    A reader of `path` sees the old file or the complete new one, even after the machine stops. If
    the block raises, the old file stays as it was. The temporary file is removed, unless the
    process is killed; then the next writer overwrites it.

    Args:
        path: The file to write. Its folder must exist.
    Yields:
        The path to write to, in the same folder; it ends like `path`, because Keras checks that.
    Example:
        >>> import tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> with whole_file(folder / "words.txt") as partial:
        ...     _ = partial.write_text("a whole line")
        >>> [file.name for file in folder.iterdir()]
        ['words.txt']
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{_short(path)}")
    try:
        yield partial
        # Without this the file could be empty after a power cut, or keep its old name.
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: pathlib.Path) -> None:
    """Waits until a file, or the list of names in a folder, is on the disk.

    Where a system cannot do that for a folder, it is left to the system.
    """
    is_folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    except PermissionError:
        if is_folder:  # Windows opens no folder
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError:
        if not is_folder:
            raise
    finally:
        os.close(descriptor)


def _short(path: pathlib.Path) -> str:
    """Returns the name of a file, or one made from it if the temporary name would be too long."""
    if len(os.fsencode(f".partial-{path.name}")) <= LONGEST_NAME:
        return path.name
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16] + path.suffix
