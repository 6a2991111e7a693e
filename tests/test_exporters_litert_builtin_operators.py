import pytest
import tensorflow as tf

from keras_seq2seq.exporters.litert.builtin_operators import (
    check_builtin_only,
    litert_operators,
    signature_operators,
)
from keras_seq2seq.exporters.silence import quiet


def written(path, function, *, flex=False):
    with quiet():
        module = tf.Module()
        concrete = tf.function(function).get_concrete_function(tf.TensorSpec((None,), name="x"))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        if flex:
            converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
        path.write_bytes(converter.convert())
    return path


def halved_twice(x):
    return tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, x * 0.5), [0, tf.tanh(x)])[1]


def test_operators_of_all_subgraphs_are_counted(tmp_path):
    path = written(tmp_path / "loop.tflite", halved_twice)
    assert litert_operators(path) == {"ADD": 1, "LESS": 1, "MUL": 1, "TANH": 1, "WHILE": 1}
    check_builtin_only(path)


def test_operators_of_a_signature_leave_out_loop_bodies(tmp_path):
    path = written(tmp_path / "loop.tflite", halved_twice)
    assert signature_operators(path) == {"serving_default": {"TANH": 1, "WHILE": 1}}


def test_flex_operators_are_named_and_refused(tmp_path):
    path = written(tmp_path / "flex.tflite", lambda x: tf.roll(x, 1, 0), flex=True)
    assert litert_operators(path)["FlexRoll"] == 1
    with pytest.raises(ValueError, match=r"builtin operators only.*flex.tflite with .*FlexRoll"):
        check_builtin_only(path)


@pytest.mark.parametrize("content", [b"", b"no model, but some text"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "other.tflite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must bear b'TFL3'.*other.tflite"):
        litert_operators(path)
