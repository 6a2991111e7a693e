"""Writes whole lines: neither a signal nor a full disk leaves half a line."""

import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from keras_seq2seq.cli.signals import Held

# A pipe takes so many bytes all at once or not at all.
_ATOMIC = getattr(select, "PIPE_BUF", 512)


class OutputLines:
    """Writes lines to standard output or to a file, as UTF-8.

    Args:
        file: Where to write.
        name: What it is called in errors.
        lines: int >= 0. Lines that it holds already.
    """

    def __init__(self, file: BinaryIO, name: str, lines: int = 0) -> None:
        # Without a buffer: nothing is left to be written when the command has ended.
        self._raw = cast(BinaryIO, getattr(file, "raw", file))
        self._name = name
        self.lines = lines

    @classmethod
    def standard(cls) -> "OutputLines":
        """Returns standard output."""
        sys.stdout.flush()
        stream = getattr(sys.stdout, "buffer", None) or _Texts()
        return cls(cast(BinaryIO, stream), "standard output")

    def write(self, lines: Iterable[str]) -> None:
        """Writes lines; each of them must be one line.

        Raises:
            OSError: If the output cannot take them; says how many lines it has.
            Stopped: If a signal arrives; the last line is whole.
        """
        for chunk in _chunks(line.encode("utf-8", "replace") + b"\n" for line in lines):
            self._write(chunk)
            self.lines += chunk.count(b"\n")

    def _write(self, chunk: bytes) -> None:
        written = 0
        try:
            with Held() as held:
                held.begun = len(chunk) > _ATOMIC
                while written < len(chunk):
                    count = self._raw.write(chunk[written:])
                    if count is None:  # another process made the pipe one that does not wait
                        select.select([], [self._raw], [])
                    written += count or 0
                    held.begun = True
        except BrokenPipeError:
            raise
        except OSError as error:
            whole = chunk.rfind(b"\n", 0, written) + 1
            self._cut(written - whole)
            self.lines += chunk.count(b"\n", 0, whole)
            told = f"{error.strerror}; it has {self.lines} whole lines of translations"
            raise OSError(error.errno, told, self._name) from None

    def _cut(self, count: int) -> None:
        """Removes the last bytes where that can be done: in a regular file."""
        if count and stat.S_ISREG(os.fstat(self._raw.fileno()).st_mode):
            end = self._raw.seek(0, os.SEEK_CUR) - count
            self._raw.truncate(end)
            self._raw.seek(end)


class _Texts:
    """Writes whole lines to a standard output that takes texts alone, as in a notebook."""

    def write(self, chunk: bytes) -> int:
        sys.stdout.write(chunk.decode("utf-8"))
        return len(chunk)


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Joins lines to chunks that a pipe takes at once; a longer line is a chunk of its own."""
    chunk = b""
    for line in lines:
        if chunk and len(chunk) + len(line) > _ATOMIC:
            yield chunk
            chunk = b""
        chunk += line
    if chunk:
        yield chunk
