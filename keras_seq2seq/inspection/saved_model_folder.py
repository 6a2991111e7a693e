"""Inspects a SavedModel folder: parses its messages and loads nothing."""

import collections
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.file_formats.float_bits import count_not_finite
from keras_seq2seq.formats import GRAPH_FILE
from keras_seq2seq.inspection.findings import (
    Operator,
    Problem,
    Requirement,
    Signature,
    StoredTensor,
    TensorSpec,
    counted,
    layer_of,
    stored_bytes,
    weights,
)
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.inspection.not_finite import not_finite_problems
from keras_seq2seq.inspection.serving_operators import (
    CUSTOM,
    PYTHON_OPERATORS,
    TENSORFLOW_TEXT,
    domain_of,
)
from keras_seq2seq.installed import missing_package

INTERNAL = ("__saved_model_init_op", "__saved_model_train_op")
LARGE = 1024  # bytes; smaller constants of a graph are not listed
# Fields of a TensorProto that hold floats, their dtype there, and the one that has their bits.
FIELDS = {
    "float32": ("float_val", "<f4", "<f4"),
    "float64": ("double_val", "<f8", "<f8"),
    **dict.fromkeys(("float16", "bfloat16"), ("half_val", "<i4", "<u2")),
}


def inspect_saved_model(folder: Path) -> Inspection:
    """Inspects a SavedModel from `saved_model.pb` alone; does not read values of variables.

    Args:
        folder: The folder with `saved_model.pb`.
    Raises:
        ImportError: If tensorflow is not installed.
        ValueError: If the file is not a SavedModel, or its variables are cut short.
    """
    meta = _meta_graph(folder / GRAPH_FILE)
    variables = tuple(_variables(meta))
    _check_variables(folder, variables)
    tensors = (*variables, *_constants(meta.graph_def, folder))
    functions = {function.signature.name for function in meta.graph_def.library.function}
    keys = (
        (domain_of(node.op), node.op, None)
        for node in _nodes(meta.graph_def)
        if node.op not in functions
    )
    operators = counted(collections.Counter(keys))
    info, versions = meta.meta_info_def, meta.graph_def.versions
    return Inspection(
        path=str(folder),
        format="saved_model",
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        facts={
            "tensorflow_version": info.tensorflow_version,
            "producer": versions.producer,
            "min_consumer": versions.min_consumer,
            "tags": list(info.tags),
        },
        signatures=tuple(
            _signature(name, definition)
            for name, definition in sorted(meta.signature_def.items())
            if name not in INTERNAL
        ),
        operators=operators,
        tensors=tensors,
        requirements=(_requirement(info.tensorflow_version, versions.min_consumer),),
        problems=(*not_finite_problems(tensors, of_graph=True), *_problems(operators)),
        notes=tuple(_notes(operators, meta)),
    )


def _meta_graph(path: Path) -> Any:
    try:
        from tensorflow.core.protobuf import saved_model_pb2
    except ImportError as error:
        raise missing_package(
            "Reading a SavedModel needs TensorFlow", "tensorflow", error
        ) from error
    from google.protobuf.message import DecodeError

    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(
            f"{GRAPH_FILE} must be a complete protobuf message. Received: {path}: {error}."
        ) from None
    # TensorFlow Serving loads the graph with this tag.
    served = [meta for meta in saved.meta_graphs if "serve" in meta.meta_info_def.tags]
    if not (found := served or list(saved.meta_graphs)):
        raise ValueError(
            f"{GRAPH_FILE} must hold a graph. Received: {path} without one; it is cut short."
        )
    return found[0]


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _signature(name: str, definition: Any) -> Signature:
    inputs, outputs = (
        tuple(_spec(key, info) for key, info in sorted(tensors.items()))
        for tensors in (definition.inputs, definition.outputs)
    )
    return Signature(name, inputs, outputs)


def _spec(name: str, info: Any) -> TensorSpec:
    if info.tensor_shape.unknown_rank:
        return TensorSpec(name, _dtype(info.dtype), None)
    sizes = (size.size for size in info.tensor_shape.dim)
    shape = tuple(None if size < 0 else size for size in sizes)
    return TensorSpec(name, _dtype(info.dtype), shape)


def _dtype(number: int) -> str:
    import tensorflow as tf

    try:
        return tf.as_dtype(number).name
    except TypeError:
        return f"type {number}"


