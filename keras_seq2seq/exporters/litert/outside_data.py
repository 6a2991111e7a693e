"""The bytes of a weight in a LiteRT file, made when they are read."""

import dataclasses
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np

CHUNK_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class OutsideData:
    """Stands in a `BufferT` for the bytes of a weight, which no step of a writer copies.

    Args:
        key: Equal for equal bytes.
        shape: Shape of the constant.
        dtype: Its dtype in the file.
        make: Returns some rows of it, from a start to an end, with that dtype.
    """

    key: Hashable
    shape: tuple[int, ...]
    dtype: str
    make: Callable[[int, int], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def pieces(self) -> Iterator[memoryview]:
        """Yields its bytes, some megabytes at a time."""
        rows = self.shape[0]
        step = max(1, CHUNK_BYTES * rows // self.nbytes)
        for start in range(0, rows, step):
            part = np.ascontiguousarray(self.make(start, min(start + step, rows)))
            yield part.reshape(-1).view(np.uint8).data

    def __len__(self) -> int:
        return self.nbytes

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.frombuffer(bytes(self), np.uint8)
