"""Writes a LiteRT model with equal parts stored once, and its large weights as they are read."""

import contextlib
import pathlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import flatbuffers
import numpy as np

from keras_seq2seq.exporters.litert.outside_data import OutsideData
from keras_seq2seq.file_formats.litert_schema import IDENTIFIER, litert_schema

# Kernels may read constants 16 bytes at a time; the schema asks for it, Python does not do it.
ALIGNMENT = 16
LENGTH_BYTES = 4
# A flatbuffer can be as large; constants beyond it are stored after the flatbuffer.
LARGEST_FLATBUFFER = 2**31 - 2**24
# By it the runtime knows that constants are stored after the flatbuffer.
LOCATION_METADATA, LOCATION = b"buffer_location", b"outside flatbuffers"
OUTSIDE_ALIGNMENT = 64
FIRST_SIZE = 1 << 20  # of a builder, which grows


def unpacked(content: bytes) -> Any:
    """Returns the tables of a .tflite file as objects that can be changed (`ModelT`)."""
    return litert_schema().ModelT.InitFromPackedBuf(bytearray(content), 0)


def packed(model: Any) -> bytes:
    """Returns a model (`ModelT`) as the content of a .tflite file.

    Every subgraph that reads an int8 table has its scales and zero points, 12 bytes for each row.
    The converter writes a copy for each subgraph, and of constants of zeros too. Here equal parts
    are stored once, which any reader of the format accepts.
    """
    return b"".join(bytes(piece) for piece in _pieces(model))


def write_packed(model: Any, path: pathlib.Path) -> None:
    """Writes a model as a .tflite file, its large weights read one after the other.

    Where it would be larger than a flatbuffer can be, these are stored after the flatbuffer, which
    tflite-runtime 2.14 and ai-edge-litert read, and TensorFlow Lite C 2.17.1 does not.
    """
    with path.open("wb") as file:
        file.writelines(_pieces(model))


def _pieces(model: Any) -> Iterator[Any]:
    """Yields the content of a file."""
    outside = [buffer.data for buffer in model.buffers if isinstance(buffer.data, OutsideData)]
    once = list({data.key: data for data in outside}.values())
    if sum(data.nbytes for data in once) > LARGEST_FLATBUFFER:
        yield from _with_data_after(model, once)
        return
    # What is built first lies last in the file.
    tail = _Tail(once)
    builder = SharingBuilder(tail.size)
    with _replaced(model, lambda data: builder.placed(tail.offsets[data.key])):
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    yield builder.Output()
    yield from tail.pieces()


@contextlib.contextmanager
def _replaced(model: Any, replace: Callable[[OutsideData], Any]) -> Iterator[None]:
    """Replaces the large weights of a model while the block runs."""
    kept = [buffer.data for buffer in model.buffers]
    try:
        for buffer in model.buffers:
            if isinstance(buffer.data, OutsideData):
                buffer.data = replace(buffer.data)
        yield
    finally:
        for buffer, data in zip(model.buffers, kept, strict=True):
            buffer.data = data


class _Tail:
    """The end of a flatbuffer: vectors of bytes, each with its length in front.

    Args:
        vectors: Their content, the last first.
    """

    def __init__(self, vectors: Sequence[OutsideData]) -> None:
        self._vectors = vectors
        self._paddings = []
        self.offsets: dict[Hashable, int] = {}  # from the end of the file
        end = 0
        for data in vectors:
            start = _rounded(end + data.nbytes, ALIGNMENT)
            self._paddings.append(start - data.nbytes - end)
            end = self.offsets[data.key] = start + LENGTH_BYTES
        self.size = _rounded(end, ALIGNMENT)
        self._before = self.size - end

    def pieces(self) -> Iterator[Any]:
        """Yields its content."""
        yield bytes(self._before)
        for data, padding in zip(reversed(self._vectors), reversed(self._paddings), strict=True):
            yield data.nbytes.to_bytes(LENGTH_BYTES, "little")
            yield from data.pieces()
            yield bytes(padding)


def _with_data_after(model: Any, once: Sequence[OutsideData]) -> Iterator[Any]:
    """Yields a flatbuffer without its large weights, and then these."""
    schema = litert_schema()
    model.metadata = [*(model.metadata or ()), schema.MetadataT()]
    model.metadata[-1].name = LOCATION_METADATA
    model.metadata[-1].buffer = len(model.buffers)
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = np.frombuffer(LOCATION, np.uint8)
    holders = [buffer for buffer in model.buffers if isinstance(buffer.data, OutsideData)]
    places: dict[Hashable, int] = {}
    content = b""
    for _ in range(2):  # the second time with the size that the first time gave
        end = _rounded(len(content), OUTSIDE_ALIGNMENT)
        for data in once:
            places[data.key] = end + OUTSIDE_ALIGNMENT
            end = _rounded(places[data.key] + data.nbytes, OUTSIDE_ALIGNMENT)
        for buffer in holders:
            buffer.offset, buffer.size = places[buffer.data.key], buffer.data.nbytes
        with _replaced(model, lambda _: None):
            builder = SharingBuilder()
            builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
            content = bytes(builder.Output())
    yield content
    end = len(content)
    for data in once:
        yield bytes(places[data.key] - end)
        yield from data.pieces()
        end = places[data.key] + data.nbytes
    for buffer in holders:
        buffer.offset = buffer.size = 0


def _rounded(size: int, to: int) -> int:
    return -(-size // to) * to


class _Bytes(bytearray):
    """Bytes that count as if others, which are elsewhere, came after them."""

    after = 0

    def __len__(self) -> int:
        return super().__len__() + self.after

    def grown(self) -> "_Bytes":
        """Returns twice as many, the same at the end."""
        size = super().__len__()
        found = _Bytes(2 * size)
        found.after = self.after
        found[size:] = self
        return found


class SharingBuilder(flatbuffers.Builder):
    """A builder that writes equal vectors and equal strings once.

    Args:
        after: Bytes of the flatbuffer that were written before and lie at its end, a multiple of
            `ALIGNMENT`. The output leaves them out.
    """

    def __init__(self, after: int = 0) -> None:
        super().__init__(FIRST_SIZE)
        self._offsets: dict[tuple[str, bytes], int] = {}
        self._placed: dict[int, tuple[np.ndarray, int]] = {}
        content = _Bytes(FIRST_SIZE)
        content.after = after
        self.Bytes: _Bytes = content
        self.minalign = ALIGNMENT if after else 1

    def placed(self, offset: int) -> np.ndarray:
        """Returns what stands for a vector that begins so far from the end of the file."""
        stand_in = np.zeros(0, np.uint8)
        self._placed[id(stand_in)] = stand_in, offset
        return stand_in

    def GrowByteBuffer(self) -> None:
        self.Bytes = self.Bytes.grown()

    def CreateString(self, s: Any, *args: Any, **kwargs: Any) -> int:
        key = ("string", s.encode("utf-8") if isinstance(s, str) else bytes(s))
        if key not in self._offsets:
            self._offsets[key] = super().CreateString(s, *args, **kwargs)
        return self._offsets[key]

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        if id(x) in self._placed:
            return self._placed[id(x)][1]
        key = (x.dtype.str, x.tobytes())
        if key not in self._offsets:
            if x.dtype == np.uint8:  # the bytes of a constant
                self.Prep(ALIGNMENT, x.nbytes)
            self._offsets[key] = super().CreateNumpyVector(x)
        return self._offsets[key]
