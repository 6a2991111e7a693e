"""Operators that are written as others; the runtime says that they compute the same."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_seq2seq.exporters.litert.fast_operators import FEWEST_COLUMNS, fast_operators
from keras_seq2seq.exporters.litert.packing import packed, unpacked
from keras_seq2seq.exporters.litert.rewriter import Rewriter
from keras_seq2seq.runtimes.silence import silence

RESOLVERS = [OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES]


def converted(function, shape):
    call = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32, "x")])
    with silence():
        run = call.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([run], tf.Module())
        return converter.convert()


def names(content):
    model = unpacked(content)
    writer = Rewriter(model)
    return [writer.name(operator) for graph in model.subgraphs for operator in graph.operators]


def run(content, values, resolver):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]


def rounded(rows, columns):
    """Returns values among which many are equal."""
    draw = np.random.default_rng(rows * columns)
    return (draw.normal(size=(rows, columns)) * 4).round().astype("float32")


def top(values, count):
    """Returns the places of the highest of each row, ties from the left."""
    return np.argsort(-values, axis=-1, kind="stable")[:, :count]


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize(
    ("rows", "columns", "count"), [(1, 5000, 1), (3, 1024, 1), (1, 2500, 10), (2, 6400, 7)]
)
def test_the_top_of_many_columns_is_that_of_blocks(rows, columns, count, resolver):
    content = converted(lambda x: tf.math.top_k(x, count), (rows, columns))
    fast = packed(fast_operators(unpacked(content)))
    assert names(content) == ["TOPK_V2"] and "REDUCE_MAX" in names(fast)
    for values in (rounded(rows, columns), -np.abs(rounded(rows, columns)) - 1e9):
        expected = top(values, count)
        found = {array.dtype.name: array for array in run(fast, values, resolver)}
        np.testing.assert_array_equal(found["int32"], expected)
        highest = np.take_along_axis(values, expected, 1)
        np.testing.assert_array_equal(found["float32"], highest)


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_nan_is_not_lost(resolver):
    content = converted(lambda x: tf.math.top_k(tf.nn.log_softmax(x), 3), (2, 1500))
    fast = packed(fast_operators(unpacked(content)))
    values = rounded(2, 1500)
    values[0, 700] = np.nan
    found = {array.dtype.name: array for array in run(fast, values, resolver)}["float32"]
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (tf.nn.log_softmax, (2, 1500)),
        (lambda x: tf.math.top_k(x, 2), (1, FEWEST_COLUMNS - 1)),
        (lambda x: tf.math.top_k(x, 1), (1, 4999)),  # a prime: no equal blocks
        (lambda x: tf.math.top_k(x, 30), (1, 1000)),  # as many as there are blocks
        (lambda x: tf.math.top_k(x, 1), (4, 2, 2000)),
    ],
)
def test_what_would_not_be_faster_stays(function, shape):
    content = converted(function, shape)
    assert names(packed(fast_operators(unpacked(content)))) == names(content)
