"""Makes small ONNX files: weights as int8 or float16, with standard operators only."""

import logging
import pathlib
import tempfile
from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.simplify import simplify
from keras_seq2seq.file_formats.onnx_graph import graphs, nodes, rename

RECURRENT = ("GRU", "LSTM", "RNN")
# Smaller weights are biases, scales and the like, which stay as they are.
SMALLEST = 1024
# A smaller table, such as that of positions, is not worth the nodes that widen its rows.
SMALLEST_TABLE = 16_384
ZERO, LEVELS = 128, 127  # stands for 0 in unsigned 8-bit weights, which go as far to either side
# The least magnitude of a row or column that a normal float32 scale can count; below it is 0.
LEAST = LEVELS * np.finfo("float32").tiny


def quantized(model: Any, quantization: str) -> Any:
    """Returns a smaller onnx.ModelProto with the same inputs and outputs.

    "float16" stores each weight in half precision and widens it when the file is read: half the
    bytes, float32 arithmetic. "dynamic_int8" stores unsigned 8-bit weights with a scale for each
    output column. Products become those of onnxruntime's `quantize_dynamic`, loops included:
    MatMulInteger, whose other input is quantised at run time. Embeddings and recurrent nodes get
    8-bit weights that are widened, the latter because no standard operator computes a GRU or an
    LSTM in int8. A table that both embeds and projects is stored once. All 8-bit weights are those
    of `unsigned_weights`: the same zero point everywhere, and each weight within half a step.

    Args:
        model: What `write_onnx` made, float32.
        quantization: "float16" or "dynamic_int8".
    """
    result = type(model)()
    result.CopyFrom(model)
    if quantization == "float16":
        _store_halves(result.graph)
    else:
        _untie_tables(result.graph)
        floats = _floats(result.graph)
        result = _with_integer_products(result)
        _store_integers(result.graph)
        _correct_products(result.graph, floats)
    del result.opset_import[1:]
    simplify(result)
    return result


def unsigned_weights(weights: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights as unsigned 8-bit numbers around `ZERO`, each within half a step.

    A row or column of zeros has the scale 1, and only `ZERO` in it.

    Args:
        weights: float32, finite, any shape.
        axis: Axis that has a scale for each of its indices.
    Returns:
        numbers: uint8, the shape of `weights`.
        scales: float32, shape (size of the axis,), above 0: the size of a step.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    highest = np.abs(weights).max(axis=others, initial=0)
    is_counted = highest >= LEAST
    scales = np.where(is_counted, highest / np.float32(LEVELS), np.float32(1)).astype("float32")
    shape = [-1 if i == axis else 1 for i in range(weights.ndim)]
    steps = np.rint(weights / scales.reshape(shape)).clip(-LEVELS, LEVELS)
    return (steps + ZERO).astype("uint8"), scales


def _floats(graph: Any) -> dict[str, np.ndarray]:
    """Returns the float32 constants by name."""
    from onnx import TensorProto, numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    }


def _weights(graph: Any) -> dict[str, np.ndarray]:
    """Returns the float32 weights by name that are large enough to shrink."""
    return {name: value for name, value in _floats(graph).items() if value.size >= SMALLEST}


def _store(graph: Any, name: str, value: np.ndarray) -> None:
    """Replaces the constant with this name, or adds it."""
    from onnx import numpy_helper

    for index, tensor in enumerate(graph.initializer):
        if tensor.name == name:
            del graph.initializer[index]
            break
    graph.initializer.append(numpy_helper.from_array(value, name))


def _add_first(graph: Any, made: list[Any]) -> None:
    for i, node in enumerate(made):
        graph.node.insert(i, node)


def _store_halves(graph: Any) -> None:
    from onnx import TensorProto, helper

    for name, value in _weights(graph).items():
        # Constants that half precision cannot hold, such as the -1e9 of a mask or a table of which
        # every weight would become 0, stay float32.
        highest, half = np.abs(value).max(), np.finfo("float16")
        if highest >= half.max or 0 < highest < half.tiny:
            continue
        rename(graph, {name: f"{name}_wide"})
        _store(graph, name, value.astype("float16"))
        cast = helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.FLOAT)
        _add_first(graph, [cast])


def _untie_tables(graph: Any) -> None:
    """Stores a table that embeds and projects twice, so that each use has its own scales.

    A projection that reads rows through a Transpose gets the transposed table in its place.
    `simplify` stores equal integers once again.
    """
    weights = _weights(graph)
    for node in list(graph.node):
        if node.op_type == "Transpose" and node.input[0] in weights:
            table, turned = node.input[0], node.output[0]
            readers = {n.op_type for n in nodes(graph) if turned in n.input}
            if readers in ({"MatMul"}, {"Gather"}):
                _store(graph, turned, np.ascontiguousarray(weights[table].T))
                graph.node.remove(node)
    looked_up = {node.input[0] for node in nodes(graph) if node.op_type == "Gather"}
    for node in nodes(graph):
        if node.op_type == "MatMul" and node.input[1] in looked_up & set(weights):
            copy = f"{node.input[1]}_product"
            _store(graph, copy, weights[node.input[1]])
            node.input[1] = copy


