"""A file of TensorFlow's converter, in which stand-ins are replaced by weights."""

import functools
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from keras_seq2seq.exporters.litert.outside_data import OutsideData
from keras_seq2seq.exporters.litert.packing import LOCATION_METADATA, unpacked
from keras_seq2seq.exporters.litert.stand_ins import (
    Found,
    StandIns,
    dtypes,
    quantised,
    scale_of,
    scales,
)
from keras_seq2seq.file_formats.litert_schema import litert_schema


class Converted:
    """A converted file, of which only what is not a weight is kept.

    Args:
        content: The file, whose constants lie after the flatbuffer.
        stand_ins: The constants that stand for weights.
    Raises:
        Changed: If a constant was computed from a weight.
    """

    def __init__(self, content: bytes, stand_ins: StandIns) -> None:
        self._stand_ins = stand_ins
        model = litert_schema().ModelT.InitFromPackedBuf(content, 0)  # not a copy
        places = {i: (b.offset, b.size) for i, b in enumerate(model.buffers) if b.offset > 1}
        tables_end = min((offset for offset, _ in places.values()), default=len(content))
        self._tables = bytes(content[:tables_end])
        # By the place of a tensor: those of several weights may have one buffer.
        self._found: dict[tuple[int, int], Found] = {}
        others = set(places) - {tensor.buffer for _, tensor in _tensors(model)}
        for place, tensor in _tensors(model):
            if tensor.buffer not in places:
                continue
            found = self._stand_in(tensor, content, *places[tensor.buffer])
            if found is None:
                others.add(tensor.buffer)
            else:
                self._found[place] = found
        self._small = {
            index: np.frombuffer(content, np.uint8, places[index][1], places[index][0]).copy()
            for index in sorted(others)
        }

    def _stand_in(self, tensor: Any, content: bytes, offset: int, size: int) -> Found | None:
        if tensor.shape is None or (dtype := dtypes().get(tensor.type)) is None:
            return None
        data = np.frombuffer(content, dtype, size // np.dtype(dtype).itemsize, offset)
        return self._stand_ins.found(data, tuple(map(int, tensor.shape)), scale_of(tensor))

    def model(self) -> Any:
        """Returns its tables (`ModelT`), to be changed, with its weights as `OutsideData`."""
        model = unpacked(self._tables)
        model.metadata = [one for one in model.metadata or () if one.name != LOCATION_METADATA]
        for index, data in self._small.items():
            model.buffers[index].data = data
        for buffer in model.buffers:
            buffer.offset = buffer.size = 0
        buffers: dict[Hashable, int] = {}
        for place, tensor in _tensors(model):
            if place in self._found:
                filled = self._filled(self._found[place], tensor)
                if filled.key not in buffers:
                    buffers[filled.key] = len(model.buffers)
                    model.buffers.append(litert_schema().BufferT())
                    model.buffers[-1].data = filled
                tensor.buffer = buffers[filled.key]
        for i, graph in enumerate(model.subgraphs):
            _pass_scales_on(graph, [j for place, j in self._found if place == i])
        return model

    def _filled(self, found: Found, tensor: Any) -> OutsideData:
        """Returns the content of a tensor; gives it its scales."""
        dtype, axis = dtypes()[tensor.type], None
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            if len(tensor.quantization.scale) > 1:
                axis = int(tensor.quantization.quantizedDimension)
            tensor.quantization.scale = self._scales(found, axis).astype("float32")
        rows = functools.partial(self._rows, found, dtype, axis)
        return OutsideData((found, dtype, axis), tuple(map(int, tensor.shape)), dtype, rows)

    def _matrix(self, found: Found) -> np.ndarray:
        numbers = self._stand_ins.outside.numbers(found.index)
        return numbers.T if found.is_turned else numbers

    @functools.cache  # noqa: B019  of a short life
    def _scales(self, found: Found, axis: int | None) -> np.ndarray:
        return scales(self._matrix(found), axis)

    def _rows(self, found: Found, dtype: str, axis: int | None, start: int, end: int) -> np.ndarray:
        part = self._matrix(found)[start:end]
        if dtype != "i1":
            return part.astype(dtype, copy=False)
        steps = self._scales(found, axis)
        return quantised(part, steps[start:end, None] if axis == 0 else steps)


def _pass_scales_on(graph: Any, weights: Iterable[int]) -> None:
    """Gives what is looked up in weights of 8 bits, which stays in 8 bits, the scale of these."""
    int8 = litert_schema().TensorType.INT8
    same = {j for j in weights if graph.tensors[j].type == int8}
    for operator in graph.operators:
        source = next((j for j in operator.inputs if j in same), None)
        for j in operator.outputs if source is not None else ():
            if graph.tensors[j].type == int8:
                graph.tensors[j].quantization.scale = graph.tensors[source].quantization.scale
                same.add(j)


def _tensors(model: Any) -> Iterator[tuple[tuple[int, int], Any]]:
    for i, graph in enumerate(model.subgraphs):
        for j, tensor in enumerate(graph.tensors):
            yield (i, j), tensor
