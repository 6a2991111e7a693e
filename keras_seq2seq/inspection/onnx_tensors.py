"""Lists what an ONNX file stores: initializers, constants and external weight files."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.file_formats.float_bits import RULES, count_not_finite
from keras_seq2seq.file_formats.onnx_graph import graphs
from keras_seq2seq.inspection.findings import (
    NO_LAYER,
    Problem,
    StoredTensor,
    layer_of,
    stored_bytes,
    weights,
)

NAMES = {"float": "float32", "double": "float64"}
# Where numbers lie if not in `raw_data`.
TYPED = {
    **{"float32": ("float_data", "<f4"), "complex64": ("float_data", "<f4")},
    **{"float64": ("double_data", "<f8"), "complex128": ("double_data", "<f8")},
}
# Fields of a TensorProto that hold one entry for each number.
PLAIN = ("float_data", "double_data", "int64_data", "uint64_data", "string_data", "int32_data")


def dtype_name(number: int) -> str:
    """Returns the dtype of an ONNX element type, as NumPy spells it."""
    import onnx

    try:
        name = onnx.TensorProto.DataType.Name(number).lower()
    except ValueError:
        return f"type {number}"
    return NAMES.get(name, name)


def stored_tensors(bodies: Iterable[Any]) -> Iterator[tuple[Any, StoredTensor]]:
    """Yields each tensor that graphs and functions store, as TensorProto and as StoredTensor.

    Raises:
        ValueError: If the size of a tensor does not match its shape.
    """
    for body in bodies:
        for graph in graphs(body):
            readers = _readers(graph)
            sparse = [part.values for part in getattr(graph, "sparse_initializer", ())]
            for tensor in (*getattr(graph, "initializer", ()), *sparse):
                yield tensor, _described(tensor, tensor.name, readers)
            for node in graph.node:
                for attribute in node.attribute:
                    single = [attribute.t] if attribute.HasField("t") else []
                    for tensor in (*single, *attribute.tensors):
                        name = node.output[0] if node.output else node.name
                        yield tensor, _described(tensor, tensor.name or name, readers)


def with_scales(tensors: Sequence[StoredTensor]) -> Iterator[StoredTensor]:
    """Yields the tensors, with scales and zero points counted for the weights they belong to.

    They are recognised by the names that onnxruntime's quantizer gives: `x_quantized`, `x_scale`
    and `x_zero_point`.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    for tensor in tensors:
        base, _, role = tensor.name.rpartition("_")
        if role == "quantized" and (scale := by_name.get(f"{base}_scale")):
            yield dataclasses.replace(tensor, scales=math.prod(scale.shape))
        elif role in ("scale", "point") and f"{base.removesuffix('_zero')}_quantized" in by_name:
            yield dataclasses.replace(tensor, parameters=0)
        else:
            yield tensor


def external_files(tensors: Iterable[Any], folder: Path) -> tuple[int, list[Problem]]:
    """Checks the external weight files of a model, without reading them.

    Args:
        tensors: TensorProtos.
        folder: Folder of the model.
    Returns:
        The total size of those files in bytes, and their problems.
    """
    ends: dict[str, int] = {}
    for tensor in tensors:
        if _is_external(tensor):
            entries = {entry.key: entry.value for entry in tensor.external_data}
            end = _number(entries.get("offset", "0")) + _external_length(tensor, entries)
            location = entries.get("location", "")
            ends[location] = max(end, ends.get(location, 0))
    found, problems = 0, []
    for location, end in ends.items():
        path = folder / location
        if not path.resolve().is_relative_to(folder.resolve()):
            message = f"Weights must be in the folder of the model. Received: {location!r}."
            problems.append(
                Problem(None, message, "Do not load the file: it reads files outside its folder.")
            )
        elif not path.is_file() or path.stat().st_size < end:
            size = f"{path.stat().st_size} bytes" if path.is_file() else "no such file"
            message = f"Weights must be in {location}, at least {end} bytes. Received: {size}."
            problems.append(Problem(None, message, "Copy the complete file next to the model."))
        else:
            found += path.stat().st_size
    return found, problems


def _described(tensor: Any, name: str, readers: dict[str, list[str]]) -> StoredTensor:
    dtype, shape = dtype_name(tensor.data_type), tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"{name} has the shape {shape}")
    size = math.prod(shape)
    expected = stored_bytes(dtype, size)
    if _is_external(tensor):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        stored = _external_length(tensor, entries)
    elif tensor.raw_data:
        stored = len(tensor.raw_data)
    else:
        count = sum(len(getattr(tensor, field)) for field in PLAIN)
        if dtype in ENTRIES and count != size * ENTRIES[dtype]:
            raise ValueError(f"{name} has {count} numbers for shape {shape} {dtype}")
        stored = sum(map(len, tensor.string_data)) if expected is None else expected
    if expected is not None and stored != expected:
        raise ValueError(f"{name} has {stored} bytes for shape {shape} {dtype}")
    names = [name, *readers.get(name, ())]
    layer = next((found for found in map(layer_of, names) if found != NO_LAYER), NO_LAYER)
    return StoredTensor(
        *(name, layer, dtype, shape, weights(dtype, size), stored),
        not_finite=count_not_finite(dtype, _content(tensor, dtype)),
    )


def _content(tensor: Any, dtype: str) -> bytes:
    """Returns the floats of a tensor, little-endian; nothing for others and external ones."""
    if dtype not in RULES or _is_external(tensor):
        return b""
    if tensor.raw_data:
        return bytes(tensor.raw_data)
    if dtype in TYPED:
        field, kind = TYPED[dtype]
        return np.array(getattr(tensor, field), kind).tobytes()
    # The bits of a half or of 8 bits lie in an integer each.
    return np.array(tensor.int32_data, "<i4").astype(RULES[dtype][0]).tobytes()


# Entries of the typed fields for one number.
ENTRIES = {
    **dict.fromkeys(("bool", "int8", "uint8", "int16", "uint16", "int32", "float16"), 1),
    **dict.fromkeys(("bfloat16", "float32", "float64", "int64", "uint64", "uint32"), 1),
    **{"string": 1, "complex64": 2, "complex128": 2},
}


def _readers(graph: Any) -> dict[str, list[str]]:
    """Returns, for each value, the other inputs of the nodes that read it.

    A bias often loses the name of its layer, but the product that it is added to still has it.
    """
    found: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).extend(other for other in node.input if other != name)
    return found


def _is_external(tensor: Any) -> bool:
    import onnx

    return tensor.data_location == onnx.TensorProto.EXTERNAL


def _external_length(tensor: Any, entries: dict[str, str]) -> int:
    size = stored_bytes(dtype_name(tensor.data_type), math.prod(tensor.dims)) or 0
    return _number(entries["length"]) if "length" in entries else size


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"external data has {text!r} as a number of bytes")
    return int(text)
