"""Adds operators, tensors and constants to a LiteRT model."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_seq2seq.file_formats.litert_schema import litert_schema

OPTIONS = {
    "ADD": "AddOptions",
    "CAST": "CastOptions",
    "FILL": "FillOptions",
    "FLOOR_DIV": "FloorDivOptions",
    "GATHER": "GatherOptions",
    "MUL": "MulOptions",
    "NEG": "NegOptions",
    "REDUCE_MAX": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "SUB": "SubOptions",
    "TOPK_V2": "TopKV2Options",
}


class Rewriter:
    """Writes operators into the functions of a model.

    Args:
        model: A `ModelT`; it is changed.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.schema = litert_schema()
        self._buffers: dict[bytes, int] = {}

    @functools.cached_property
    def _names(self) -> dict[int, str]:
        kinds = vars(self.schema.BuiltinOperator).items()
        return {number: name for name, number in kinds if isinstance(number, int)}

    def name(self, operator: Any) -> str:
        """Returns the name of a builtin operator."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return self._names[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def tensor(
        self, graph: Any, name: bytes, shape: Sequence[int], dtype: str, buffer: int = 0
    ) -> int:
        """Adds a tensor to a function, by default one that is computed; returns its index."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.buffer, tensor.hasRank = name, buffer, True
        tensor.shape = np.array(shape, "int32")
        tensor.type = getattr(self.schema.TensorType, dtype)
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def constant(self, graph: Any, values: Any) -> int:
        """Adds an array or a number, int32 or float32, to a function; returns its index."""
        array = np.asarray(values)
        dtype = {"i": "INT32", "f": "FLOAT32"}[array.dtype.kind]
        content = array.astype(dtype.lower()).tobytes()
        if content not in self._buffers:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            self.model.buffers.append(buffer)
            self._buffers[content] = len(self.model.buffers) - 1
        return self.tensor(graph, b"constant", array.shape, dtype, self._buffers[content])

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        version: int = 1,
        **options: Any,
    ) -> Any:
        """Returns an operator of at least a version; the caller puts it into its place."""
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code(name, version)
        operator.inputs = np.array(inputs, "int32")
        operator.outputs = np.array(outputs, "int32")
        kind = OPTIONS[name]
        operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
        operator.builtinOptions = getattr(self.schema, f"{kind}T")()
        for key, value in options.items():
            setattr(operator.builtinOptions, key, value)
        return operator

    def _code(self, name: str, version: int) -> int:
        kind = getattr(self.schema.BuiltinOperator, name)
        for index, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == kind and code.version >= version:
                return index
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1
