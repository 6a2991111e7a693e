"""The Transformer under the step contract, by itself and beside recurrent parts."""

import functools
import math

import keras
import numpy as np
import pytest
from closeness import assert_close
from conftest import random_ids, tiny_config, tiny_model
from covering import FIRST, combinations
from test_models_recurrent import step_through, whole

from keras_seq2seq import Seq2Seq, Translator
from keras_seq2seq.models.activations import ACTIVATION_LAYERS
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.models.multi_head_attention import CachedSelfAttention
from keras_seq2seq.models.positions import PositionEncoding

BOTH = {"encoder": "transformer", "decoder": "transformer", "units": 8, "embedding_dim": 8}
SHARED = {"share_embeddings": True, "tie_output": True}
FEEDFORWARD = {"feedforward_dim": 12, "num_heads": 2}
OPTIONS = {
    "layers": ((1, 1), (2, 2), (3, 1)),
    "normalization": ("pre", "post"),
    "activation": ("relu", "gelu", "swiglu"),
    "positions": ("sinusoidal", "learned"),
    "shared": ({}, SHARED),
}
STUDENT = {**BOTH, **FEEDFORWARD, "decoder_cell": "ssru", "num_decoder_layers": 2}
OTHERS = {
    "student": {**STUDENT, "tie_output": True, "output_bias": True, "activation": "swish"},
    "student, pre": {**STUDENT, "normalization": "pre", "positions": "learned"},
    "as in Marian": {"positions": "marian", "norm_epsilon": 1e-9, "normalization": "post"},
    "not scaled": {"activation": "gelu_exact", "scale_embeddings": False, "positions": "learned"},
    "output bias": {"tie_output": True, "output_bias": True, "activation": "silu"},
}
HYBRIDS = {
    "gru decoder": {"encoder": "transformer", "num_encoder_layers": 2},
    "lstm decoder, feeding": {"encoder": "transformer", "cell": "lstm", "input_feeding": True},
    "ssru decoder": {"encoder": "transformer", "decoder_cell": "ssru", "num_decoder_layers": 2},
    "pooled": {"encoder": "transformer", "context": "mean", "bridge": "copy"},
    "every step": {"encoder": "transformer", "context": "max", "context_use": "every_step"},
    "lstm encoder": {"decoder": "transformer", "cell": "lstm", "num_decoder_layers": 2},
    "one way encoder": {"decoder": "transformer", "bidirectional": False, **SHARED},
}


def transformer(layers, normalization, activation, positions, shared):
    return tiny_config(
        **{**BOTH, **FEEDFORWARD, **shared},
        num_encoder_layers=layers[0],
        num_decoder_layers=layers[1],
        normalization=normalization,
        activation=activation,
        positions=positions,
    )


def transformers():
    """Yields combinations so that any three options meet in all their values."""
    for number, values in enumerate(combinations(OPTIONS, lambda values: True)):
        yield pytest.param(transformer(*values), marks=() if number < FIRST else pytest.mark.long)


def hybrid(name):
    return tiny_config(**{"embedding_dim": 8, **FEEDFORWARD, **HYBRIDS[name]})


def check_steps(model):
    sources, targets = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = whole(model, sources, targets)
    assert expected.std() > 1e-3
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    assert_close(step_through(model, sources, targets), expected)
    row, alone = targets[1:2, :3], expected[1:2, :3]
    assert_close(whole(model, sources[1:2, :4], row), alone)
    assert_close(step_through(model, sources[1:2, :4], row), alone)


def other(name):
    return tiny_config(**{**BOTH, **FEEDFORWARD, **OTHERS[name]})


@pytest.mark.parametrize("config", [*transformers(), *map(other, OTHERS)])
def test_stepping_gives_the_training_logits(config):
    check_steps(tiny_model(config, scale=1.5))


@pytest.mark.parametrize("name", HYBRIDS)
def test_any_encoder_goes_with_any_decoder(name):
    check_steps(model_of(name))


SOME = {
    "transformer": lambda: tiny_config(**BOTH, **FEEDFORWARD),
    "student": lambda: other("student"),
    **{name: lambda name=name: hybrid(name) for name in HYBRIDS},
}


@functools.cache
def model_of(name):
    """A model of `SOME` that several tests share; do not change it."""
    return tiny_model(SOME[name](), scale=1.5)


