"""Makes small ONNX files: weights as int8 or float16, with standard operators only."""

from typing import Any

import numpy as np

from keras_seq2seq.exporters import outside_weights
from keras_seq2seq.exporters.onnx.simplify import simplify
from keras_seq2seq.exporters.onnx.weights import Numbers, Weights
from keras_seq2seq.file_formats.onnx_graph import graphs, nodes, rename

RECURRENT = ("GRU", "LSTM", "RNN")
# Smaller weights are biases, scales and the like, which stay as they are.
SMALLEST = 1024
# A smaller table, such as that of positions, is not worth the nodes that widen its rows.
SMALLEST_TABLE = 16_384
ZERO, LEVELS = 128, 127  # stands for 0 in unsigned 8-bit weights, which go as far to either side
# The least magnitude of a row or column that a normal float32 scale can count; below it is 0.
LEAST = LEVELS * np.finfo("float32").tiny


def quantized(model: Any, quantization: str, weights: Weights | None = None) -> Any:
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
        weights: The numbers of its large constants, and those that are made of them; with None
            the model has them itself.
    """
    result = type(model)()
    result.CopyFrom(model)
    store = Weights() if weights is None else weights
    graph = _Graph(result.graph, store)
    if quantization == "float16":
        _store_halves(graph)
    else:
        _untie_tables(graph)
        _use_integer_products(graph)
        _store_integers(graph)
    simplify(result, store)
    if weights is None:
        store.put_inside(result.graph)
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
    numbers, scales = _unsigned(Numbers.of(weights), axis)
    return numbers.array(), scales


def _unsigned(weights: Numbers, axis: int) -> tuple[Numbers, np.ndarray]:
    """Returns what `unsigned_weights` returns, with numbers that are computed when needed."""
    others = tuple(i for i in range(len(weights.shape)) if i != axis)
    highest = np.zeros(weights.shape[axis], "float32")
    for part, place in weights.parts():
        found = np.abs(part).max(axis=others, initial=0)
        here = place if axis == 0 else slice(None)
        highest[here] = np.maximum(highest[here], found)
    is_counted = highest >= LEAST
    scales = np.where(is_counted, highest / np.float32(LEVELS), np.float32(1)).astype("float32")

    def steps(part: np.ndarray, place: slice) -> np.ndarray:
        here = scales[place] if axis == 0 else scales
        shape = [-1 if i == axis else 1 for i in range(part.ndim)]
        counted = np.rint(part / here.reshape(shape)).clip(-LEVELS, LEVELS)
        return (counted + ZERO).astype("uint8")

    return weights.mapped(steps, "uint8"), scales


class _Graph:
    """A graph whose constants are replaced.

    Args:
        graph: An onnx.GraphProto; it is changed.
        weights: The numbers of its constants.
    """

    def __init__(self, graph: Any, weights: Weights) -> None:
        self.graph = graph
        self.weights = weights

    def floats(self) -> dict[str, Numbers]:
        """Returns the float32 constants by name."""
        from onnx import TensorProto

        return {
            tensor.name: self.weights.numbers(tensor)
            for tensor in self.graph.initializer
            if tensor.data_type == TensorProto.FLOAT
        }

    def large(self) -> dict[str, Numbers]:
        """Returns the float32 weights by name that are large enough to shrink."""
        return {name: found for name, found in self.floats().items() if found.count >= SMALLEST}

    def store(self, name: str, value: Numbers | np.ndarray) -> None:
        """Replaces the constant with this name, or adds it."""
        from onnx import numpy_helper

        for index, tensor in enumerate(self.graph.initializer):
            if tensor.name == name:
                del self.graph.initializer[index]
                break
        if isinstance(value, np.ndarray) or value.count < outside_weights.SMALLEST:
            array = value if isinstance(value, np.ndarray) else value.array()
            made = numpy_helper.from_array(np.ascontiguousarray(array), name)
        else:
            made = self.weights.tensor(value, name)
        self.graph.initializer.append(made)

    def store_integers(self, name: str, value: Numbers, axis: int) -> np.ndarray:
        """Adds 8-bit weights; returns their scales, one for each index of an axis, also added."""
        numbers, scales = _unsigned(value, axis)
        self.store(f"{name}_quantized", numbers)
        self.store(f"{name}_scale", scales)
        return scales

    def has(self, name: str) -> bool:
        """Returns True if there is a constant of this name."""
        return any(tensor.name == name for tensor in self.graph.initializer)


def _add_first(graph: Any, made: list[Any]) -> None:
    for i, node in enumerate(made):
        graph.node.insert(i, node)


def _store_halves(quantised: _Graph) -> None:
    from onnx import TensorProto, helper

    graph, half = quantised.graph, np.finfo("float16")
    for name, value in quantised.large().items():
        # Constants that half precision cannot hold, such as the -1e9 of a mask or a table of which
        # every weight would become 0, stay float32.
        highest = max(np.abs(part).max() for part, _ in value.parts())
        if highest >= half.max or 0 < highest < half.tiny:
            continue
        rename(graph, {name: f"{name}_wide"})
        quantised.store(name, value.mapped(lambda part, _: part.astype("float16"), "float16"))
        cast = helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.FLOAT)
        _add_first(graph, [cast])


def _untie_tables(quantised: _Graph) -> None:
    """Stores a table that embeds and projects twice, so that each use has its own scales.

    A projection that reads rows through a Transpose gets the transposed table in its place.
    `simplify` stores equal integers once again.
    """
    graph, weights = quantised.graph, quantised.large()
    for node in list(graph.node):
        if node.op_type == "Transpose" and node.input[0] in weights:
            table, turned = weights[node.input[0]], node.output[0]
            readers = {n.op_type for n in nodes(graph) if turned in n.input}
            if readers in ({"MatMul"}, {"Gather"}):
                quantised.store(turned, _turned(table))
                graph.node.remove(node)
    looked_up = {node.input[0] for node in nodes(graph) if node.op_type == "Gather"}
    for node in nodes(graph):
        if node.op_type == "MatMul" and node.input[1] in looked_up & set(weights):
            copy = f"{node.input[1]}_product"
            quantised.store(copy, weights[node.input[1]])
            node.input[1] = copy


def _turned(table: Numbers) -> Numbers:
    return Numbers.seen(table.dtype, table.shape[::-1], lambda: table.array().T)


def _use_integer_products(quantised: _Graph) -> None:
    """Writes MatMulInteger for each product with a weight, as onnxruntime's quantizer does."""
    floats = quantised.floats()
    for owner in list(graphs(quantised.graph)):
        made: dict[str, list[str]] = {}
        for node in list(owner.node):
            if node.op_type != "MatMul" or node.input[1] not in floats:
                continue
            given, name = node.input
            if not quantised.has(f"{name}_quantized"):
                value = floats[name]
                quantised.store_integers(name, value, axis=len(value.shape) - 1)
                columns = np.full(value.shape[-1], ZERO, "uint8")
                quantised.store(f"{name}_zero_point", columns)
            position = list(owner.node).index(node)
            owner.node.remove(node)
            for i, new in enumerate(_integer_product(given, name, node.output[0], made)):
                owner.node.insert(position + i, new)