def _with_integer_products(model: Any) -> Any:
    """Returns a model whose products with weights are onnxruntime's MatMulInteger."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as room:
        path = pathlib.Path(room) / "quantized.onnx"
        # It logs, on the root logger, the advice to preprocess the model: `simplify` has done that.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(
                model,
                path,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                # Signed weights overflow beyond seven bits on x86 processors without VNNI.
                weight_type=QuantType.QUInt8,
                extra_options={
                    "WeightSymmetric": True,
                    "EnableSubgraph": True,
                    "MatMulConstBOnly": True,
                    "DefaultTensorType": onnx.TensorProto.FLOAT,
                },
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(path)


def _correct_products(graph: Any, floats: dict[str, np.ndarray]) -> None:
    """Gives the weights of products the numbers of `unsigned_weights`, a scale for each column.

    onnxruntime's quantizer stores columns of zeros with another zero point than the others, and
    scales that no float32 can hold as 1.
    """
    made = {tensor.name for tensor in graph.initializer}
    for name, value in floats.items():
        if f"{name}_zero_point" in made:
            _store_integer(graph, name, value, axis=value.ndim - 1)
            columns = np.full(value.shape[-1], ZERO, "uint8")
            _store(graph, f"{name}_zero_point", columns)


def _store_integers(graph: Any) -> None:
    """Stores the tables of embeddings and the weights of recurrent nodes in 8 bits."""
    weights = _weights(graph)
    for owner in list(graphs(graph)):
        for node in list(owner.node):
            table = weights.get(node.input[0]) if node.op_type == "Gather" else None
            if table is not None and table.size >= SMALLEST_TABLE and _gives_rows(node, table):
                _store_integer(graph, node.input[0], table, axis=0)
                _shrink_gather(graph, owner, node)
            elif node.op_type in RECURRENT:
                for name in node.input[1:3]:
                    if name in weights:
                        _shrink_recurrent(graph, name, weights[name])


def _gives_rows(node: Any, table: np.ndarray) -> bool:
    """Returns True for a Gather along the axis of the scales; of another the floats are read."""
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    return table.ndim == 2 and axes in ([], [0], [-2])


def _shrink_gather(graph: Any, owner: Any, node: Any) -> None:
    """Reads 8-bit rows and their scales instead of float32 rows."""
    from onnx import TensorProto, helper

    name, ids = node.input
    output = node.output[0]
    parts = ("integers", "floats", "signed", "scales")
    integers, floats, signed, scales = (f"{output}_{part}" for part in parts)
    _store(graph, "last_axis", np.array([-1], "int64"))
    _store(graph, "unsigned_zero", np.array(ZERO, "float32"))
    made = [
        helper.make_node("Gather", [f"{name}_quantized", ids], [integers]),
        helper.make_node("Cast", [integers], [floats], to=TensorProto.FLOAT),
        helper.make_node("Sub", [floats, "unsigned_zero"], [signed]),
        helper.make_node("Gather", [f"{name}_scale", ids], [scales]),
        helper.make_node("Unsqueeze", [scales, "last_axis"], [f"{scales}_last"]),
        helper.make_node("Mul", [signed, f"{scales}_last"], [output]),
    ]
    position = list(owner.node).index(node)
    owner.node.remove(node)
    for i, new in enumerate(made):
        owner.node.insert(position + i, new)


def _shrink_recurrent(graph: Any, name: str, value: np.ndarray) -> None:
    """Widens 8-bit weights (directions, gates * units, size) before the node that reads them."""
    from onnx import TensorProto, helper, numpy_helper

    wide = f"{name}_wide"
    rename(graph, {name: wide})
    _store_integer(graph, name, value, axis=1)
    (scale,) = (t for t in graph.initializer if t.name == f"{name}_scale")
    _store(graph, scale.name, numpy_helper.to_array(scale)[None, :, None])
    # Not DequantizeLinear, which onnxruntime computes in each run, not once at load.
    integers, floats, signed = (f"{name}_{part}" for part in ("quantized", "floats", "signed"))
    _store(graph, "unsigned_zero", np.array(ZERO, "float32"))
    made = [
        helper.make_node("Cast", [integers], [floats], to=TensorProto.FLOAT),
        helper.make_node("Sub", [floats, "unsigned_zero"], [signed]),
        helper.make_node("Mul", [signed, scale.name], [wide]),
    ]
    _add_first(graph, made)


def _store_integer(graph: Any, name: str, value: np.ndarray, axis: int) -> None:
    """Adds 8-bit weights and their scales, one for each index of an axis."""
    numbers, scales = unsigned_weights(value, axis)
    _store(graph, f"{name}_quantized", numbers)
    _store(graph, f"{name}_scale", scales)
