"""Rewrites a converted LiteRT model so that old runtimes and plain callers take it."""

from typing import Any

import numpy as np

from keras_seq2seq.exporters.litert.half_constants import with_safe_halves
from keras_seq2seq.exporters.litert.rewriter import Rewriter
from keras_seq2seq.exporters.litert.shared_graphs import move_graphs
from keras_seq2seq.file_formats.litert_schema import litert_schema

# Callers that know no signatures get the first subgraph.
FIRST = "translate_greedy_"
VERSION_METADATA = b"min_runtime_version"
VERSION_BYTES = 16
# TensorFlow Lite's own list of operator versions, as far as int8 files need one after 2.3.
RELEASES = {
    ("CAST", 3): (2, 8, 0),
    ("DYNAMIC_UPDATE_SLICE", 1): (2, 9, 0),
    ("FULLY_CONNECTED", 12): (2, 17, 0),
}
LOOKUP_RELEASE = (2, 18, 0)


def portable(model: Any) -> Any:
    """Changes and returns a model (`ModelT`).

    The longest greedy search becomes its first subgraph. Lookups in int8 tables, an operator
    version that the stable runtimes of 2.17 lack, become a gather of int8 rows that is multiplied
    by a gather of their scales: the same numbers, and still only the rows that are needed are read.
    Constants in half precision that are small, or not safe there, become float32.
    """
    _put_first(model)
    with_safe_halves(model)
    _gather_int8(model)
    return model


def _put_first(model: Any) -> None:
    found = {}
    for signature in model.signatureDefs or ():
        name = signature.signatureKey.decode()
        if name.startswith(FIRST):
            length = name.removeprefix(FIRST).rpartition("x")[2]
            found[int(length)] = signature.subgraphIndex
    if not found or not (first := found[max(found)]):
        return
    graphs = model.subgraphs
    graphs[0], graphs[first] = graphs[first], graphs[0]
    move_graphs(model, {0: first, first: 0})


def _gather_int8(model: Any) -> None:
    schema = litert_schema()
    gathers = _Gathers(model)
    used = left = False
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            is_lookup = gathers.writer.name(operator) == "EMBEDDING_LOOKUP"
            if is_lookup and graph.tensors[operator.inputs[1]].type == schema.TensorType.INT8:
                operators += gathers.replacement(graph, operator)
                used = True
            else:
                left |= is_lookup
                operators.append(operator)
        graph.operators = operators
    if used and not left:
        _state_release(model)
    _drop_unused_codes(model)


def _drop_unused_codes(model: Any) -> None:
    # A runtime looks for the kernel of every code, used or not.
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    places = {index: place for place, index in enumerate(used)}
    for operator in operators:
        operator.opcodeIndex = places[operator.opcodeIndex]
    model.operatorCodes = [model.operatorCodes[index] for index in used]


def _state_release(model: Any) -> None:
    """Writes the oldest release into the metadata, which the converter computed before."""
    kinds = litert_schema().BuiltinOperator
    releases = [
        release
        for (name, version), release in RELEASES.items()
        for code in model.operatorCodes
        if (code.builtinCode, code.version) == (getattr(kinds, name), version)
    ]
    for entry in model.metadata or ():
        if entry.name == VERSION_METADATA:
            buffer = model.buffers[entry.buffer]
            stated = bytes(buffer.data).rstrip(b"\0").decode()
            if stated == ".".join(map(str, LOOKUP_RELEASE)):
                text = ".".join(map(str, max(releases))).encode()
                buffer.data = np.frombuffer(text.ljust(VERSION_BYTES, b"\0"), np.uint8)


class _Gathers:
    """Writes the operators that stand for lookups in int8 tables.

    Args:
        model: A `ModelT`; it is changed.
    """

    def __init__(self, model: Any) -> None:
        self.writer = Rewriter(model)

    def replacement(self, graph: Any, lookup: Any) -> list[Any]:
        """Returns gather, cast and multiply in place of a lookup, with tensors of their own."""
        ids, table_index = (int(index) for index in lookup.inputs)
        result = int(lookup.outputs[0])
        table = graph.tensors[table_index]
        rows, columns = (int(size) for size in table.shape)
        plain = self.writer.tensor(graph, b"table", table.shape, "INT8", table.buffer)
        given = np.asarray(table.quantization.scale, "float32")
        scales = self.writer.constant(graph, np.broadcast_to(given, (rows,))[:, None])
        found = int(np.prod(graph.tensors[result].shape)) // columns
        # An open number of ids stays open.
        signature = graph.tensors[result].shapeSignature
        first = found if signature is None else int(signature[0])

        def computed(name: bytes, width: int, dtype: str) -> int:
            full = graph.tensors[result].name + name
            index = self.writer.tensor(graph, full, [found, width], dtype)
            if first != found:
                graph.tensors[index].shapeSignature = np.array([first, width], "int32")
            return index

        rows_int8 = computed(b"/rows_int8", columns, "INT8")
        rows_float = computed(b"/rows", columns, "FLOAT32")
        steps = computed(b"/row_scales", 1, "FLOAT32")
        types = litert_schema().TensorType
        kinds = {"inDataType": types.INT8, "outDataType": types.FLOAT32}
        return [
            self.writer.operator("GATHER", [plain, ids], [rows_int8], version=2),
            self.writer.operator("CAST", [rows_int8], [rows_float], version=3, **kinds),
            self.writer.operator("GATHER", [scales, ids], [steps]),
            self.writer.operator("MUL", [rows_float, steps], [result]),
        ]
