import keras
import numpy as np
import pytest

from keras_seq2seq.models.attention import Attention
from keras_seq2seq.models.decoder_cells import (
    Attentional,
    InputFeeding,
    JoinContext,
    Recurrence,
    ZeroState,
)
from keras_seq2seq.models.masks import ClearPadding, MaskedPooling, PaddingMask
from keras_seq2seq.models.ssru import SSRU, SSRUCell

tree = keras.tree
SCORES = ("dot", "general", "scaled", "additive")
MASK = np.array([[True, True, True, False], [True, False, False, False], [False] * 4])


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")


def tensors(values):
    return tree.map_structure(keras.ops.convert_to_tensor, values)


def arrays(values):
    return tree.map_structure(keras.ops.convert_to_numpy, values)


def check_layer(layer, arguments, tmp_path):
    """Checks build, call, mask, dtype, config and .keras round trip, and one fit step."""
    outputs = layer(*tensors(arguments))
    check_config(layer)
    model = check_graph(type(layer).from_config(layer.get_config()), arguments, outputs)
    check_file(model, arguments, tmp_path / "layer.keras")
    check_fit(model, arguments)
    check_half_precision(layer, arguments)


def check_config(layer):
    config = layer.get_config()
    clone = type(layer).from_config(config)
    assert clone.get_config() == config
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == config
    assert keras.saving.get_registered_name(type(layer)) == f"keras_seq2seq>{type(layer).__name__}"


def check_graph(layer, arguments, outputs):
    """Returns a functional model; what the graph promises is what the call gave."""
    inputs = tree.map_structure(lambda a: keras.Input(a.shape[1:], dtype=a.dtype), arguments)
    symbolic = layer(*inputs)
    promised = [(tuple(s.shape)[1:], s.dtype) for s in tree.flatten(symbolic)]
    given = [(tuple(o.shape)[1:], o.dtype) for o in map(np.asarray, tree.flatten(arrays(outputs)))]
    assert [(shape, np.dtype(dtype)) for shape, dtype in promised] == given
    assert all(getattr(s, "_keras_mask", None) is None for s in tree.flatten(symbolic))
    return keras.Model(tree.flatten(inputs), tree.flatten(symbolic))


def check_file(model, arguments, path):
    flat = tensors(tree.flatten(arguments))
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    for found, expected in zip(arrays(loaded(flat)), arrays(model(flat)), strict=True):
        np.testing.assert_array_equal(found, expected)


