import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import needs_jax, random_ids, run_python, tiny_config, tiny_model
from grid import grid
from onnx_models import sources, written
from test_exporters_onnx_writer import count, graph

from keras_seq2seq import load_model
from keras_seq2seq.models.decoder_cells import DECODER_LAYERS, RNN_LAYERS
from keras_seq2seq.models.gru import GRU

LENGTHS = [6, 4, 1]
MASK = np.arange(6) < np.array(LENGTHS)[:, None]
ALL = {"return_sequences": True, "return_state": True}
CASES = [
    {"mask": mask, "go_backwards": back, "initial": initial}
    for mask in (False, True)
    for back in (False, True)
    for initial in (False, True)
]
# Of float32, with weights and inputs of size 1: the order of sums differs.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")


def twins(**options):
    """Returns a layer of Keras and this library's with the same weights."""
    layers = [kind(5, **{**ALL, **options}) for kind in (keras.layers.GRU, GRU)]
    for layer in layers:
        layer.build((None, None, 3))
        layer.set_weights([normal(*w.shape, seed=7) for w in layer.weights])
        # What Bidirectional does.
        layer.zero_output_for_mask = layer.go_backwards and layer.return_sequences
    return layers


def call(layer, x, state, mask):
    options = {"mask": mask, "training": True}
    return keras.tree.flatten(layer(x, **options, initial_state=None if state is None else [state]))


def loss(layer, x, state, mask):
    """Returns the outputs and a number that each of them changes, and each of its parts."""
    outputs = call(layer, x, state, mask)
    parts = [keras.ops.cast(y, "float32") * normal(*y.shape, seed=3) for y in outputs]
    return sum(keras.ops.sum(part) for part in parts), outputs


def trained_on(layer, x, *, initial=False, mask=None, eager=False):
    """Returns as arrays the outputs, then the gradients by inputs, weights and initial state."""
    values = [x, normal(len(x), 5, seed=2)][: 2 if initial else 1]
    if keras.backend.backend() == "jax":
        return _trained_on_jax(layer, values, mask)

    def run(*values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total, outputs = loss(layer, values[0], values[1] if initial else None, mask)
        return [*outputs, *tape.gradient(total, [*values, *layer.trainable_variables])]

    run = run if eager else tf.function(run)
    return [keras.ops.convert_to_numpy(v) for v in run(*map(tf.constant, values))]


def _trained_on_jax(layer, values, mask):
    import jax

    def run(values, weights):
        pairs = zip(layer.trainable_variables, weights, strict=True)
        with keras.StatelessScope(state_mapping=list(pairs)):
            return loss(layer, values[0], values[1] if len(values) > 1 else None, mask)

    weights = [variable.value for variable in layer.trainable_variables]
    (_, outputs), found = jax.jit(jax.value_and_grad(run, (0, 1), has_aux=True))(values, weights)
    return [np.asarray(v) for v in jax.tree.leaves((outputs, found))]


def is_written_out(function):
    """Tells whether a traced function has a gradient of its own."""
    operators = tf.function(function).get_concrete_function().graph.get_operations()
    return any("_gradient_op_type" in operator.node_def.attr for operator in operators)


def is_layer_written_out(layer, *, training=True, **options):
    return is_written_out(lambda: layer(normal(3, 6, 3), training=training, **options))


def check_twins(case):
    """Checks outputs and all gradients of one of `CASES` against Keras."""
    theirs, own = twins(go_backwards=case["go_backwards"])
    options = {"initial": case["initial"], "mask": MASK if case["mask"] else None}
    wanted, got = (trained_on(layer, normal(3, 6, 3), **options) for layer in (theirs, own))
    assert len(got) == len(wanted) == 6 + case["initial"]
    for one, other in zip(got, wanted, strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, **TOLERANCE)


@pytest.mark.parametrize("case", grid(CASES, CASES[::3]), ids=str)
def test_outputs_and_all_gradients_are_those_of_keras(case):
    check_twins(case)
    _, own = twins(go_backwards=case["go_backwards"])
    assert is_layer_written_out(own, mask=MASK if case["mask"] else None)


@pytest.mark.long
@needs_jax
def test_outputs_and_all_gradients_are_those_of_keras_on_jax():
    code = "from test_models_gru import CASES, check_twins\nfor c in CASES[2::5]: check_twins(c)"
    run_python(code, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")


def test_the_last_output_alone_has_the_gradients_of_keras():
    layers = twins(return_sequences=False)
    wanted, got = (trained_on(layer, normal(3, 6, 3), mask=MASK) for layer in layers)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)
    assert is_layer_written_out(layers[1])


def test_eager_training_gives_what_a_traced_one_does():
    _, own = twins()
    traced, eager = (trained_on(own, normal(3, 6, 3), mask=MASK, eager=e) for e in (False, True))
    for one, other in zip(traced, eager, strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)


def test_the_same_step_gives_the_same_bits():
    _, own = twins()
    first, second = (trained_on(own, normal(3, 6, 3), mask=MASK) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("back", [False, True])
def test_padding_changes_nothing_and_gets_no_gradient(back):
    _, own = twins(go_backwards=back)
    x = normal(3, 6, 3)
    other = np.where(MASK[:, :, None], x, 9.0).astype("float32")
    first, second = (trained_on(own, values, initial=True, mask=MASK) for values in (x, other))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)
    assert not first[2][~MASK].any()


def test_a_padded_step_repeats_the_state_bit_for_bit():
    _, own = twins()
    outputs, last = trained_on(own, normal(3, 6, 3), mask=MASK)[:2]
    for row, length in enumerate(LENGTHS):
        assert (outputs[row, length - 1 :] == last[row]).all()


@pytest.mark.parametrize(("half", "tolerance"), [("float16", 0.02), ("bfloat16", 0.1)])
def test_mixed_precision_computes_in_half_and_trains_in_float32(half, tolerance):
    _, single = twins()
    _, mixed = twins(dtype=f"mixed_{half}")
    outputs = mixed(normal(3, 6, 3), mask=MASK, training=True)
    assert {keras.backend.standardize_dtype(y.dtype) for y in outputs} == {half}
    assert is_layer_written_out(mixed)
    wanted, got = (trained_on(layer, normal(3, 6, 3), mask=MASK)[3:] for layer in (single, mixed))
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == "float32"
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"reset_after": False},
        {"dropout": 0.1},
        {"recurrent_dropout": 0.1},
        {"unroll": True},
        {"use_cudnn": False},
    ],
    ids=str,
)
def test_what_is_not_covered_is_left_to_keras(options):
    _, own = twins(seed=0, **options)
    assert not is_layer_written_out(own)


