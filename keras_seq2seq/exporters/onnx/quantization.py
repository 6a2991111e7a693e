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
ZERO = 128  # stands for 0 in unsigned 8-bit weights


def quantized(model: Any, quantization: str) -> Any:
    """Returns a smaller onnx.ModelProto with the same inputs and outputs.

    "float16" stores each weight in half precision and widens it when the file is read: half the
    bytes, float32 arithmetic. "dynamic_int8" stores unsigned 8-bit weights with a scale for each
    output column. Products become those of onnxruntime's `quantize_dynamic`, loops included:
    MatMulInteger, whose other input is quantised at run time. Embeddings and recurrent nodes get
    8-bit weights that are widened, the latter because no standard operator computes a GRU or an
    LSTM in int8. A table that both embeds and projects is stored once.

    Args:
        model: What `write_onnx` made, float32.
        quantization: "float16" or "dynamic_int8".
    """
    result = type(model)()
    result.CopyFrom(model)
    if quantization == "float16":
        _store_halves(result.graph)
    else:
        tied = _untie_tables(result.graph)
        result = _with_integer_products(result)
        _store_integers(result.graph, tied)
    del result.opset_import[1:]
    simplify(result)
    return result


def _weights(graph: Any) -> dict[str, np.ndarray]:
    """Returns the float32 weights by name that are large enough to shrink."""
    from onnx import TensorProto, numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= SMALLEST
    }


def _store(graph: Any, name: str, value: np.ndarray) -> None:
    """Replaces the constant with this name, or adds it."""
    from onnx import numpy_helper

    kept = [tensor for tensor in graph.initializer if tensor.name != name]
    copies = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
    del graph.initializer[:]
    graph.initializer.extend([*copies, numpy_helper.from_array(value, name)])


def _add_first(graph: Any, made: list[Any]) -> None:
    for i, node in enumerate(made):
        graph.node.insert(i, node)


def _store_halves(graph: Any) -> None:
    from onnx import TensorProto, helper

    for name, value in _weights(graph).items():
        # Constants that half precision cannot hold, such as the -1e9 of a mask, stay float32.
        if np.abs(value).max() >= np.finfo("float16").max:
            continue
        rename(graph, {name: f"{name}_wide"})
        _store(graph, name, value.astype("float16"))
        cast = helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.FLOAT)
        _add_first(graph, [cast])


def _untie_tables(graph: Any) -> dict[str, str]:
    """Stores a table that embeds and projects a second time, in place of its Transpose node.

    Returns:
        For each table the name of the constant whose rows embed, and of the one that projects.
    """
    weights = _weights(graph)
    tied = {}
    for node in list(graph.node):
        if node.op_type != "Transpose" or node.input[0] not in weights:
            continue
        table, turned = node.input[0], node.output[0]
        readers = {n.op_type for n in nodes(graph) if turned in n.input}
        if readers in ({"MatMul"}, {"Gather"}):
            tied.update({table: turned} if readers == {"MatMul"} else {turned: table})
            _store(graph, turned, np.ascontiguousarray(weights[table].T))
            graph.node.remove(node)
    return tied


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


def _store_integers(graph: Any, tied: dict[str, str]) -> None:
    """Stores the tables of embeddings and the weights of recurrent nodes in 8 bits."""
    from onnx import numpy_helper

    weights = _weights(graph)
    for owner in list(graphs(graph)):
        for node in list(owner.node):
            table = weights.get(node.input[0]) if node.op_type == "Gather" else None
            if table is not None and table.ndim == 2 and table.size >= SMALLEST_TABLE:
                _store_integer(graph, node.input[0], table, axis=0)
                _shrink_gather(graph, owner, node)
            elif node.op_type in RECURRENT:
                for name in node.input[1:3]:
                    if name in weights:
                        _shrink_recurrent(graph, name, weights[name])
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for rows, columns in tied.items():
        # The same integers, transposed: `simplify` then stores only the first of the two.
        integers = values[f"{columns}_quantized"]
        _store(graph, f"{rows}_quantized", np.ascontiguousarray(integers.T))
        _store(graph, f"{columns}_quantized", integers)
        _store(graph, f"{rows}_scale", values[f"{columns}_scale"])


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
    """Adds uint8 values around `ZERO` and float32 scales, one for each index of an axis."""
    others = tuple(i for i in range(value.ndim) if i != axis)
    highest = np.abs(value).max(axis=others)
    scale = np.where(highest > 0, highest, 1).astype("float32") / np.float32(127)
    shape = [-1 if i == axis else 1 for i in range(value.ndim)]
    integers = np.rint(value / scale.reshape(shape)) + ZERO
    _store(graph, f"{name}_quantized", integers.astype("uint8"))
    _store(graph, f"{name}_scale", scale)
