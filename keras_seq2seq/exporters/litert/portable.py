"""Rewrites a converted LiteRT model so that old runtimes and plain callers take it."""

from typing import Any

import numpy as np

from keras_seq2seq.file_formats.litert_schema import litert_schema

# Callers that know no signatures get the first subgraph.
FIRST = "translate_greedy_"
VERSION_METADATA = b"min_runtime_version"
VERSION_BYTES = 16
# TensorFlow Lite's own list of operator versions, as far as int8 files need one after 2.3.
RELEASES = {("CAST", 3): (2, 8, 0), ("FULLY_CONNECTED", 12): (2, 17, 0)}
LOOKUP_RELEASE = (2, 18, 0)


def portable(model: Any) -> Any:
    """Changes and returns a model (`ModelT`).

    The longest greedy search becomes its first subgraph. Lookups in int8 tables, an operator
    version that the stable runtimes of 2.17 lack, become a gather of int8 rows that is multiplied
    by a gather of their scales: the same numbers, and still only the rows that are needed are read.
    """
    _put_first(model)
    _gather_int8(model)
    return model


def _put_first(model: Any) -> None:
    found = {}
    for signature in model.signatureDefs or ():
        name = signature.signatureKey.decode()
        if name.startswith(FIRST):
            found[int(name.removeprefix(FIRST))] = signature.subgraphIndex
    if not found or not (first := found[max(found)]):
        return
    graphs = model.subgraphs
    graphs[0], graphs[first] = graphs[first], graphs[0]
    moved = {0: first, first: 0}
    for holder in _holders_of_indices(model):
        for field, index in vars(holder).items():
            if field.lower().endswith("subgraphindex"):
                setattr(holder, field, moved.get(index, index))


def _holders_of_indices(model: Any) -> list[Any]:
    options = [
        operator.builtinOptions
        for graph in model.subgraphs
        for operator in graph.operators
        if operator.builtinOptions is not None
    ]
    return [*model.signatureDefs, *options]


def _gather_int8(model: Any) -> None:
    schema = litert_schema()
    kinds = schema.BuiltinOperator
    rewriter = _Gathers(model)
    codes = model.operatorCodes
    lookups = {i for i, code in enumerate(codes) if code.builtinCode == kinds.EMBEDDING_LOOKUP}
    left = False
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            table = graph.tensors[operator.inputs[1]] if operator.opcodeIndex in lookups else None
            if table is not None and table.type == schema.TensorType.INT8:
                operators += rewriter.replacement(graph, operator)
            else:
                left |= table is not None
                operators.append(operator)
        graph.operators = operators
    if rewriter.used and not left:
        rewriter.state_release()
    _drop_unused_codes(model)


def _drop_unused_codes(model: Any) -> None:
    # A runtime looks for the kernel of every code, used or not.
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    places = {index: place for place, index in enumerate(used)}
    for operator in operators:
        operator.opcodeIndex = places[operator.opcodeIndex]
    model.operatorCodes = [model.operatorCodes[index] for index in used]


class _Gathers:
    """Writes the operators that stand for lookups in int8 tables.

    Args:
        model: A `ModelT`; it is changed.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.schema = litert_schema()
        self.used = False
        self._scales: dict[int, int] = {}

    def replacement(self, graph: Any, lookup: Any) -> list[Any]:
        """Returns gather, cast and multiply in place of a lookup, with tensors of their own."""
        self.used = True
        types = self.schema.TensorType
        ids, table_index = (int(index) for index in lookup.inputs)
        output = graph.tensors[int(lookup.outputs[0])]
        table = graph.tensors[table_index]
        rows, columns = (int(size) for size in table.shape)
        plain = self._tensor(graph, b"table", table.shape, types.INT8, table.buffer)
        buffer = self._scale_buffer(table, rows)
        scales = self._tensor(graph, b"scales", [rows, 1], types.FLOAT32, buffer)
        found = int(np.prod(output.shape)) // columns
        found_shape = [found, columns]
        rows_int8 = self._tensor(graph, b"rows_int8", found_shape, types.INT8, 0, output)
        rows_float = self._tensor(graph, b"rows", found_shape, types.FLOAT32, 0, output)
        steps = self._tensor(graph, b"row_scales", [found, 1], types.FLOAT32, 0, output, 1)
        return [
            self._operator("GATHER", 2, [plain, ids], rows_int8),
            self._operator("CAST", 3, [rows_int8], rows_float),
            self._operator("GATHER", 1, [scales, ids], steps),
            self._operator("MUL", 1, [rows_float, steps], int(lookup.outputs[0])),
        ]

    def state_release(self) -> None:
        """Writes the oldest release into the metadata, which the converter computed before."""
        kinds = self.schema.BuiltinOperator
        releases = [
            release
            for (name, version), release in RELEASES.items()
            for code in self.model.operatorCodes
            if (code.builtinCode, code.version) == (getattr(kinds, name), version)
        ]
        for entry in self.model.metadata or ():
            if entry.name == VERSION_METADATA:
                buffer = self.model.buffers[entry.buffer]
                stated = bytes(buffer.data).rstrip(b"\0").decode()
                if stated == ".".join(map(str, LOOKUP_RELEASE)):
                    text = ".".join(map(str, max(releases))).encode()
                    buffer.data = np.frombuffer(text.ljust(VERSION_BYTES, b"\0"), np.uint8)

    def _scale_buffer(self, table: Any, rows: int) -> int:
        if table.buffer not in self._scales:
            given = np.asarray(table.quantization.scale, "float32")
            buffer = self.schema.BufferT()
            values = np.broadcast_to(given, (rows,)).astype("float32")
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            self._scales[table.buffer] = len(self.model.buffers) - 1
        return self._scales[table.buffer]

    def _tensor(
        self,
        graph: Any,
        name: bytes,
        shape: Any,
        dtype: int,
        buffer: int,
        like: Any = None,
        columns: int | None = None,
    ) -> int:
        tensor = self.schema.TensorT()
        tensor.shape = np.array(shape, "int32")
        tensor.type, tensor.buffer, tensor.hasRank = dtype, buffer, True
        tensor.name = b"embedding/" + name if like is None else like.name + b"/" + name
        if like is not None and like.shapeSignature is not None:
            # An open number of ids stays open.
            signature = np.array(like.shapeSignature, "int32")
            tensor.shapeSignature = np.array([signature[0], columns or signature[-1]], "int32")
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def _operator(self, name: str, version: int, inputs: list[int], output: int) -> Any:
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code(name, version)
        operator.inputs = np.array(inputs, "int32")
        operator.outputs = np.array([output], "int32")
        options = self.schema.BuiltinOptions
        if name == "GATHER":
            operator.builtinOptionsType = options.GatherOptions
            operator.builtinOptions = self.schema.GatherOptionsT()
        elif name == "CAST":
            operator.builtinOptionsType = options.CastOptions
            operator.builtinOptions = self.schema.CastOptionsT()
            operator.builtinOptions.inDataType = self.schema.TensorType.INT8
            operator.builtinOptions.outDataType = self.schema.TensorType.FLOAT32
        else:
            operator.builtinOptionsType = options.MulOptions
            operator.builtinOptions = self.schema.MulOptionsT()
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
