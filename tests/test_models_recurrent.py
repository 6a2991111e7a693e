import functools

import keras
import numpy as np
import pytest
from closeness import assert_close
from conftest import random_ids, tiny_config, tiny_model
from covering import FIRST, combinations

from keras_seq2seq.models.builders import build_decoder, build_encoder
from keras_seq2seq.models.contract import source_names, state_names

OPTIONS = {
    "cell": ("gru", "lstm", "simple_rnn"),
    "decoder_cell": ("", "lstm", "ssru"),
    "bidirectional": (True, False),
    "layers": ((1, 1), (2, 2), (2, 1)),
    "residual": (False, True),
    "context": ("attention", "last", "mean", "max"),
    "context_use": ("initial_state", "every_step"),
    "attention": ("general", "dot", "scaled", "additive"),
    "input_feeding": (False, True),
    "bridge": ("dense", "copy", "zero"),
    "tie_output": (False, True),
    "share_embeddings": (False, True),
}


def config_of(values):
    """Returns the configuration, or None where the options do not go together."""
    options = dict(zip(OPTIONS, values, strict=True))
    encoder_layers, decoder_layers = options.pop("layers")
    if options["context"] != "attention" and options["attention"] != "general":
        return None
    try:
        return tiny_config(
            **options,
            embedding_dim=6,
            num_encoder_layers=encoder_layers,
            num_decoder_layers=decoder_layers,
        )
    except ValueError:
        return None


def grid():
    """Yields combinations so that any three options meet in all their values."""
    found = combinations(OPTIONS, lambda values: config_of(values) is not None)
    for number, values in enumerate(found):
        marks = () if number < FIRST else pytest.mark.long
        yield pytest.param(config_of(values), id="-".join(map(str, values)), marks=marks)