def _variables(meta: Any) -> Iterator[StoredTensor]:
    for node in meta.object_graph_def.nodes:
        if node.HasField("variable"):
            # A variable of open shape stores its last value, whose size is not stated here.
            shape = tuple(max(0, size.size) for size in node.variable.shape.dim)
            yield _stored(node.variable.name, _dtype(node.variable.dtype), shape)


def _stored(name: str, dtype: str, shape: tuple[int, ...], size: int | None = None) -> StoredTensor:
    count = math.prod(shape)
    size = stored_bytes(dtype, count) or 0 if size is None else size
    return StoredTensor(name, layer_of(name), dtype, shape, weights(dtype, count), size)


def _constants(graph: Any, folder: Path) -> Iterator[StoredTensor]:
    """Yields the constants of a graph that are large or hold NaN or infinity, and the tokenizers
    that operators hold as bytes.
    """
    for node in _nodes(graph):
        for attribute in node.attr.values():
            tensor = attribute.tensor
            if len(attribute.s) >= LARGE:
                yield StoredTensor(node.name, node.op, "string", (), 0, len(attribute.s))
            elif attribute.HasField("tensor"):
                shape = tuple(size.size for size in tensor.tensor_shape.dim)
                size = len(tensor.tensor_content) or tensor.ByteSize()
                found = _stored(node.name, _dtype(tensor.dtype), shape, size)
                try:
                    bad = _not_finite(tensor, found)
                except ValueError as error:
                    raise ValueError(
                        "Constants of a SavedModel must have the bytes of whole numbers. Received: "
                        f"{node.name} in {folder}: {error}; export or copy it again."
                    ) from None
                if tensor.ByteSize() >= LARGE or (bad and math.prod(shape) > 1):
                    yield dataclasses.replace(found, not_finite=bad)


def _not_finite(tensor: Any, stored: StoredTensor) -> int:
    """Counts the numbers of a TensorProto that are NaN or infinite."""
    if tensor.tensor_content or stored.dtype not in FIELDS:
        return count_not_finite(stored.dtype, tensor.tensor_content)
    field, kind, stored_as = FIELDS[stored.dtype]
    values = np.array(getattr(tensor, field), kind).astype(stored_as)
    # The last of fewer values stands for all that follow.
    rest = max(0, math.prod(stored.shape) - values.size)
    last = count_not_finite(stored.dtype, values[-1:].tobytes())
    return count_not_finite(stored.dtype, values.tobytes()) + rest * last


def _check_variables(folder: Path, variables: tuple[StoredTensor, ...]) -> None:
    needed = sum(tensor.bytes for tensor in variables)
    found = sum(path.stat().st_size for path in folder.glob("variables/variables.data-*"))
    if found < needed:
        raise ValueError(
            f"The variables of a SavedModel must be complete, at least {needed} bytes. "
            f"Received: {found} bytes in {folder / 'variables'}; export or copy it again."
        )


def _requirement(version: str, min_consumer: int) -> Requirement:
    reason = (
        "TensorFlow promises that later releases of the same major version load the file; it "
        f"promises nothing about earlier ones. min_consumer {min_consumer} does not name a release."
    )
    return Requirement("TensorFlow Serving", version or None, reason)


def _problems(operators: tuple[Operator, ...]) -> Iterator[Problem]:
    for operator in operators:
        if operator.domain == CUSTOM:
            yield Problem(
                operator.name,
                f"Neither TensorFlow nor tensorflow-text has {operator.name}, so the stock "
                "TensorFlow Serving lacks it.",
                "Replace the layer that needs it, or build a server with its library linked in.",
            )
        elif operator.name in PYTHON_OPERATORS:
            yield Problem(
                operator.name,
                f"{operator.name} calls Python code that the SavedModel does not hold.",
                "Replace tf.py_function or tf.numpy_function with TensorFlow operators.",
            )


def _notes(operators: tuple[Operator, ...], meta: Any) -> Iterator[str]:
    if any(operator.domain == TENSORFLOW_TEXT for operator in operators):
        yield (
            "Operators of tensorflow_text are linked into the stock TensorFlow Serving; a Python "
            "program must import tensorflow_text before it loads the folder."
        )
    if not meta.object_graph_def.nodes:
        yield "The SavedModel is from TensorFlow 1: its variables are not listed."
