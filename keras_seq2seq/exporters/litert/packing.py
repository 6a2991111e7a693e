"""Writes a LiteRT model with equal parts stored once."""

from typing import Any

import flatbuffers
import numpy as np

from keras_seq2seq.file_formats.litert_schema import IDENTIFIER, litert_schema

# Kernels may read constants 16 bytes at a time; the schema asks for it, Python does not do it.
ALIGNMENT = 16


def unpacked(content: bytes) -> Any:
    """Returns the tables of a .tflite file as objects that can be changed (`ModelT`)."""
    return litert_schema().ModelT.InitFromPackedBuf(bytearray(content), 0)


def packed(model: Any) -> bytes:
    """Returns a model (`ModelT`) as the content of a .tflite file.

    Every subgraph that reads an int8 table has its scales and zero points, 12 bytes for each row.
    The converter writes a copy for each subgraph, and of constants of zeros too. Here equal parts
    are stored once, which any reader of the format accepts.
    """
    builder = SharingBuilder()
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


class SharingBuilder(flatbuffers.Builder):
    """A builder that writes equal vectors and equal strings once."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self._offsets: dict[tuple[str, bytes], int] = {}

    def CreateString(self, s: Any, *args: Any, **kwargs: Any) -> int:
        key = ("string", s.encode("utf-8") if isinstance(s, str) else bytes(s))
        if key not in self._offsets:
            self._offsets[key] = super().CreateString(s, *args, **kwargs)
        return self._offsets[key]

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        key = (x.dtype.str, x.tobytes())
        if key not in self._offsets:
            if x.dtype == np.uint8:  # the bytes of a constant
                self.Prep(ALIGNMENT, x.nbytes)
            self._offsets[key] = super().CreateNumpyVector(x)
        return self._offsets[key]
