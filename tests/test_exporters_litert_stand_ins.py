import keras
import numpy as np
import pytest
import tensorflow as tf
from exported_models import (
    CONFIGS,
    TRANSFORMER,
    litert_runtime,
    same_hypotheses,
    source_batch,
    tiny_model,
)
from nasty_weights import nasty

from keras_seq2seq.exporters import outside_weights
from keras_seq2seq.exporters.litert import writer
from keras_seq2seq.exporters.litert.conversion import converted
from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.exporters.litert.stand_ins import Changed, Found, StandIns, quantised, scales
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.outside_weights import OutsideWeights
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.runtimes.keras import KerasRuntime
from keras_seq2seq.runtimes.silence import silence

QUANTIZATIONS = ("float32", "float16", "dynamic_int8")
SIZES = {
    **{"source_vocabulary_size": 40, "target_vocabulary_size": 40, "embedding_dim": 64},
    **{"units": 64, "max_length": 5},
}


@pytest.fixture
def small(monkeypatch):
    """Weights of some thousand numbers count as large."""
    monkeypatch.setattr(outside_weights, "SMALLEST", 1024)


def variables(*shapes):
    return [
        keras.Variable(np.zeros(shape), dtype="float32", name=f"w{i}")
        for i, shape in enumerate(shapes)
    ]


def stand_ins(*shapes):
    return StandIns(OutsideWeights(variables(*shapes)))


def constants(folder):
    """Returns, for each file, what its constants and their scales hold, in any order."""
    found = {}
    for path in folder.iterdir():
        model = unpacked(path.read_bytes())
        parts = set()
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                if (data := model.buffers[tensor.buffer].data) is not None:
                    given = getattr(tensor.quantization, "scale", None)
                    steps = b"" if given is None else given.tobytes()
                    parts.add((tensor.type, tuple(tensor.shape), data.tobytes(), steps))
        found[path.name] = parts, [len(graph.operators) for graph in model.subgraphs]
    return found


@pytest.mark.long
@pytest.mark.parametrize("options", [TRANSFORMER, {"cell": "lstm"}], ids=["transformer", "lstm"])
def test_files_hold_what_the_converter_writes_of_the_weights_themselves(
    options, tmp_path, monkeypatch
):
    model = tiny_model(**{**options, **SIZES})
    for name, smallest in (("with", 1024), ("without", 10**9)):
        monkeypatch.setattr(outside_weights, "SMALLEST", smallest)
        write_litert(PreparedExport(model, 5), tmp_path / name, QUANTIZATIONS)
    assert constants(tmp_path / "with") == constants(tmp_path / "without")


def test_a_weight_is_found_in_each_form(small):
    made = stand_ins((40, 32), (48, 48), (32, 40))
    whole, square, other = (
        np.full(n, 1025 + 2 * i, "float32") for i, n in enumerate((1280, 2304, 1280))
    )
    square[1] = 0
    turned = square.reshape(48, 48).T.ravel()
    assert made.found(whole, (40, 32), 1.0) == Found(0, False)
    assert made.found(whole.astype("float16"), (32, 40), 1.0) == Found(0, True)
    assert made.found(square, (48, 48), 1.0) == Found(1, False)
    assert made.found(turned, (48, 48), 1.0) == Found(1, True)
    steps = np.full(1280, 127, "int8")
    assert made.found(steps, (32, 40), np.float32(1029 / 127)) == Found(2, False)
    assert made.found(np.arange(1280, dtype="float32"), (32, 40), 1.0) is None
    assert made.found(2 * other, (32, 40), 1.0) is None


def test_a_weight_of_another_shape_was_computed_from(small):
    made = stand_ins((40, 32))
    with pytest.raises(Changed):
        made.found(np.full(1280, 1025, "float32"), (80, 16), 1.0)


def test_what_looks_computed_from_weights_needs_their_numbers():
    made, ones = stand_ins((160, 128)), np.ones((160, 128), "float32")
    joined = np.concatenate([1025 * ones, 1027 * ones])
    factors = np.random.default_rng(0).normal(1, 0.1, 160).astype("float32")
    by_row, by_column = factors[:, None] * ones, factors[:128] * ones
    steps = np.full((160, 128), 127, "int8")
    for numbers in (1025 * 128**0.5 * ones, np.tanh(ones), joined, by_row, by_column, steps):
        with pytest.raises(Changed):
            made.found(numbers.ravel(), numbers.shape, 1.0)
    bias = 1025 * 160 * factors[:128]
    for numbers, scale in ((bias, 1.0), ((bias / 10_000).astype("int8"), 10_000.0)):
        with pytest.raises(Changed):
            made.found(numbers, numbers.shape, scale)


