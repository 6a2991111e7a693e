import numpy as np
import tensorflow as tf
from ai_edge_litert import interpreter
from exported_models import litert_operators

from keras_seq2seq.exporters.litert.half_constants import with_safe_halves
from keras_seq2seq.exporters.litert.packing import packed, unpacked
from keras_seq2seq.runtimes.silence import silence

KERNEL = np.random.default_rng(1).normal(size=(64, 48)).astype("float32")


TABLE = np.random.default_rng(3).normal(size=(1, 48 * 64)).astype("float32")


def product(x):
    # A kernel, a small number, and a large constant in a sum.
    scaled = tf.tanh(tf.matmul(x, KERNEL)) * 0.3
    return {"y": tf.tile(scaled, [1, 64]) + TABLE}


def test_only_kernels_stay_halved_and_the_numbers_stay_the_same(tmp_path):
    with tf.init_scope(), silence():
        run = tf.function(product).get_concrete_function(tf.TensorSpec((1, 64), name="x"))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([run], tf.Module())
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        before = converter.convert()
    after = packed(with_safe_halves(unpacked(before)))
    counts = []
    for name, content in (("before", before), ("after", after)):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        (operators,) = litert_operators(path).values()
        counts.append(operators["DEQUANTIZE"])
    assert counts[0] == 3 and counts[1] == 1
    x = np.random.default_rng(2).normal(size=(1, 64)).astype("float32")
    runners = [
        interpreter.Interpreter(model_content=c).get_signature_runner() for c in (before, after)
    ]
    first, second = (runner(x=x)["y"] for runner in runners)
    np.testing.assert_array_equal(first, second)
    halves = [t for t in unpacked(after).subgraphs[0].tensors if t.type == 1 and t.buffer]
    assert [tensor.shape.tolist() for tensor in halves] == [[48, 64]]