@pytest.mark.parametrize("name", SOME)
def test_more_padding_changes_nothing(name):
    model = model_of(name)
    sources, targets = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = whole(model, sources, targets)
    longer = np.pad(sources, [(0, 0), (0, 6)]), np.pad(targets, [(0, 0), (0, 3)])
    assert_close(whole(model, *longer)[:, :4], expected)


@pytest.mark.parametrize("name", SOME)
def test_the_future_is_not_read(name):
    model = model_of(name)
    sources, targets = random_ids(1, 5), random_ids(1, 6, 1, start=2)
    other = targets.copy()
    other[:, 4:] = 5 + other[:, 4:] % 7
    first, second = whole(model, sources, targets), whole(model, sources, other)
    assert_close(first[:, :4], second[:, :4])
    assert np.abs(first[:, 4:] - second[:, 4:]).max() > 1e-3


@pytest.mark.parametrize("positions", ["sinusoidal", "marian", "learned"])
def test_the_order_of_the_source_matters(positions):
    model = tiny_model(tiny_config(**BOTH, **FEEDFORWARD, positions=positions), scale=1.5)
    sources, targets = np.array([[5, 6, 7, 3]]), random_ids(1, 4, start=2)
    other = np.array([[6, 5, 7, 3]])
    assert np.abs(whole(model, sources, targets) - whole(model, other, targets)).max() > 1e-3


@pytest.mark.parametrize("name", ["transformer", "lstm encoder"])
def test_attention_is_over_the_real_tokens_of_the_source(name):
    model = model_of(name)
    sources, targets = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    encoded = model.encoder(sources)
    names = [*source_names(model.decoder), *state_names(model.decoder)]
    fed = {name: encoded[name] for name in names}
    weights = model.decoder({"target_ids": keras.ops.convert_to_tensor(targets), **fed})
    weights = keras.ops.convert_to_numpy(weights["attention"])
    assert weights.shape == (3, 4, 5)
    assert_close(weights.sum(-1), 1)
    assert not weights[np.broadcast_to((sources == 0)[:, None], weights.shape)].any()


def test_a_whole_target_fills_the_caches_as_its_steps_do():
    layer = CachedSelfAttention(2)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(3, 4, 8)).astype("float32")
    keys, values = np.zeros((3, 2, 4, 6), "float32"), np.zeros((3, 2, 6, 4), "float32")
    position = np.zeros((3, 1), "int32")
    expected, *caches = layer(x, keys, values, position)
    outputs = []
    for t in range(4):
        y, keys, values = layer.step(x[:, t], keys, values, position + t)
        outputs.append(keras.ops.convert_to_numpy(y))
    assert_close(np.stack(outputs, 1), expected)
    for cache, one in zip(caches, (keys, values), strict=True):
        assert_close(one, cache)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("kind", ["sinusoidal", "marian", "learned"])
def test_positions_go_on_from_where_they_start(kind, scaled):
    layer = PositionEncoding(kind, 9, scaled)
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(x))
    rest = layer(x[:, 2:], keras.ops.convert_to_tensor([[2], [2]]))
    assert_close(rest, expected[:, 2:])
    for t in range(5):
        token = layer.step(x[:, t], keras.ops.convert_to_tensor([[t], [t]]))
        assert_close(token, expected[:, t])


def test_texts_longer_than_the_learned_positions_are_refused():
    x = np.zeros((1, 4, 6), "float32")
    assert PositionEncoding("sinusoidal", 3)(x).shape == (1, 4, 6)
    with pytest.raises(ValueError, match="Received: 4 tokens, 3 positions; leave longer pairs out"):
        PositionEncoding("learned", 3)(x)


def test_sinusoidal_positions_are_those_of_the_paper():
    found = keras.ops.convert_to_numpy(PositionEncoding("sinusoidal", 1)(np.zeros((1, 7, 6))))
    angles = np.arange(7)[:, None] / 10000 ** (2 * np.arange(3) / 6)
    expected = np.concatenate([np.sin(angles), np.cos(angles)], -1)
    assert_close(found[0], expected)


def test_marians_positions_end_at_a_rate_of_one_ten_thousandth():
    layer = PositionEncoding("marian", 1)
    found = keras.ops.convert_to_numpy(layer(np.zeros((1, 7, 6))))
    angles = np.arange(7)[:, None] * np.array([1, 0.01, 0.0001])
    expected = np.concatenate([np.sin(angles), np.cos(angles)], -1)
    assert_close(found[0], expected, 1e-6)
    assert np.isfinite(layer(np.zeros((1, 3, 2)))).all()