def check_fit(model, arguments):
    flat = [keras.ops.cast(output, "float32") for output in model.outputs]
    head = keras.layers.Dense(1)(
        keras.layers.Concatenate()([keras.layers.Flatten()(output) for output in flat])
    )
    trained = keras.Model(model.inputs, head)
    before = [weight.numpy() for weight in model.trainable_weights]
    trained.compile("sgd", "mse")
    rows = len(tree.flatten(arguments)[0])
    history = trained.fit(tree.flatten(arguments), np.ones((rows, 1)), verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(weight.numpy() - old).max() > 0, weight.path


def check_half_precision(layer, arguments):
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    for output, full in zip(
        tree.flatten(half(*tensors(arguments))),
        tree.flatten(layer(*tensors(arguments))),
        strict=True,
    ):
        is_float = "float" in keras.backend.standardize_dtype(full.dtype)
        wanted = "bfloat16" if is_float else keras.backend.standardize_dtype(full.dtype)
        assert keras.backend.standardize_dtype(output.dtype) == wanted


def states(cell):
    return [normal(3, 4, seed=i) for i in range(2 if cell == "lstm" else 1)]


LAYERS = {
    "padding_mask": (PaddingMask, {}, [MASK.astype("int32")]),
    "clear_padding": (ClearPadding, {}, [normal(3, 4, 5), MASK]),
    "zero_state": (ZeroState, {"units": 6}, [normal(3, 2)]),
    "mean": (MaskedPooling, {"mode": "mean"}, [normal(3, 4, 5), MASK]),
    "max": (MaskedPooling, {"mode": "max"}, [normal(3, 4, 5), MASK]),
    "join_context": (JoinContext, {}, [normal(3, 2, 5), normal(3, 4)]),
    "attentional": (Attentional, {"units": 6}, [normal(3, 2, 5), normal(3, 2, 4)]),
    **{
        score: (
            Attention,
            {"score": score},
            [normal(3, 2, 5), normal(3, 4, 5, seed=1), normal(3, 4, 7), MASK],
        )
        for score in SCORES
    },
    **{
        cell: (Recurrence, {"cell": cell, "units": 4}, [normal(3, 2, 5), states(cell)])
        for cell in ("simple_rnn", "gru", "lstm", "ssru")
    },
    "ssru_cell": (SSRUCell, {"units": 4}, [normal(3, 5), states("ssru")]),
    "ssru_layer": (SSRU, {"units": 4}, [normal(3, 2, 5), states("ssru")]),
    **{
        f"feeding_{cell}": (
            InputFeeding,
            {
                "cell": cell,
                "units": 4,
                "num_layers": 2,
                "output_dim": 3,
                "score": score,
                "residual": True,
            },
            [
                normal(3, 2, 5),
                normal(3, 4, 4),
                normal(3, 4, 6),
                MASK,
                [*states(cell), *states(cell), normal(3, 3)],
            ],
        )
        for cell, score in (
            ("simple_rnn", "dot"),
            ("gru", "additive"),
            ("lstm", "scaled"),
            ("ssru", "general"),
        )
    },
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, tmp_path):
    make, options, arguments = LAYERS[name]
    check_layer(make(**options), arguments, tmp_path)


def test_padding_mask_is_true_at_real_tokens():
    ids = np.array([[2, 5, 3, 0], [0, 0, 0, 0]])
    assert arrays(PaddingMask()(ids)).tolist() == [[True, True, True, False], [False] * 4]


def test_clear_padding_sets_zeros_and_keeps_the_rest():
    values = normal(3, 4, 5)
    found = arrays(ClearPadding()(values, MASK))
    assert (found[~MASK] == 0).all()
    np.testing.assert_array_equal(found[MASK], values[MASK])


def test_clear_padding_ends_the_implicit_mask():
    embedded = keras.layers.Embedding(9, 5, mask_zero=True)(np.array([[4, 5, 0]]))
    assert getattr(embedded, "_keras_mask", None) is not None
    cleared = ClearPadding()(embedded, np.array([[True, True, False]]))
    assert getattr(cleared, "_keras_mask", None) is None


@pytest.mark.parametrize(("mode", "pool"), [("mean", np.mean), ("max", np.max)])
def test_pooling_takes_real_positions_only(mode, pool):
    memory = normal(3, 4, 5) - 9
    found = arrays(MaskedPooling(mode)(memory, MASK))
    for row in range(2):
        np.testing.assert_allclose(found[row], pool(memory[row][MASK[row]], 0), rtol=1e-6)
    assert (found[2] == 0).all()


def softmax(scores):
    exps = np.exp(scores - scores.max())
    return exps / exps.sum()


def attend(score, layer, s, keys, memory):
    """One query over the real positions of one row, written out."""
    if score == "additive":
        u, v = layer.query_projection.kernel.numpy(), layer.energy.numpy()
        energies = np.array([v @ np.tanh(u.T @ s + key) for key in keys])
    else:
        energies = np.array([s @ key for key in keys])
    weights = softmax(energies / np.sqrt(len(s)) if score == "scaled" else energies)
    return weights @ memory, weights


@pytest.mark.parametrize("score", SCORES)
def test_attention_is_the_formula(score):
    layer = Attention(score)
    query, keys, memory = normal(3, 2, 5), normal(3, 4, 5, seed=1), normal(3, 4, 7)
    contexts, weights = arrays(layer(query, keys, memory, MASK))
    for row in range(2):
        real = MASK[row]
        for t in range(2):
            args = (query[row, t], keys[row][real], memory[row][real])
            context, expected = attend(score, layer, *args)
            np.testing.assert_allclose(contexts[row, t], context, atol=1e-5)
            np.testing.assert_allclose(weights[row, t, real], expected, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_attention_gives_pads_nothing_and_sums_to_one(score):
    query, keys = normal(3, 2, 5) * 30, normal(3, 4, 5, seed=1) * 30
    context, weights = arrays(Attention(score)(query, keys, normal(3, 4, 7), MASK))
    assert (weights[:2].transpose(0, 2, 1)[~MASK[:2]] == 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert np.isfinite(context).all()
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("score", SCORES)
def test_attention_of_one_token_is_that_of_its_place(score):
    layer = Attention(score)
    query, keys, memory = normal(3, 2, 5), normal(3, 4, 5, seed=1), normal(3, 4, 7)
    whole = arrays(layer(query, keys, memory, MASK))
    for t in range(2):
        token = arrays(layer.step(query[:, t], *tensors([keys, memory, MASK])))
        for found, expected in zip(token, whole, strict=True):
            np.testing.assert_allclose(found, expected[:, t], atol=1e-6)


def test_a_context_is_joined_to_one_token_as_to_all():
    layer, inputs, context = JoinContext(), *tensors([normal(3, 2, 5), normal(3, 4)])
    whole = arrays(layer(inputs, context))
    for t in range(2):
        np.testing.assert_array_equal(arrays(layer.step(inputs[:, t], context)), whole[:, t])


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm", "ssru"])
def test_a_recurrence_step_by_step_is_the_whole(cell):
    layer = Recurrence(cell, 4)
    inputs, state = normal(3, 6, 5) * 2, states(cell)
    outputs, ends = layer(inputs, state)
    stepped = []
    for t in range(6):
        output, state = layer.step(inputs[:, t], state)
        stepped.append(output)
    np.testing.assert_allclose(np.stack(stepped, 1), outputs, atol=1e-6)
    for found, expected in zip(arrays(state), arrays(ends), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_simple_recurrence_is_the_formula():
    layer = Recurrence("simple_rnn", 4)
    inputs, (state,) = normal(3, 2, 5), states("simple_rnn")
    outputs, _ = layer(inputs, [state])
    w, u, b = (weight.numpy() for weight in layer.weights)
    for t in range(2):
        state = np.tanh(inputs[:, t] @ w + state @ u + b)
        np.testing.assert_allclose(outputs[:, t], state, atol=1e-6)


def test_the_simpler_simple_recurrent_unit_is_the_formula():
    layer = Recurrence("ssru", 4)
    inputs, (state,) = normal(3, 6, 5), states("ssru")
    layer.build(inputs.shape)
    layer.rnn.cell.bias.assign(normal(4, seed=9))
    outputs, ends = layer(inputs, [state])
    w, b = (weight.numpy() for weight in layer.weights)
    for t in range(6):
        forget = 1 / (1 + np.exp(-(inputs[:, t] @ w[:, :4] + b)))
        state = forget * state + (1 - forget) * (inputs[:, t] @ w[:, 4:])
        np.testing.assert_allclose(outputs[:, t], np.maximum(state, 0), atol=1e-6)
    np.testing.assert_allclose(ends[0], state, atol=1e-6)
    assert (state < 0).any()


def test_the_attentional_vector_is_the_formula():
    layer, context, state = Attentional(6), normal(3, 5), normal(3, 4)
    found = layer(context, state)
    w, b = (weight.numpy() for weight in layer.weights)
    np.testing.assert_allclose(found, np.tanh(np.hstack([context, state]) @ w + b), atol=1e-6)


def test_input_feeding_joins_the_last_attentional_vector():
    layer = InputFeeding("gru", 4, 1, 3, "dot")
    arguments = [normal(3, 4, 4), normal(3, 4, 6), MASK]
    fed, plain = normal(3, 3), np.zeros((3, 3), "float32")
    one = layer(normal(3, 1, 5), *arguments, [normal(3, 4), fed])[0]
    other = layer(normal(3, 1, 5), *arguments, [normal(3, 4), plain])[0]
    assert np.abs(np.array(one) - np.array(other)).max() > 1e-3


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm", "ssru"])
def test_input_feeding_step_by_step_is_the_whole(cell):
    layer = InputFeeding(cell, 4, 2, 3, "additive", residual=True)
    inputs, state = normal(3, 5, 5), [*states(cell), *states(cell), normal(3, 3)]
    arguments = tensors([normal(3, 4, 4), normal(3, 4, 6), MASK])
    outputs, weights, ends = arrays(layer(inputs, *arguments, state))
    for t in range(5):
        output, attention, state = layer.step(inputs[:, t], *arguments, tensors(state))
        np.testing.assert_allclose(output, outputs[:, t], atol=1e-6)
        np.testing.assert_allclose(attention, weights[:, t], atol=1e-6)
    for found, expected in zip(arrays(state), ends, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention("cosine"), r"`score` must be one of \('dot', .*Received: 'cosine'"),
        (lambda: MaskedPooling("sum"), "`mode` must be 'mean' or 'max'. Received: 'sum'"),
    ],
)
def test_a_wrong_choice_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()