def test_what_is_left_to_keras_is_what_keras_does():
    layers = twins(reset_after=False)
    wanted, got = (trained_on(layer, normal(3, 6, 3)) for layer in layers)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stateful_layer_is_left_to_keras():
    own = GRU(5, stateful=True)
    own.build((3, None, 3))
    assert not is_layer_written_out(own)


def test_a_mask_read_backwards_that_clears_no_output_is_left_to_keras():
    _, own = twins(go_backwards=True, return_sequences=False)
    assert is_layer_written_out(own)
    assert not is_layer_written_out(own, mask=MASK)


def test_another_backend_and_a_gpu_are_left_to_keras(monkeypatch):
    _, own = twins()
    with monkeypatch.context() as patch:
        patch.setattr(keras.distribution, "list_devices", lambda kind: [f"{kind}:0"])
        assert not is_layer_written_out(own)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert not is_layer_written_out(own)


def test_inference_is_that_of_keras():
    theirs, own = twins()
    assert not is_layer_written_out(own, training=False)
    assert not is_layer_written_out(own, training=None)
    wanted, got = (layer(normal(3, 6, 3), mask=MASK) for layer in (theirs, own))
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_trains_by_it_and_infers_by_keras():
    model = tiny_model(tiny_config(dropout=0))
    layers = model.encoder.get_layer("encoder_rnn_0")
    assert type(layers.forward_layer) is type(layers.backward_layer) is GRU
    assert type(model.decoder.get_layer("decoder_rnn_0").rnn) is GRU
    ids = random_ids(3, 5)
    assert is_written_out(lambda: model.encoder(ids, training=True))
    assert not is_written_out(lambda: model.encoder(ids))
    inputs = {"source_ids": ids, "target_ids": random_ids(3, 4, 1, start=2)}
    trained, inferred = (model(inputs, training=training) for training in (True, False))
    np.testing.assert_allclose(trained, inferred, **TOLERANCE)


def test_it_comes_back_from_a_file(tmp_path):
    x = keras.Input((None, 3))
    y = keras.layers.Bidirectional(GRU(4, **ALL))(GRU(3, return_sequences=True)(x))
    model = keras.Model(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    first, second = loaded.layers[1:]
    assert type(first) is type(second.forward_layer) is type(second.backward_layer) is GRU
    for one, other in zip(loaded(normal(3, 6, 3)), model(normal(3, 6, 3)), strict=True):
        np.testing.assert_array_equal(one, other)


def older_file(path, monkeypatch, **options):
    """Returns a model with layers of Keras and what its file gives."""
    with monkeypatch.context() as patch:
        returning = {"return_sequences": True, "return_state": True}
        patch.setitem(RNN_LAYERS, "gru", keras.layers.GRU)
        patch.setitem(DECODER_LAYERS, "gru", functools.partial(keras.layers.GRU, **returning))
        older = tiny_model(tiny_config(num_encoder_layers=2, **options))
        older.save(path)
    model = load_model(path)
    kinds = [type(m.decoder.get_layer("decoder_rnn_0").rnn) for m in (older, model)]
    assert kinds == [keras.layers.GRU, GRU]
    return older, model


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_file_with_the_layer_of_keras_loads(bidirectional, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    older, model = older_file(path, monkeypatch, bidirectional=bidirectional)
    for one, other in zip(model.weights, older.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.long
def test_a_file_with_the_layer_of_keras_is_exported(tmp_path, monkeypatch):
    older, model = older_file(tmp_path / "model.keras", monkeypatch)
    bundle = written(model)
    assert count(graph(bundle.folder, "encoder.onnx"))["GRU"] == 2
    ids = sources(3, 5)[:2]
    expected = older.encoder(ids)["memory"]
    np.testing.assert_allclose(bundle.onnx.encode(ids)["memory"], expected, atol=1e-5)
