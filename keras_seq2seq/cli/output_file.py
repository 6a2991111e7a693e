"""The file of --output: new, written over, or continued where it ends."""

import io
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import BinaryIO, cast

from keras_seq2seq.cli.output_lines import OutputLines

_BLOCK = 1 << 20


class OutputFile:
    """A file of lines, open for writing after the whole lines that stay.

    It grows line by line, as a file after `>` does. What goes is kept until the first `write`.

    Args:
        path: The file; created if it does not exist.
        resume: Whether the whole lines that it holds stay.
        force: Whether they may go, if `resume` is False.
    Raises:
        FileExistsError: If it holds something and neither `resume` nor `force` is true.
        ValueError: If it cannot be continued, or is standard input too.
        OSError: If it cannot be written.
    """

    def __init__(self, path: pathlib.Path, *, resume: bool, force: bool) -> None:
        self.path = path
        self._new = not path.exists()
        self._regular = self._new or path.is_file()
        if resume and not self._regular:
            raise ValueError(f"--resume needs a regular file. Received: {path}.")
        if self._regular and not self._new:
            _check_not_input(path)
            if path.stat().st_size and not (resume or force):
                raise FileExistsError(
                    f"{path} exists. Pass --resume to go on where it ends, --force to write over "
                    "it, or name another file with --output."
                )
        self.lines, self._end = _whole_lines(path) if resume and not self._new else (0, 0)
        # Not opened by name: that would empty it.
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._file = cast(BinaryIO, io.FileIO(os.open(path, flags, 0o666), "w"))
        self._output: OutputLines | None = None

    def write(self, lines: Sequence[str]) -> None:
        """Writes lines, each of which must be one line; see `OutputLines.write`."""
        if self._output is None:
            if self._regular:
                self._file.truncate(self._end)
                self._file.seek(self._end)
            self._output = OutputLines(self._file, str(self.path), self.lines)
        try:
            self._output.write(lines)
        finally:
            self.lines = self._output.lines

    def read(self, places: Sequence[int]) -> list[str]:
        """Returns lines that stay, by their numbers from 0, in ascending order."""
        wanted = set(places)
        with self.path.open("rb") as file:
            found = (line for number, line in enumerate(file) if number in wanted)
            return [next(found).removesuffix(b"\n").decode("utf-8", "replace") for _ in places]

    def finish(self) -> None:
        """Returns when all lines are on the disk.

        Raises:
            OSError: If they cannot be written.
        """
        self.write([])
        if self._regular:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; one that was created here and got nothing is removed."""
        self._file.close()
        if self._new and self._output is None:
            self.path.unlink(missing_ok=True)


def _whole_lines(path: pathlib.Path) -> tuple[int, int]:
    """Returns the number of whole lines of a file, and the number of bytes that they take."""
    lines = end = place = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            lines += block.count(b"\n")
            if (last := block.rfind(b"\n")) >= 0:
                end = place + last + 1
            place += len(block)
    return lines, end


def _check_not_input(path: pathlib.Path) -> None:
    try:
        given = os.fstat(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        return  # closed, or not a file of the system
    if os.path.samestat(given, path.stat()):
        raise ValueError(
            f"--output must be another file than standard input. Received: {path} for both."
        )