def _integer_product(given: str, name: str, output: str, made: dict[str, list[str]]) -> list[Any]:
    """Returns the nodes of a product; `made` has the numbers that others have quantised."""
    from onnx import TensorProto, helper

    new = []
    if given not in made:
        made[given] = [f"{given}_{part}" for part in ("quantized", "scale", "zero_point")]
        new.append(helper.make_node("DynamicQuantizeLinear", [given], made[given]))
    numbers, scale, zero = made[given]
    product, factor = f"{output}_output_quantized", f"{output}_scales_mul"
    integers = [numbers, f"{name}_quantized", zero, f"{name}_zero_point"]
    return [
        *new,
        helper.make_node("MatMulInteger", integers, [product]),
        helper.make_node("Cast", [product], [f"{product}_cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [scale, f"{name}_scale"], [factor]),
        helper.make_node("Mul", [f"{product}_cast", factor], [output]),
    ]


def _store_integers(quantised: _Graph) -> None:
    """Stores the tables of embeddings and the weights of recurrent nodes in 8 bits."""
    weights = quantised.large()
    for owner in list(graphs(quantised.graph)):
        for node in list(owner.node):
            table = weights.get(node.input[0]) if node.op_type == "Gather" else None
            if table is not None and table.count >= SMALLEST_TABLE and _gives_rows(node, table):
                quantised.store_integers(node.input[0], table, axis=0)
                _shrink_gather(quantised, owner, node)
            elif node.op_type in RECURRENT:
                for name in node.input[1:3]:
                    if name in weights:
                        _shrink_recurrent(quantised, name, weights[name])


def _gives_rows(node: Any, table: Numbers) -> bool:
    """Returns True for a Gather along the axis of the scales; of another the floats are read."""
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    return len(table.shape) == 2 and axes in ([], [0], [-2])


def _shrink_gather(quantised: _Graph, owner: Any, node: Any) -> None:
    """Reads 8-bit rows and their scales instead of float32 rows."""
    from onnx import TensorProto, helper

    name, ids = node.input
    output = node.output[0]
    parts = ("integers", "floats", "signed", "scales")
    integers, floats, signed, scales = (f"{output}_{part}" for part in parts)
    quantised.store("last_axis", np.array([-1], "int64"))
    quantised.store("unsigned_zero", np.array(ZERO, "float32"))
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


def _shrink_recurrent(quantised: _Graph, name: str, value: Numbers) -> None:
    """Widens 8-bit weights (directions, gates * units, size) before the node that reads them."""
    from onnx import TensorProto, helper

    wide = f"{name}_wide"
    rename(quantised.graph, {name: wide})
    scales = quantised.store_integers(name, value, axis=1)
    quantised.store(f"{name}_scale", scales[None, :, None])
    # Not DequantizeLinear, which onnxruntime computes in each run, not once at load.
    integers, floats, signed = (f"{name}_{part}" for part in ("quantized", "floats", "signed"))
    quantised.store("unsigned_zero", np.array(ZERO, "float32"))
    made = [
        helper.make_node("Cast", [integers], [floats], to=TensorProto.FLOAT),
        helper.make_node("Sub", [floats, "unsigned_zero"], [signed]),
        helper.make_node("Mul", [signed, f"{name}_scale"], [wide]),
    ]
    _add_first(quantised.graph, made)
