"""Rewrites a dynamic int8 LiteRT file so that its products read and write int8."""

import collections
import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_seq2seq.exporters.litert.calibration import Ranges
from keras_seq2seq.exporters.litert.int8_scale import Scale
from keras_seq2seq.file_formats.litert_schema import litert_schema

# A bias is counted in steps of int32; the rest is left to the sum of products that it joins.
LARGEST_BIAS = 2**30
# The prefix of a loop to the names of its layers.
LOOPS = re.compile(r"while[_\d]*/")
# The first operator versions that support int8; FULLY_CONNECTED already has a later one.
VERSIONS = {"QUANTIZE": 1, "DEQUANTIZE": 2, "BATCH_MATMUL": 2}


@dataclasses.dataclass(frozen=True)
class Int8Recipe:
    """What a full int8 file computes in int8; everything else stays in float32.

    Args:
        name: Name of the recipe, written into the description of the file.
        operators: Any of "FULLY_CONNECTED" (products with weights that are stored as int8) and
            "BATCH_MATMUL" (products of attention).
        projection: Whether the product that gives the logits is included; if not, its weights are
            int8 and its input is quantised at run time, as in dynamic int8.
        dynamic_layers: Name parts of other layers whose products stay in dynamic int8.
    """

    name: str
    operators: tuple[str, ...]
    projection: bool
    dynamic_layers: tuple[str, ...]


# Sums, normalisations, softmax, the gates and states of recurrent cells, activations (except a ReLU
# inside a product), caches and the logits stay in float32. The second product of a feed-forward
# layer stays dynamic: a few of its outputs are a hundred times as large as the others, which 256
# steps would lose.
PRODUCTS = Int8Recipe(
    "products",
    ("FULLY_CONNECTED", "BATCH_MATMUL"),
    projection=False,
    dynamic_layers=("feedforward_outer",),
)


def int8_models(
    models: Sequence[Any],
    measured: tuple[Ranges, Ranges],
    vocabulary_size: int,
    recipe: Int8Recipe = PRODUCTS,
) -> None:
    """Changes models so that products are computed in int8, with the same fixed scales.

    Args:
        models: `ModelT` of files in dynamic int8: whole translations, the steps, and others that
            need not be measured.
        measured: What `measured_ranges` found for the first two.
        vocabulary_size: int > 0. Columns of the product that gives the logits.
        recipe: What is computed in int8.
    """
    all_ranges: Iterable[Ranges] = itertools.chain(measured, itertools.repeat({}))
    pairs = zip(models, all_ranges, strict=False)
    found = [Int8Model(model, ranges) for model, ranges in pairs]
    ranges = joined(model.product_ranges for model in found)
    for model in found:
        model.quantize(recipe, vocabulary_size, ranges)


Scales = list[Scale]
# Identifies a product: its weights, or its layer, and its number in that layer.
Key = tuple[bytes | str, int]
# (least, greatest) of the float inputs and the output of products.
ProductRanges = dict[Key, list[tuple[float, float]]]


def joined(parts: Iterable[ProductRanges]) -> ProductRanges:
    """Returns ranges that cover those of all parts."""
    found: ProductRanges = {}
    for part in parts:
        for key, ranges in part.items():
            pairs = zip(found.get(key, ranges), ranges, strict=True)
            found[key] = [(min(a[0], b[0]), max(a[1], b[1])) for a, b in pairs]
    return found