def steps(encoder, decoder_step, source_ids, target_ids):
    """Yields what each target token makes of the state that the one before it left."""
    encoded = encoder(keras.ops.convert_to_tensor(source_ids))
    source = {name: encoded[name] for name in source_names(decoder_step)}
    state = {name: encoded[name] for name in state_names(decoder_step)}
    for ids in target_ids.T:
        given = {"target_ids": keras.ops.convert_to_tensor(ids), **source, **state}
        outputs = decoder_step(given)
        state = {name: outputs[name] for name in state}
        yield {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


def step_through(model, source_ids, target_ids):
    """Returns the logits of the decoder step, one target token after the other."""
    found = steps(model.encoder, model.decoder_step, source_ids, target_ids)
    return np.stack([outputs["logits"] for outputs in found], 1)


def whole_outputs(model, source_ids, target_ids):
    """Returns all that the decoder gives of a whole target."""
    encoded = model.encoder(keras.ops.convert_to_tensor(source_ids))
    fed = {name: value for name, value in encoded.items() if name in model.decoder.input}
    outputs = model.decoder({"target_ids": keras.ops.convert_to_tensor(target_ids), **fed})
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


def check_outputs_of_steps(found, wanted):
    """Checks outputs of steps against those of a whole target: of each token, then the states."""
    for name in {"logits", "attention"} & set(wanted):
        assert_close(np.stack([outputs[name] for outputs in found], 1), wanted[name])
    for name in (name for name in wanted if name.startswith("state_")):
        assert_close(found[-1][name], wanted[name])


def whole(model, source_ids, target_ids):
    """Returns the logits of the training graph."""
    inputs = {"source_ids": source_ids, "target_ids": target_ids}
    return keras.ops.convert_to_numpy(
        model({k: keras.ops.convert_to_tensor(v) for k, v in inputs.items()})
    )


@pytest.mark.parametrize("config", list(grid()))
def test_stepping_gives_the_training_logits(config):
    model = tiny_model(config)
    sources, targets = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = whole(model, sources, targets)
    assert expected.std() > 1e-3
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    assert_close(step_through(model, sources, targets), expected)
    row, alone = targets[1:2, :3], expected[1:2, :3]
    assert_close(whole(model, sources[1:2, :4], row), alone)
    assert_close(step_through(model, sources[1:2, :4], row), alone)


SOME = {
    "attention": {},
    "stacked": {"cell": "lstm", "num_encoder_layers": 2, "bridge": "dense", "residual": True},
    "feeding": {"input_feeding": True, "attention": "additive"},
    "last": {"context": "last", "bidirectional": False},
    "every_step": {"context": "mean", "context_use": "every_step"},
    "max": {"context": "max", "cell": "simple_rnn"},
    "ssru": {"decoder_cell": "ssru", "cell": "lstm", "num_decoder_layers": 2, "residual": True},
}


@functools.cache
def model_of(name):
    """A model of `SOME` that several tests share; do not change it."""
    return tiny_model(tiny_config(**SOME[name]))


@pytest.mark.parametrize("name", SOME)
def test_more_padding_changes_nothing(name):
    model = model_of(name)
    sources, targets = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = whole(model, sources, targets)
    longer = np.pad(sources, [(0, 0), (0, 6)]), np.pad(targets, [(0, 0), (0, 3)])
    assert_close(whole(model, *longer)[:, :4], expected)


@pytest.mark.parametrize("name", SOME)
def test_the_rest_of_the_batch_changes_nothing(name):
    model = model_of(name)
    sources, targets = random_ids(4, 6), random_ids(4, 5, 1, start=2)
    expected = whole(model, sources, targets)[2]
    others = random_ids(4, 6, 7), random_ids(4, 5, 8, start=2)
    others[0][0], others[1][0] = sources[2], targets[2]
    assert_close(whole(model, *others)[0], expected)


@pytest.mark.parametrize("name", SOME)
def test_an_empty_row_is_finite(name):
    model = model_of(name)
    sources, targets = random_ids(2, 4), random_ids(2, 4, start=2)
    sources[1] = targets[1] = 0
    assert np.isfinite(whole(model, sources, targets)).all()


@pytest.mark.parametrize("name", SOME)
def test_the_source_is_read_to_its_first_and_last_token(name):
    model = model_of(name)
    sources, targets = random_ids(1, 5), random_ids(1, 3, start=2)
    first = whole(model, sources, targets)
    for position in (0, 3):
        other = sources.copy()
        other[0, position] = 4 + (sources[0, position] - 3) % 13
        assert np.abs(whole(model, other, targets) - first).max() > 1e-4


def test_a_logit_knows_nothing_of_later_tokens():
    model = tiny_model(tiny_config(input_feeding=True))
    sources, targets = random_ids(1, 5), random_ids(1, 6, start=2)
    other = targets.copy()
    other[:, 3:] = 4 + (targets[:, 3:] + 1) % 13
    first, second = whole(model, sources, targets), whole(model, sources, other)
    assert_close(first[:, :3], second[:, :3])
    assert np.abs(first[:, 3] - second[:, 3]).max() > 1e-3


def encode(model, sources):
    return {k: keras.ops.convert_to_numpy(v) for k, v in model.encoder(sources).items()}


def test_attention_weights_fall_on_real_positions():
    model, sources = tiny_model(), random_ids(3, 5)
    encoded = model.encoder(sources)
    ids = keras.ops.convert_to_tensor(random_ids(3, 2, start=2))
    fed = {name: encoded[name] for name in (*source_names(model.decoder), "state_0")}
    weights = keras.ops.convert_to_numpy(model.decoder({"target_ids": ids, **fed})["attention"])
    assert weights.shape == (3, 2, 5)
    assert (weights.transpose(0, 2, 1)[sources == 0] == 0).all()
    assert_close(weights.sum(-1), 1)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_bridge_copy_hands_over_the_last_states(cell, bidirectional):
    layers = {"num_encoder_layers": 2, "num_decoder_layers": 2}
    config = tiny_config(cell=cell, bidirectional=bidirectional, bridge="copy", **layers)
    model, sources = tiny_model(config), random_ids(1, 5)
    encoded = encode(model, sources)
    per_layer = config.states_per_layer
    memory, state = encoded["memory"][0], encoded[f"state_{per_layer}"][0]
    half = 4 if bidirectional else 8
    assert_close(state[:half], memory[-1, :half], 1e-6)
    assert_close(state[half:], memory[0, half:], 1e-6)
    assert not any("bridge" in weight.path for weight in model.weights)


@pytest.mark.parametrize(
    ("cells", "parts"), [(("lstm", "ssru"), (0, 2)), (("gru", "lstm"), (0, 0, 1, 1))]
)
def test_a_cell_of_another_number_of_states_takes_the_first_or_it_twice(cells, parts):
    options = {"num_encoder_layers": 2, "num_decoder_layers": 2, "bridge": "copy"}
    same = tiny_model(tiny_config(cell=cells[0], **options))
    other = tiny_model(tiny_config(cell=cells[0], decoder_cell=cells[1], **options))
    other.encoder.set_weights(same.encoder.get_weights())
    first, second = (encode(model, random_ids(2, 5)) for model in (same, other))
    assert state_names(other.decoder) == [f"state_{i}" for i in range(len(parts))]
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(second[f"state_{i}"], first[f"state_{part}"])


def test_bridge_dense_reads_the_output_of_an_lstm_for_every_layer():
    config = tiny_config(cell="lstm", decoder_cell="ssru", num_decoder_layers=2)
    model, sources = tiny_model(config), random_ids(2, 5)
    h = keras.Model(model.encoder.input, model.encoder.get_layer("encoder_final_0_0").output)(
        sources
    )
    encoded = encode(model, sources)
    for i in range(2):
        expected = model.encoder.get_layer(f"bridge_{i}")(h)
        assert_close(encoded[f"state_{i}"], expected, 1e-6)


@pytest.mark.parametrize(("context", "pool"), [("mean", np.mean), ("max", np.max)])
def test_a_pooled_context_is_copied_to_every_state(context, pool):
    config = tiny_config(cell="lstm", context=context, bridge="copy", num_decoder_layers=2)
    model, sources = tiny_model(config), random_ids(2, 5)
    encoded = encode(model, sources)
    reader = keras.Model(model.encoder.input, model.encoder.get_layer("memory").output)
    memory = keras.ops.convert_to_numpy(reader(sources))
    assert state_names(model.decoder) == [f"state_{i}" for i in range(4)]
    for name in state_names(model.decoder):
        assert_close(encoded[name][1], pool(memory[1, :4], 0))


def test_bridge_zero_starts_at_zero():
    encoded = encode(tiny_model(tiny_config(bridge="zero", cell="lstm")), random_ids(2, 5))
    assert not encoded["state_0"].any()
    assert not encoded["state_1"].any()


def test_bridge_dense_is_the_formula():
    config = tiny_config(context="last", bidirectional=False, cell="simple_rnn", dropout=0)
    model, sources = tiny_model(config), random_ids(1, 5)
    embedding, w, u, b, kernel, bias = (v.numpy() for v in model.encoder.weights)
    h = np.zeros(8)
    for i in sources[0]:
        h = np.tanh(embedding[i] @ w + h @ u + b)
    found = encode(model, sources)["state_0"][0]
    assert_close(found, np.tanh(h @ kernel + bias))


def test_an_encoder_without_attention_hands_out_states_only():
    encoder = build_encoder(tiny_config(context="last"))
    assert sorted(encoder.output) == ["state_0"]
    joined = build_encoder(tiny_config(context="last", context_use="every_step"))
    assert sorted(joined.output) == ["context", "state_0"]


def test_memory_is_zero_at_pads():
    sources = random_ids(3, 5)
    assert not encode(tiny_model(), sources)["memory"][sources == 0].any()


def embeddings(model):
    return [v for v in model.trainable_weights if v.path.endswith("embeddings")]


def test_share_embeddings_is_one_variable():
    shared = tiny_model(tiny_config(share_embeddings=True))
    apart = tiny_model(tiny_config())
    assert len(embeddings(shared)) == 1
    assert len(embeddings(apart)) == 2
    assert shared.count_params() == apart.count_params() - 17 * 8
    (one,) = embeddings(shared)
    assert one is embeddings(shared.encoder)[0] is embeddings(shared.decoder)[0]


@pytest.mark.parametrize("context", ["attention", "last"])
def test_tie_output_multiplies_by_the_target_embedding(context):
    model = tiny_model(tiny_config(tie_output=True, context=context, embedding_dim=6))
    assert 17 not in {v.shape[-1] for v in model.decoder.trainable_weights}
    sources, targets = random_ids(1, 4), random_ids(1, 3, start=2)
    reader = keras.Model(model.decoder.input, model.decoder.get_layer("output_dropout").output)
    fed = {k: v for k, v in model.encoder(sources).items() if k in model.decoder.input}
    x = keras.ops.convert_to_numpy(
        reader({"target_ids": keras.ops.convert_to_tensor(targets), **fed})
    )
    (table,) = embeddings(model.decoder)
    expected = x @ table.numpy().T
    assert_close(whole(model, sources, targets), expected)


@pytest.mark.parametrize("input_feeding", [False, True])
def test_dropout_is_in_training_only(input_feeding):
    model = tiny_model(tiny_config(dropout=0.5, input_feeding=input_feeding))
    inputs = {"source_ids": random_ids(2, 5), "target_ids": random_ids(2, 4, start=2)}
    inputs = {k: keras.ops.convert_to_tensor(v) for k, v in inputs.items()}
    runs = [keras.ops.convert_to_numpy(model(inputs, training=t)) for t in (False, False, True)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 1e-2


def test_residual_adds_the_input_of_a_layer():
    config = tiny_config(context="last", num_decoder_layers=2, residual=True, dropout=0)
    model = tiny_model(config)
    second = model.decoder.get_layer("decoder_rnn_1")
    for weight in second.weights:
        weight.assign(weight * 0)
    plain = tiny_model(config.__class__(**{**config.to_dict(), "num_decoder_layers": 1}))
    names = {"decoder_rnn_1", "decoder_residual_1"}
    kept = [layer for layer in model.decoder.layers if layer.weights and layer.name not in names]
    for layer in kept:
        plain.decoder.get_layer(layer.name).set_weights(layer.get_weights())
    ids = keras.ops.convert_to_tensor(random_ids(2, 4, start=2))
    zero = keras.ops.zeros((2, 8))
    two = model.decoder({"target_ids": ids, "state_0": zero, "state_1": zero})["logits"]
    one = plain.decoder({"target_ids": ids, "state_0": zero})["logits"]
    assert_close(two, one)


def test_every_layer_of_a_decoder_has_a_name_of_its_own():
    decoder = build_decoder(tiny_config(num_decoder_layers=3, residual=True))
    names = [layer.name for layer in decoder.layers]
    assert {"decoder_rnn_0", "decoder_rnn_1", "decoder_rnn_2", "attention"} <= set(names)
    assert len(set(names)) == len(names)
