"""Files that are whole or not there: written beside their place and renamed into it."""

import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields the path of a temporary file; at the end it is flushed and renamed to `path`.

    Whoever reads `path` sees the old file or the whole new one, also after the machine stopped. An
    error inside leaves the old file as it was. No temporary file stays, unless the process is
    killed: then the next one to write writes over it.

    Args:
        path: The file to write. Its folder must exist.
    Yields:
        The path to write to, in the same folder; it ends like `path`, as Keras asks for.
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
        # Renamed before its content has reached the disk, a file could be empty after a power cut.
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
