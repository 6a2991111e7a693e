"""Constants that stand for large weights while the LiteRT converter runs."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, tensor_pb2, types_pb2

from keras_seq2seq.exporters.outside_weights import SMALLEST, OutsideWeights, numbers_of
from keras_seq2seq.file_formats.litert_schema import litert_schema

# Odd numbers of one power of two, exact in half precision: a sum or a product of one with a small
# integer is none of them.
FIRST, MOST = 1025, 512
# Of the scale of int8 numbers, whose largest is 127.
LARGEST_INT8 = 127
# The least number that the largest of a row counts as.
SMALLEST_RANGE = 5e-7
NEAR = 0.01
# Of neighbours in a matrix that the converter computed from stand-ins, so many are equal.
MOSTLY = 0.99
# A bias that the converter summed from stand-ins has such numbers. What lies beyond is a mask,
# which in half precision is the lowest number.
SUMMED, MASK, HALF_MASK = 5e3, 1e8, 6.5e4


class Changed(Exception):
    """The converter computed something of a weight, for which it needs its numbers."""


@dataclasses.dataclass(frozen=True)
class Found:
    """A constant of a converted file that stands for a weight.

    Args:
        index: Which of the outside weights.
        is_turned: Whether it is the transposed matrix.
    """

    index: int
    is_turned: bool


class StandIns:
    """Makes a constant for each large matrix, and finds it again in a converted file.

    All numbers of such a constant are the same, and tell which matrix it is, so that TensorFlow
    and the converter hold one number and a shape. Only in a square matrix the second is 0, by
    which the converter's result tells whether it was transposed.

    Args:
        outside: The weights; those that are not matrices stay in the graph.
        variables: All variables of the model: the others are constants with their numbers.
    """

    def __init__(self, outside: OutsideWeights, variables: Iterable[Any] = ()) -> None:
        places = [i for i, v in enumerate(outside.variables) if len(v.shape) == 2]
        places.sort(key=lambda i: -np.prod(outside.variables[i].shape))
        self.outside = outside.only(sorted(places[:MOST]))
        large = set(map(id, self.outside.variables))
        self._small = list({id(v): v for v in variables if id(v) not in large}.values())

    def called_with(self, function: Callable[[], Any]) -> Any:
        """Calls a function in which the variables are constants of the graph being traced."""
        variables = [*self.outside.variables, *self._small]
        constants = [self._constant(index) for index in range(len(self.outside.variables))]
        with tf.init_scope():
            numbers = [np.asarray(v.value) for v in self._small]
        constants += [
            tf.constant(value, name=variable.path)
            for variable, value in zip(self._small, numbers, strict=True)
        ]
        with keras.StatelessScope(state_mapping=list(zip(variables, constants, strict=True))):
            return function()

    def found(self, numbers: np.ndarray, shape: tuple[int, ...], scale: float) -> Found | None:
        """Returns which weight a constant of a file stands for, or None.

        Args:
            numbers: float32, float16 or int8, flat.
            shape: Its shape.
            scale: What an int8 number counts; 1 for others.
        Raises:
            Changed: If the constant was computed from one.
        """
        index = self._number(numbers, scale)
        if index is None:
            is_computed = self.outside.variables and _looks_computed(numbers, shape, scale)
            if is_computed and not self._is_small(numbers):
                raise Changed
            return None
        given = tuple(self.outside.variables[index].shape)
        if shape not in (given, given[::-1]):
            raise Changed
        if given[0] != given[1]:
            return Found(index, shape != given)
        # The second number of the first row, or the first of the second row.
        is_turned = numbers[1] != 0
        if (numbers[given[0]] != 0) is is_turned:
            raise Changed
        return Found(index, bool(is_turned))

    def _is_small(self, numbers: np.ndarray) -> bool:
        """Returns True for the numbers of a weight without a stand-in, such as a long bias."""
        same = [v for v in self._small if np.prod(v.shape) == numbers.size]
        flat = (numbers_of(variable).reshape(-1).astype(numbers.dtype) for variable in same)
        return any(np.array_equal(one, numbers) for one in flat)

    def _number(self, numbers: np.ndarray, scale: float) -> int | None:
        """Returns which weight the numbers tell of, if they are those of a stand-in."""
        if numbers.size < 2 or not _is_one_number(numbers):
            return None
        value = float(numbers[0]) * scale
        index, rest = divmod(round(value) - FIRST, 2)
        if abs(value - round(value)) > NEAR or rest or not 0 <= index < len(self.outside.variables):
            return None
        return index

    def _constant(self, index: int) -> tf.Tensor:
        shape = tuple(self.outside.variables[index].shape)
        number = float(FIRST + 2 * index)
        # In a TensorProto the last number stands for all that follow.
        numbers = [number, 0.0, number] if shape[0] == shape[1] else [number]
        proto = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_FLOAT,
            float_val=numbers,
            tensor_shape=tf.TensorShape(shape).as_proto(),
        )
        attributes = {
            "value": attr_value_pb2.AttrValue(tensor=proto),
            "dtype": attr_value_pb2.AttrValue(type=types_pb2.DT_FLOAT),
        }
        graph = tf.compat.v1.get_default_graph()
        name = self.outside.names[index].replace(":", "_")
        made = graph.create_op("Const", [], [tf.float32], attrs=attributes, name=name)
        return made.outputs[0]


def _looks_computed(numbers: np.ndarray, shape: tuple[int, ...], scale: float) -> bool:
    """Returns True for what no weight looks like: the converter computed it from stand-ins."""
    beyond = HALF_MASK if numbers.dtype == "float16" else MASK
    if numbers.size < SMALLEST:
        sizes = np.abs(numbers.astype("float64")) * scale
        return numbers.size > 1 and bool(((sizes > SUMMED) & (sizes < beyond)).any())
    rows = numbers.reshape(-1, shape[-1])
    # Scaled, joined, or with a factor for each row or each column.
    neighbours = (rows[:, 1:], rows[:, :-1]), (rows[1:], rows[:-1])
    equal = max((one == other).mean() for one, other in neighbours if one.size)
    return bool(equal > MOSTLY and ((numbers != 0) & (np.abs(numbers) < beyond)).any())


def _is_one_number(numbers: np.ndarray) -> bool:
    """Returns True if all numbers are equal, but for one that may be 0."""
    if numbers[0] == 0:
        return False
    step = 1 << 22
    different = 0
    for start in range(0, numbers.size, step):
        part = numbers[start : start + step]
        others = part[part != numbers[0]]
        different += others.size
        if different > 1 or others.any():
            return False
    return True


def scales(weights: np.ndarray, axis: int | None) -> np.ndarray:
    """Returns the scales with which the converter stores weights in int8, symmetric.

    Args:
        weights: float32, a matrix.
        axis: Axis that has a scale for each of its indices; None means one for all.
    Returns:
        float64, (size of the axis,) or (1,); the file has them in float32.
    """
    others = None if axis is None else 1 - axis
    highest = np.maximum(weights.max(axis=others), -weights.min(axis=others)).reshape(-1)
    return np.maximum(highest.astype("float64"), SMALLEST_RANGE) / LARGEST_INT8


def quantised(weights: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns weights in int8, counted in steps that are broadcast to them, as the converter does.

    What lies in the middle between two numbers becomes the one further from 0.
    """
    counted = weights / steps
    whole = np.trunc(counted)
    whole += np.copysign(np.abs(counted - whole) >= 0.5, counted)
    return whole.clip(-LARGEST_INT8, LARGEST_INT8).astype("int8")


def dtypes() -> dict[int, str]:
    """Returns the dtypes that a weight may have in a file, by the numbers of the schema."""
    types = litert_schema().TensorType
    return {types.FLOAT32: "<f4", types.FLOAT16: "<f2", types.INT8: "i1"}


def scale_of(tensor: Any) -> float:
    """Returns what the numbers of a tensor count."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return 1.0
    return float(quantization.scale[0])