class Int8Model:
    """A model whose products are replaced one by one.

    Args:
        model: A `ModelT` in dynamic int8; it is changed.
        ranges: What `measured_ranges` found.
    """

    def __init__(self, model: Any, ranges: Ranges) -> None:
        self.model = model
        self.schema = litert_schema()
        self.ranges = ranges
        self._names = {
            number: name
            for name, number in vars(self.schema.BuiltinOperator).items()
            if isinstance(number, int)
        }
        self._keys: dict[int, Key] = {}
        self._digests: dict[int, bytes] = {}
        self.product_ranges: ProductRanges = joined(self._product_ranges())

    def quantize(self, recipe: Int8Recipe, vocabulary_size: int, ranges: ProductRanges) -> None:
        """Replaces the products that the recipe names, in every function and loop.

        Args:
            recipe: What is computed in int8.
            vocabulary_size: int > 0. Columns of the product that gives the logits.
            ranges: `product_ranges` of all files that shall agree.
        """
        self.product_ranges = ranges
        for graph in self.model.subgraphs:
            Int8Graph(self, graph).quantize(recipe, vocabulary_size)
        self._drop_unread()
        self.model.description = f"int8 recipe: {recipe.name}"

    def name(self, operator: Any) -> str:
        """Returns the name of an operator in the schema."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return self._names[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def has_int8_weights(self, graph: Any, operator: Any) -> bool:
        """Returns True for a product of float inputs with int8 weights."""
        if self.name(operator) != "FULLY_CONNECTED":
            return False
        given, weights = (graph.tensors[index] for index in operator.inputs[:2])
        types = self.schema.TensorType
        return (given.type, weights.type) == (types.FLOAT32, types.INT8)

    def code(self, name: str) -> int:
        """Returns the index of an operator in its int8 version; adds it if missing."""
        number, version = getattr(self.schema.BuiltinOperator, name), VERSIONS[name]
        for index, code in enumerate(self.model.operatorCodes):
            if (code.builtinCode, code.version) == (number, version):
                return index
        code = self.schema.OperatorCodeT()
        code.builtinCode = number
        code.deprecatedBuiltinCode = min(number, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def buffer(self, values: np.ndarray) -> int:
        """Returns the index of a new constant."""
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def scales(self, operator: Any) -> Scales | None:
        """Returns the scales of the float inputs and the output, or None if they are unknown.

        The product of a layer occurs in several functions. It has the same scales in all of them,
        so that all give the same translations.
        """
        key = self._keys.get(id(operator))
        found = None if key is None else self.product_ranges.get(key)
        if found is None:
            return None
        made = [Scale.of(*limits) for limits in found]
        if self.name(operator) == "BATCH_MATMUL":
            # XNNPACK in TensorFlow Lite 2.21 takes the second factor for weights, without asking
            # where its zero is.
            made[1] = Scale.centred(*found[1])
        return made

    def _seen(self, graph: Any, indices: Sequence[int]) -> list[tuple[float, float]] | None:
        """Returns the finite ranges of tensors, or None if one was never computed."""
        names = [graph.tensors[index].name.decode() for index in indices]
        found = [self.ranges[name] for name in names if name in self.ranges]
        return found if len(found) == len(names) and np.isfinite(found).all() else None

    def _drop_unread(self) -> None:
        """Empties the constants that no operator reads any more: float32 biases."""
        read = {entry.buffer for entry in self.model.metadata}
        for graph in self.model.subgraphs:
            inputs = {int(i) for operator in graph.operators for i in operator.inputs if i >= 0}
            read |= {graph.tensors[i].buffer for i in inputs | {int(i) for i in graph.outputs}}
        for index, buffer in enumerate(self.model.buffers):
            if index not in read:
                buffer.data = None

    def _digest(self, buffer: int) -> bytes:
        """Returns what identifies weights in every file that holds them."""
        if buffer not in self._digests:
            data = self.model.buffers[buffer].data
            self._digests[buffer] = hashlib.sha256(np.asarray(data).tobytes()).digest()
        return self._digests[buffer]

    def _product_ranges(self) -> Iterator[ProductRanges]:
        """Yields the ranges of each product of each function; notes which product it is."""
        for graph in self.model.subgraphs:
            numbers: collections.Counter[str] = collections.Counter()
            for operator in graph.operators:
                key: Key
                if self.has_int8_weights(graph, operator):
                    key = (self._digest(graph.tensors[operator.inputs[1]].buffer), 0)
                    found = self._seen(graph, (operator.inputs[0], operator.outputs[0]))
                elif self.name(operator) == "BATCH_MATMUL":
                    layer = LOOPS.sub("", graph.tensors[operator.outputs[0]].name.decode())
                    layer = layer.partition(";")[0].rpartition("/")[0]
                    key = (layer, numbers[layer])
                    numbers[layer] += 1
                    found = self._seen(graph, (*operator.inputs, *operator.outputs))
                else:
                    continue
                self._keys[id(operator)] = key
                if found is not None:
                    yield {key: found}


class Int8Graph:
    """One function, or the body of one loop, of a model.

    Args:
        model: The whole model.
        graph: A `SubGraphT` of the model; it is changed.
    """

    def __init__(self, model: Int8Model, graph: Any) -> None:
        self.model = model
        self.graph = graph
        self.schema = model.schema
        self._operators: list[Any] = []
        # The int8 form of a float tensor, by its index.
        self._int8: dict[int, int] = {}
        self._biases: dict[tuple[int, int, float], int] = {}

    def quantize(self, recipe: Int8Recipe, vocabulary_size: int) -> None:
        """Replaces the products that the recipe names and that have ranges."""
        for operator in self.graph.operators:
            scales = None
            if self._is_wanted(operator, recipe, vocabulary_size):
                scales = self.model.scales(operator)
            if scales is None or not self._holds_bias(operator, scales[0]):
                self._operators.append(operator)
            else:
                self._replace(operator, scales)
        self.graph.operators = self._without_unread()

    def _is_wanted(self, operator: Any, recipe: Int8Recipe, vocabulary_size: int) -> bool:
        name = self.model.name(operator)
        if name not in recipe.operators:
            return False
        if name == "BATCH_MATMUL":
            return True
        if not self.model.has_int8_weights(self.graph, operator):
            return False
        columns = self.graph.tensors[operator.inputs[1]].shape[0]
        if columns == vocabulary_size and not recipe.projection:
            return False
        layer = self.graph.tensors[operator.outputs[0]].name.decode()
        return not any(part in layer for part in recipe.dynamic_layers)

    def _replace(self, operator: Any, scales: Scales) -> None:
        inputs = [self._as_int8(operator.inputs[0], scales[0])]
        if self.model.name(operator) == "BATCH_MATMUL":
            inputs.append(self._as_int8(operator.inputs[1], scales[1]))
            operator.opcodeIndex = self.model.code("BATCH_MATMUL")
        else:
            inputs.append(operator.inputs[1])
            inputs += [self._bias(bias, *inputs) for bias in operator.inputs[2:]]
        operator.inputs = np.array(inputs, "int32")
        operator.builtinOptions.asymmetricQuantizeInputs = False
        self._operators.append(operator)
        self._give_float(operator, scales[-1])

    def _holds_bias(self, operator: Any, given: Scale) -> bool:
        """Returns False for a product whose bias int32 cannot count in steps of its scales.

        A column of weights that are all zero, or nearly, has tiny steps; its bias need not be tiny.
        Such a product stays in dynamic int8, whose biases are float32.
        """
        if self.model.name(operator) == "BATCH_MATMUL":
            return True
        steps = self._bias_steps(operator.inputs[1], given.scale)
        biases = [self._floats(bias) for bias in operator.inputs[2:] if bias >= 0]
        return all((np.abs(bias) <= LARGEST_BIAS * steps).all() for bias in biases)

    def _bias_steps(self, weights: int, scale: float) -> np.ndarray:
        return self.graph.tensors[weights].quantization.scale.astype("float64") * scale

    def _floats(self, index: int) -> np.ndarray:
        stored = self.model.model.buffers[self.graph.tensors[index].buffer].data
        return np.frombuffer(stored.tobytes(), "float32")

    def _as_int8(self, index: int, scale: Scale) -> int:
        """Returns the int8 form of a tensor: the output of a product, or a new tensor.

        A scale with 0 in the middle is kept, others give way to that of the product.
        """
        if index not in self._int8 or (scale.zero_point == 0 and self._zero_point(index) != 0):
            self._int8[index] = self._int8_tensor(index, scale)
            self._add("QUANTIZE", index, self._int8[index])
        return self._int8[index]

    def _zero_point(self, index: int) -> int:
        return int(self.graph.tensors[self._int8[index]].quantization.zeroPoint[0])

    def _give_float(self, operator: Any, scale: Scale) -> None:
        index = int(operator.outputs[0])
        self._int8[index] = self._int8_tensor(index, scale)
        operator.outputs = np.array([self._int8[index]], "int32")
        self._add("DEQUANTIZE", self._int8[index], index)

    def _int8_tensor(self, index: int, scale: Scale) -> int:
        like = self.graph.tensors[index]
        tensor = self._tensor(like, "int8", self.schema.TensorType.INT8, 0)
        tensor.quantization = self._quantization(
            np.array([scale.scale], "float32"), scale.zero_point
        )
        return len(self.graph.tensors) - 1

    def _bias(self, bias: int, source: int, weights: int) -> int:
        """Returns a bias as int32, in steps of the product of both int8 scales."""
        if bias < 0:
            return bias
        steps = self._bias_steps(weights, self.graph.tensors[source].quantization.scale[0])
        key = (bias, weights, float(steps[0]))
        if key not in self._biases:
            like = self.graph.tensors[bias]
            values = np.rint(self._floats(bias) / steps)
            buffer = self.model.buffer(values.astype("int32"))
            tensor = self._tensor(like, "int32", self.schema.TensorType.INT32, buffer)
            tensor.quantization = self._quantization(steps.astype("float32"), 0)
            self._biases[key] = len(self.graph.tensors) - 1
        return self._biases[key]

    def _tensor(self, like: Any, suffix: str, dtype: int, buffer: int) -> Any:
        tensor = self.schema.TensorT()
        tensor.name = like.name + b"_" + suffix.encode()
        tensor.shape, tensor.shapeSignature = like.shape, like.shapeSignature
        tensor.hasRank = like.hasRank
        tensor.type, tensor.buffer = dtype, buffer
        self.graph.tensors.append(tensor)
        return tensor

    def _quantization(self, scales: np.ndarray, zero_point: int) -> Any:
        quantization = self.schema.QuantizationParametersT()
        quantization.scale = scales
        quantization.zeroPoint = np.full(len(scales), zero_point, "int64")
        return quantization

    def _add(self, name: str, source: int, target: int) -> None:
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self.model.code(name)
        operator.inputs = np.array([source], "int32")
        operator.outputs = np.array([target], "int32")
        self._operators.append(operator)

    def _without_unread(self) -> list[Any]:
        """Returns the operators without each DEQUANTIZE whose output nothing reads."""
        read = {int(i) for operator in self._operators for i in operator.inputs}
        read |= {int(i) for i in self.graph.outputs}
        return [
            operator
            for operator in self._operators
            if self.model.name(operator) != "DEQUANTIZE" or int(operator.outputs[0]) in read
        ]
