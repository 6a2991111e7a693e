"""Keeps constants of a float16 file in float32 where halves save nothing or are not safe."""

import collections
from collections.abc import Container
from typing import Any

import numpy as np

from keras_seq2seq.file_formats.litert_schema import litert_schema

# As in int8 files: with fewer numbers than this, a constant saves nothing.
SMALLEST_HALF = 1024
HALF_BYTES = 2
# Kernels that pack their weights when a file is opened, and operators that XNNPACK does not run.
PACKING = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
LEFT_TO_OTHERS = ("EMBEDDING_LOOKUP", "GATHER", "WHILE")


def with_safe_halves(model: Any) -> Any:
    """Changes and returns a model (`ModelT`): halves are left where old runtimes compute with them.

    The converter halves every constant, those of the search too, and widens it by an operator. The
    XNNPACK of TensorFlow Lite 2.17, which iOS has, widens the constants of one subgraph into the
    memory of those of the subgraph before. Kernels that pack their weights have taken theirs by
    then; sums and products compute with the numbers that overwrote theirs, and say nothing.
    """
    widened: dict[int, int] = {}
    for graph in model.subgraphs:
        readers = _readers(model, graph)
        kept = []
        for operator in graph.operators:
            if not _is_to_go(model, graph, operator, readers):
                kept.append(operator)
                continue
            half = graph.tensors[operator.inputs[0]].buffer
            if half not in widened:
                widened[half] = _add_widened(model, half)
            graph.tensors[operator.outputs[0]].buffer = widened[half]
        graph.operators = kept
        _forget_unread(graph, widened)
    read = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    for half in set(widened) - read:
        model.buffers[half].data = None
    return model


def _readers(model: Any, graph: Any) -> dict[int, set[int]]:
    """Returns the kinds of the operators that read each tensor."""
    readers = collections.defaultdict(set)
    for operator in graph.operators:
        for index in operator.inputs:
            readers[int(index)].add(model.operatorCodes[operator.opcodeIndex].builtinCode)
    return readers


def _is_to_go(model: Any, graph: Any, operator: Any, readers: dict[int, set[int]]) -> bool:
    """Returns True if an operator widens a constant that is to be float32."""
    schema = litert_schema()
    kinds = schema.BuiltinOperator
    code = model.operatorCodes[operator.opcodeIndex].builtinCode
    if code != kinds.DEQUANTIZE or operator.outputs[0] in graph.outputs:
        return False
    tensor = graph.tensors[operator.inputs[0]]
    content = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT16 or content is None:
        return False
    safe = {getattr(kinds, name) for name in (*PACKING, *LEFT_TO_OTHERS)}
    is_small = len(content) < HALF_BYTES * SMALLEST_HALF
    return is_small or not readers[int(operator.outputs[0])] <= safe


def _add_widened(model: Any, half: int) -> int:
    numbers = np.frombuffer(bytes(model.buffers[half].data), "<f2").astype("<f4")
    buffer = litert_schema().BufferT()
    buffer.data = np.frombuffer(numbers.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _forget_unread(graph: Any, halves: Container[int]) -> None:
    read = {int(index) for operator in graph.operators for index in operator.inputs}
    for index, tensor in enumerate(graph.tensors):
        if tensor.buffer in halves and index not in read:
            tensor.buffer = 0
