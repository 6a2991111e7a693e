"""The numbers of large constants, which the ONNX graphs of an export only name."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_seq2seq.file_formats.onnx_graph import graphs

# Of the data of a constant that is in none of our files yet.
OUTSIDE = "keras_seq2seq weights"
CHUNK_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Numbers that are read or computed when they are needed, some rows at a time.

    Args:
        dtype: Their dtype.
        shape: Their shape.
        rows: Returns those of the first axis from a start to an end.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    rows: Callable[[int, int], np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> "Numbers":
        """Returns the numbers of an array, which is kept."""
        given = array if array.ndim else array[None]
        return cls(array.dtype, array.shape, lambda start, end: given[start:end])

    @classmethod
    def seen(
        cls, dtype: np.dtype, shape: tuple[int, ...], view: Callable[[], np.ndarray]
    ) -> "Numbers":
        """Returns the numbers of a view of other ones, which costs nothing to make."""
        return cls(dtype, shape, lambda start, end: view()[start:end])

    def mapped(
        self, function: Callable[[np.ndarray, slice], np.ndarray], dtype: str = "float32"
    ) -> "Numbers":
        """Returns what a function makes of each of some rows, given with their place."""

        def rows(start: int, end: int) -> np.ndarray:
            return function(self.rows(start, end), slice(start, end))

        return Numbers(np.dtype(dtype), self.shape, rows)

    @property
    def count(self) -> int:
        """How many they are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Their size in bytes."""
        return self.count * self.dtype.itemsize

    def array(self) -> np.ndarray:
        """Returns all of them; not to be changed."""
        return self.rows(0, self.shape[0] if self.shape else 1).reshape(self.shape)

    def parts(self) -> Iterator[tuple[np.ndarray, slice]]:
        """Yields some megabytes of rows at a time, with their place."""
        rows = self.shape[0] if self.shape else 1
        step = max(1, CHUNK_BYTES * rows // max(1, self.nbytes))
        for start in range(0, rows, step):
            end = min(start + step, rows)
            yield self.rows(start, end), slice(start, end)

    def chunks(self) -> Iterator[memoryview]:
        """Yields their bytes in order, little-endian, some megabytes at a time."""
        for part, _ in self.parts():
            whole = np.ascontiguousarray(part)
            whole = whole.astype(whole.dtype.newbyteorder("<"), copy=False)
            yield whole.reshape(-1).view(np.uint8).data


class Weights:
    """What the constants of some graphs hold whose TensorProto has no numbers of its own.

    Such a tensor has its dtype and shape and, as external data, a key of this store. So graphs are
    small, and copies and searches of them are fast, whatever the size of the model. A tensor with
    numbers of its own is as good: a store may be empty.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, Numbers] = {}
        self._digests: dict[tuple[str, bool], bytes] = {}

    def tensor(self, numbers: Numbers, name: str) -> Any:
        """Returns a TensorProto that stands for numbers in a graph."""
        from onnx import TensorProto, helper

        key = f"{OUTSIDE} {len(self._numbers)}"
        self._numbers[key] = numbers
        dtype = helper.np_dtype_to_tensor_dtype(numbers.dtype)
        tensor = TensorProto(name=name, data_type=dtype, dims=numbers.shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=key)
        return tensor

    def numbers(self, tensor: Any) -> Numbers:
        """Returns the numbers of any TensorProto."""
        from onnx import numpy_helper

        if key := key_of(tensor):
            return self._numbers[key]
        return Numbers.of(numpy_helper.to_array(tensor))

    def array(self, tensor: Any) -> np.ndarray:
        """Returns the numbers of any TensorProto as an array, which is not to be changed."""
        return self.numbers(tensor).array()

    def put_inside(self, graph: Any) -> None:
        """Gives the constants of a graph, and of those inside it, their numbers, in place."""
        from onnx import numpy_helper

        for tensor in outside_tensors(graph):
            tensor.CopyFrom(numpy_helper.from_array(self.array(tensor), tensor.name))

    def fingerprint(self, tensor: Any, *, transposed: bool = False) -> tuple[Any, ...]:
        """Returns what equal numbers have in common.

        Args:
            tensor: A TensorProto.
            transposed: Whether those of the transposed matrix are meant.
        """
        numbers = self.numbers(tensor)
        shape = numbers.shape[::-1] if transposed else numbers.shape
        place = key_of(tensor), transposed
        digest = self._digests.get(place) if place[0] else None
        if digest is None:
            digest = _digest(numbers, transposed)
            if place[0]:
                self._digests[place] = digest
        return numbers.dtype, shape, digest


def key_of(tensor: Any) -> str:
    """Returns the key of a tensor without numbers of its own, else ""."""
    from onnx import TensorProto

    if tensor.data_location != TensorProto.EXTERNAL:
        return ""
    return str(next(entry.value for entry in tensor.external_data if entry.key == "location"))


def outside_tensors(graph: Any) -> list[Any]:
    """Returns the constants of a graph, and of those inside it, without numbers of their own."""
    return [tensor for owner in graphs(graph) for tensor in owner.initializer if key_of(tensor)]


def _digest(numbers: Numbers, transposed: bool) -> bytes:
    if numbers.dtype == object:
        return hashlib.sha256(numbers.array().astype(str).tobytes()).digest()
    if transposed:
        whole, shape = numbers, numbers.shape[::-1]
        numbers = Numbers.seen(whole.dtype, shape, lambda: whole.array().T)
    found = hashlib.sha256()
    for part in numbers.chunks():
        found.update(part)
    return found.digest()
