"""Takes out of a LiteRT model what only fills it."""

from typing import Any

import numpy as np

from keras_seq2seq.exporters.litert.rewriter import Rewriter
from keras_seq2seq.file_formats.litert_schema import litert_schema

# Bytes of a constant from which on it is worth an operator.
FEWEST_BYTES = 1024


def compact(model: Any) -> Any:
    """Changes and returns a model (`ModelT`) that computes the same.

    Results between operators lose their names, which no runtime reads; constants, inputs and
    outputs keep theirs. Zeros that a loop begins with, such as empty caches, are made when the
    function runs instead of being stored.
    """
    writer = Rewriter(model)
    for graph in model.subgraphs:
        graph.operators = [*_zeros_of_loops(writer, graph), *graph.operators]
        kept = {int(index) for index in (*graph.inputs, *graph.outputs)}
        for index, tensor in enumerate(graph.tensors):
            if index not in kept and model.buffers[tensor.buffer].data is None:
                tensor.name = None
    _drop_unread(model)
    return model


def _zeros_of_loops(writer: Rewriter, graph: Any) -> list[Any]:
    """Returns the operators that make the zeros of a function, which are no constants after it."""
    readers: dict[int, set[str]] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(int(index), set()).add(writer.name(operator))
    operators = []
    for index, names in readers.items():
        if names == {"WHILE"} and _is_zeros(writer.model, graph.tensors[index]):
            tensor = graph.tensors[index]
            size = writer.constant(graph, np.asarray(tensor.shape, "int32"))
            operators.append(writer.operator("FILL", [size, writer.constant(graph, 0.0)], [index]))
            tensor.buffer = 0
    return operators


def _is_zeros(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    is_float = tensor.type == litert_schema().TensorType.FLOAT32
    return is_float and data is not None and len(data) >= FEWEST_BYTES and not np.any(data)


def _drop_unread(model: Any) -> None:
    read = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    read |= {entry.buffer for entry in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in read:
            buffer.data = None
