"""Writes files completely or not at all: to a temporary file that is then renamed."""

import contextlib
import os
import pathlib
from collections.abc import Iterator


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
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        # Without fsync before the rename, the file could be empty after a power cut.
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
