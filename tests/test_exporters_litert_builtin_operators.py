from pathlib import Path

import pytest
import tensorflow as tf

from keras_seq2seq.exporters.litert.builtin_operators import check_builtin_only
from keras_seq2seq.runtimes.silence import silence


def converted(function, *, flex=False):
    with silence():
        module = tf.Module()
        concrete = tf.function(function).get_concrete_function(tf.TensorSpec((None,), name="x"))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        if flex:
            kinds = tf.lite.OpsSet
            converter.target_spec.supported_ops = [kinds.TFLITE_BUILTINS, kinds.SELECT_TF_OPS]
        return converter.convert()


def halved_twice(x):
    return tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, x * 0.5), [0, tf.tanh(x)])[1]


def rolled_twice(x):
    return tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, tf.roll(x, 1, 0)), [0, x])[1]


def test_builtin_operators_are_taken():
    check_builtin_only(converted(halved_twice), Path("loop.tflite"))


@pytest.mark.parametrize("function", [lambda x: tf.roll(x, 1, 0), rolled_twice])
def test_flex_operators_are_named_and_refused(function):
    content = converted(function, flex=True)
    with pytest.raises(ValueError, match=r"builtin operators only.*flex.tflite with .*FlexRoll"):
        check_builtin_only(content, Path("flex.tflite"))