def test_embeddings_are_scaled_by_option():
    x = np.ones((1, 1, 4), "float32")
    outputs = [PositionEncoding("marian", 1, scaled)(x) for scaled in (True, False)]
    assert_close(outputs[0] - outputs[1], x)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("gelu_exact", lambda x: x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2),
        ("swish", lambda x: x / (1 + np.exp(-x))),
        ("silu", lambda x: x / (1 + np.exp(-x))),
    ],
)
def test_activations_are_those_of_their_papers(name, expected):
    x = np.linspace(-6, 6, 25, dtype="float32")[None]
    layer = ACTIVATION_LAYERS[name](name="activation")
    assert_close(layer(x), expected(x), 1e-6)
    assert layer.compute_output_shape(x.shape) == x.shape


def test_each_normalization_has_the_epsilon():
    model = tiny_model(other("as in Marian"))
    layers = [*model.encoder.layers, *model.decoder.layers]
    found = [la.epsilon for la in layers if isinstance(la, keras.layers.LayerNormalization)]
    assert len(found) == 5
    assert set(found) == {1e-9}


def test_a_bias_of_a_tied_output_is_added_to_the_logits():
    model = tiny_model(other("output bias"))
    sources, targets = random_ids(2, 4), random_ids(2, 3, 1, start=2)
    before = whole(model, sources, targets)
    bias = np.arange(17, dtype="float32")
    model.decoder.get_layer("logits_bias").bias.assign(bias)
    assert_close(whole(model, sources, targets), before + bias)


def test_a_student_keeps_one_state_a_layer():
    model = model_of("student")
    shapes = {name: model.decoder_step.input[name].shape for name in state_names(model.decoder)}
    assert shapes == {"state_0": (None, 8), "state_1": (None, 8), "state_2": (None, 1)}


def test_embeddings_may_all_be_one():
    model = tiny_model(tiny_config(**BOTH, **SHARED))
    tables = [w for w in model.weights if w.shape == (17, 8)]
    assert len(tables) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["transformer", "student", "gru decoder", "lstm encoder"])
def test_a_model_learns_and_survives_a_file(tmp_path, tokenizers, name):
    from conftest import word_pairs

    from keras_seq2seq import PairBatches, load_model

    keras.utils.set_random_seed(1)
    config = SOME[name]()
    model = Seq2Seq(config, tokenizers=tokenizers)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    pairs = word_pairs(200, longest=4)
    history = model.fit(PairBatches(pairs, tokenizers, tokens_per_batch=200), epochs=8, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    texts = [source for source, _ in pairs[:6]]
    assert loaded.translate(texts) == model.translate(texts)


def test_a_translation_is_no_longer_than_the_caches(tokenizers):
    model = tiny_model(tiny_config(**BOTH), tokenizers=tokenizers)
    assert model.translate("the dog", max_length=9) is not None
    with pytest.raises(ValueError, match="`max_length` must be at most 9"):
        Translator.from_model(model, max_length=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, "`num_heads` must divide `units`. Received: 3 heads of 8 units"),
        ({"embedding_dim": 6}, "`embedding_dim` must equal `units` with a Transformer"),
        ({"context": "mean"}, "A Transformer decoder needs context='attention'"),
        ({"input_feeding": True}, "A Transformer decoder needs context='attention'"),
        ({"decoder_cell": "gru"}, "of a Transformer decoder must be 'ssru'.* Received: 'gru'"),
        ({"output_bias": True}, "`output_bias` is of a tied output"),
        ({"norm_epsilon": 0.0}, "`norm_epsilon` must be above 0 and at most 0.1. Received: 0.0"),
        ({"norm_epsilon": 1.0}, "`norm_epsilon` must be above 0 and at most 0.1. Received: 1.0"),
        ({"decoder": "recurrent", "context": "last"}, "A Transformer encoder has no last state"),
        ({"num_heads": 0}, "`num_heads` must be 1 to 1,024. Received: 0"),
        ({"activation": "tanh"}, "`activation` must be one of .* Received: 'tanh'"),
        ({"normalization": "batch"}, "`normalization` must be one of"),
        ({"positions": "relative"}, "`positions` must be one of"),
        ({"encoder": "cnn"}, "`encoder` must be one of .* Received: 'cnn'"),
        ({"attention_dropout": 1.0}, "`attention_dropout` must be at least 0 and below 1"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig(17, 17, **{**BOTH, **options})