def test_what_looks_like_weights_is_kept():
    made, draw = stand_ins((160, 128)), np.random.default_rng(0)
    matrix, mask = draw.normal(size=(160, 128)), np.where(np.tri(9), 0.0, -1e9)
    pruned, steps = matrix * (draw.random(matrix.shape) < 0.1), draw.integers(-127, 128, (160, 128))
    for numbers in (matrix, 0 * matrix, matrix[0], mask, pruned, steps.astype("int8")):
        dtype = "int8" if numbers.dtype == "int8" else "float32"
        assert made.found(numbers.astype(dtype).ravel(), numbers.shape, 1.0) is None
    for shape in ((9, 9), (1, 32_000)):
        forbidden = np.where(np.arange(np.prod(shape)) < 5, -1e9, 0).reshape(shape)
        halves = forbidden.clip(-65504).astype("float16")
        for numbers in (forbidden.astype("float32"), halves):
            assert made.found(numbers.ravel(), shape, 1.0) is None


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_long_bias_of_few_numbers_is_a_weight(dtype):
    matrix, bias = variables((160, 128), (20_000,))
    numbers = np.where(np.arange(20_000) < 4, -100, 0).astype(dtype)
    with pytest.raises(Changed):
        StandIns(OutsideWeights([matrix]), [matrix]).found(numbers, (20_000,), 1.0)
    bias.assign(numbers)
    made = StandIns(OutsideWeights([matrix, bias]), [matrix, bias])
    for shape in ((20_000,), (1, 20_000)):
        assert made.found(numbers, shape, 1.0) is None


@pytest.mark.parametrize("rows", [64, 300])
def test_int8_numbers_are_those_of_the_converter(rows, tmp_path):
    ties = np.random.default_rng(rows).integers(-254, 255, (60, 48)).astype("float32") / 2
    ties[:, 0] = 127
    weights = np.concatenate([nasty(rows, 48), ties])

    @tf.function(input_signature=[tf.TensorSpec([1, 48], tf.float32)])
    def call(x):
        return {"y": tf.matmul(x, tf.constant(weights), transpose_b=True)}

    module = tf.Module()
    module.call = call
    with silence():
        tf.saved_model.save(module, tmp_path, signatures={"call": call})
        model = converted(tmp_path, "dynamic_int8", ["call"], stand_ins()).model()
    (stored,) = [t for t in model.subgraphs[0].tensors if t.type == 9 and len(t.shape) == 2]
    steps = scales(weights, 0)
    np.testing.assert_array_equal(stored.quantization.scale, steps.astype("float32"))
    numbers = model.buffers[stored.buffer].data.view("int8").reshape(weights.shape)
    np.testing.assert_array_equal(quantised(weights, steps[:, None]), numbers)


def test_a_layer_that_computes_with_its_weights_needs_their_numbers(small, tmp_path):
    layer = keras.layers.Dense(48)
    layer.build((None, 64))
    given = StandIns(OutsideWeights(layer.weights))

    def call(x):
        return {"y": tf.matmul(x, tf.reshape(layer.kernel.value, (96, 32)))}

    traced = tf.function(lambda x: given.called_with(lambda: call(x))).get_concrete_function(
        tf.TensorSpec((1, 96), tf.float32, "x")
    )
    with silence():
        tf.saved_model.save(tf.Module(), tmp_path, signatures={"call": traced})
    with pytest.raises(Changed):
        converted(tmp_path, "float32", ["call"], given)


LARGE = ("transformer", "transformer_post_shared", "student", "gru_additive_feeding")


@pytest.mark.long
@pytest.mark.parametrize("name", LARGE)
def test_weights_of_real_size_say_what_keras_says(name, tmp_path, monkeypatch):
    large = {"embedding_dim": 128, "units": 128, "feedforward_dim": 256}
    model = tiny_model(**{**CONFIGS[name], **large})
    # So many units with the weights of few would make rounding errors large.
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(weight / 4)
    traced = []
    saved = writer._saved
    monkeypatch.setattr(writer, "_saved", lambda *given: traced.append(name) or saved(*given))
    write_litert(PreparedExport(model, 6, max_source_length=8), tmp_path)
    # Nothing of these models is computed from weights, which would cost a second export.
    assert traced == [name]
    source_ids = source_batch(1, 6)
    found = litert_runtime(tmp_path).search(source_ids)
    same_hypotheses(found, KerasRuntime(model, 6).search(source_ids), atol=1e-4)
