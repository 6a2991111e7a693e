"""Writes slow operators of a LiteRT model as several that are faster."""

from typing import Any

import numpy as np

from keras_seq2seq.exporters.litert.rewriter import Rewriter

# Where one pass over all columns takes longer than the operators that replace it.
FEWEST_COLUMNS = 1000
WIDTHS = range(64, 257)


def fast_operators(model: Any) -> Any:
    """Changes and returns a model (`ModelT`) that computes the same.

    TOPK_V2 over many columns looks only into the blocks of columns with the highest maxima, which
    XNNPACK finds quickly: these hold every column that it can choose. Ties still go to the smallest
    column. LOG_SOFTMAX stays: exponentials by XNNPACK would be faster, but lose NaN.
    """
    writer = Rewriter(model)
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            is_top = writer.name(operator) == "TOPK_V2"
            if is_top and (width := _block_width(graph, operator)):
                operators += _top_of_blocks(writer, graph, operator, width)
            else:
                operators.append(operator)
        graph.operators = operators
    return model


def _columns(graph: Any, operator: Any) -> int:
    given = graph.tensors[operator.inputs[0]]
    is_open = given.shapeSignature is not None and min(given.shapeSignature) < 0
    return 0 if is_open else int(given.shape[-1])


def _block_width(graph: Any, operator: Any) -> int:
    """Returns into how wide blocks columns are cut, or 0 if that does not pay."""
    columns = _columns(graph, operator)
    shape = graph.tensors[operator.outputs[0]].shape
    if columns < FEWEST_COLUMNS or len(shape) != 2:
        return 0
    count = int(shape[1])
    widths = [width for width in WIDTHS if columns % width == 0 and count < columns // width]
    return min(widths, key=lambda width: columns // width + count * width, default=0)


def _top_of_blocks(writer: Rewriter, graph: Any, operator: Any, width: int) -> list[Any]:
    given, top = operator.inputs
    values, chosen = operator.outputs
    name = graph.tensors[given].name
    rows, count = (int(size) for size in graph.tensors[values].shape)
    blocks = _columns(graph, operator) // width
    operators: list[Any] = []

    def add(kind: str, inputs: list[int], shape: list[int], dtype: str, **options: Any) -> int:
        result = writer.tensor(graph, name + b"/top", shape, dtype)
        operators.append(writer.operator(kind, inputs, [result], **options))
        return result

    def shaped(tensor: int, shape: list[int], dtype: str) -> int:
        size = writer.constant(graph, shape)
        return add("RESHAPE", [tensor, size], shape, dtype, newShape=np.array(shape, "int32"))

    def first_of_row(size: int) -> int:
        return writer.constant(graph, size * np.arange(rows)[:, None])

    def highest(tensor: int, dtype: str = "FLOAT32") -> tuple[int, int]:
        both = [
            writer.tensor(graph, name + b"/top", [rows, count], kind) for kind in (dtype, "INT32")
        ]
        operators.append(writer.operator("TOPK_V2", [tensor, top], both))
        return both[0], both[1]

    cut = shaped(given, [rows * blocks, width], "FLOAT32")
    last = writer.constant(graph, [1])
    maxima = add("REDUCE_MAX", [cut, last], [rows * blocks], "FLOAT32", keepDims=False)
    _, best = highest(shaped(maxima, [rows, blocks], "FLOAT32"))
    if count > 1:
        # In the order of the columns, so that ties go to the smallest.
        falling, _ = highest(add("NEG", [best], [rows, count], "INT32"), "INT32")
        best = add("NEG", [falling], [rows, count], "INT32")
    places = add("ADD", [best, first_of_row(blocks)], [rows, count], "INT32")
    held = add(
        "GATHER", [cut, shaped(places, [rows * count], "INT32")], [rows * count, width], "FLOAT32"
    )
    _, column = highest(shaped(held, [rows, count * width], "FLOAT32"))
    operators[-1].outputs = np.array([values, column], "int32")
    number = writer.constant(graph, width)
    if count == 1:
        start = add("MUL", [best, number], [rows, 1], "INT32")
        operators.append(writer.operator("ADD", [start, column], [chosen]))
        return operators
    block = add("FLOOR_DIV", [column, number], [rows, count], "INT32")
    place = add("ADD", [block, first_of_row(count)], [rows, count], "INT32")
    flat = shaped(best, [rows * count], "INT32")
    which = add("GATHER", [flat, place], [rows, count], "INT32")
    moved = add("SUB", [which, block], [rows, count], "INT32")
    start = add("MUL", [moved, number], [rows, count], "INT32")
    operators.append(writer.operator("ADD", [start, column], [chosen]))
    return operators
