"""Writes ONNX graphs as files, with their weights inside or in one file that several share."""

import pathlib
from collections.abc import Iterator
from typing import Any

from keras_seq2seq.exporters.onnx.placement import place_weights
from keras_seq2seq.exporters.onnx.weights import Numbers, Weights, key_of, outside_tensors

# Where a weight begins in a shared file, so that readers can map it.
ALIGNMENT = 4096
RAW_DATA, LENGTH_DELIMITED = 9, 2


def write_whole(model: Any, weights: Weights, path: pathlib.Path) -> None:
    """Writes an onnx.ModelProto with all its numbers, which are read one after the other.

    The bytes are those that protobuf would write, which holds the whole file twice.

    Args:
        model: What `simplify` made; its weights are put where onnxruntime packs them.
        weights: The numbers of its constants.
        path: Where to write; of at most 2 GB, the limit of protobuf.
    """
    placed = place_weights(model)
    with path.open("wb") as file:
        for piece in _pieces(placed, weights):
            if isinstance(piece, bytes):
                file.write(piece)
            else:
                file.writelines(piece.chunks())


class SharedWeights:
    """One file with the weights of several ONNX files, each stored once.

    Args:
        path: The file, next to those that read it.
        weights: The numbers of the constants of all graphs.
    """

    def __init__(self, path: pathlib.Path, weights: Weights) -> None:
        self.path = path
        self._weights = weights
        self._places: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._end = 0
        path.unlink(missing_ok=True)

    def write(self, model: Any, path: pathlib.Path) -> None:
        """Writes an onnx.ModelProto that reads its weights from the shared file."""
        placed = place_weights(model)
        for tensor in outside_tensors(placed.graph):
            offset, length = self._place(tensor)
            del tensor.external_data[:]
            entries = {"location": self.path.name, "offset": offset, "length": length}
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=str(value))
        path.write_bytes(placed.SerializeToString(deterministic=True))

    def _place(self, tensor: Any) -> tuple[int, int]:
        """Returns where the file has the numbers of a tensor, and how many bytes."""
        fingerprint = self._weights.fingerprint(tensor)
        if fingerprint not in self._places:
            numbers = self._weights.numbers(tensor)
            padding = -self._end % ALIGNMENT
            with self.path.open("ab") as file:
                file.write(bytes(padding))
                file.writelines(numbers.chunks())
            self._places[fingerprint] = self._end + padding, numbers.nbytes
            self._end += padding + numbers.nbytes
        return self._places[fingerprint]


def _pieces(message: Any, weights: Weights) -> Iterator[bytes | Numbers]:
    """Yields the content of a protobuf message, with its weights as numbers still to be read."""
    if not _holds_weights(message):
        yield message.SerializeToString(deterministic=True)
        return
    if message.DESCRIPTOR.name == "TensorProto":
        numbers = weights.numbers(message)
        header = type(message)(name=message.name, data_type=message.data_type, dims=message.dims)
        yield header.SerializeToString(deterministic=True)
        yield _tag(RAW_DATA) + _varint(numbers.nbytes)
        yield numbers
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            yield _alone(message, field.name)
            continue
        for part in value if field.is_repeated else [value]:
            inner = list(_pieces(part, weights))
            size = sum(one.nbytes if isinstance(one, Numbers) else len(one) for one in inner)
            yield _tag(field.number) + _varint(size)
            yield from inner


def _holds_weights(message: Any) -> bool:
    kind = message.DESCRIPTOR.name
    if kind == "TensorProto":
        return bool(key_of(message))
    inner = {
        "ModelProto": lambda: [message.graph],
        "GraphProto": lambda: [*message.initializer, *message.node],
        "NodeProto": lambda: message.attribute,
        "AttributeProto": lambda: [message.g, *message.graphs],
    }
    return any(map(_holds_weights, inner.get(kind, list)()))


def _alone(message: Any, name: str) -> bytes:
    """Returns the content of one field that holds no messages."""
    copy = type(message)()
    copy.CopyFrom(message)
    for field, _ in message.ListFields():
        if field.name != name:
            copy.ClearField(field.name)
    return bytes(copy.SerializeToString(deterministic=True))


def _tag(number: int) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
