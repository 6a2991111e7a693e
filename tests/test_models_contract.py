"""Encoders and decoders of a user's own: the contract, training, files."""

import keras
import numpy as np
import pytest
from conftest import TEXTS, last_json, random_ids, run_python, tiny_config
from grid import grid
from test_models_recurrent import SOME as RECURRENT
from test_models_recurrent import check_outputs_of_steps, steps, whole_outputs
from test_seq2seq import FRESH, fit, logits

from keras_seq2seq import Seq2Seq
from keras_seq2seq.models.builders import build_decoder
from keras_seq2seq.models.contract import check_contract
from keras_seq2seq.models.masks import PaddingMask
from keras_seq2seq.seq2seq import load_model

layers = keras.layers
TRANSFORMER = {"encoder": "transformer", "decoder": "transformer", "num_heads": 2}


# Parts of a user's own


@keras.saving.register_keras_serializable("tests")
class Shift(layers.Layer):
    """Multiplies by a learnt vector: a layer that the library does not know."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, values):
        return values * self.factor

    def compute_output_shape(self, shape):
        return shape


def cnn_encoder(vocabulary_size=17, units=8, unsafe=False):
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    mask = PaddingMask()(source_ids)
    x = layers.Embedding(vocabulary_size, units)(source_ids)
    spread = layers.Lambda(lambda m: m[:, :, None]) if unsafe else layers.Reshape((-1, 1))
    x = layers.Multiply()([x, spread(FloatMask()(mask))])
    x = Shift()(layers.Conv1D(units, 3, padding="same", activation="tanh")(x))
    outputs = {
        "memory": x,
        "keys": x,
        "source_mask": mask,
        "state_0": layers.GlobalAveragePooling1D()(x, mask=mask),
    }
    return keras.Model(source_ids, outputs, name="cnn")


@keras.saving.register_keras_serializable("tests")
class FloatMask(layers.Layer):
    """Turns a mask into numbers."""

    def call(self, mask):
        return keras.ops.cast(mask, "float32")

    def compute_output_spec(self, mask):
        return keras.KerasTensor(mask.shape, "float32")


def dense_encoder(vocabulary_size=17, units=8):
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    mask = PaddingMask()(source_ids)
    x = layers.Embedding(vocabulary_size, units)(source_ids)
    x = layers.GlobalAveragePooling1D()(x, mask=mask)
    state = layers.Dense(units, activation="tanh")(x)
    return keras.Model(source_ids, {"state_0": state}, name="bag_of_words")


def gru_decoder(vocabulary_size=17, units=8):
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    state = keras.Input((units,), name="state_0")
    x = layers.Embedding(vocabulary_size, units)(target_ids)
    x, new = layers.GRU(units, return_sequences=True, return_state=True)(x, initial_state=state)
    outputs = {"logits": layers.Dense(vocabulary_size)(Shift()(x)), "state_0": new}
    return keras.Model({"target_ids": target_ids, "state_0": state}, outputs, name="own_decoder")


CUSTOM = {
    "both": lambda: Seq2Seq(encoder=dense_encoder(), decoder=gru_decoder()),
    "wide encoder": lambda: Seq2Seq(encoder=cnn_encoder(), decoder=gru_decoder()),
    "encoder": lambda: Seq2Seq(tiny_config(dropout=0.0), encoder=cnn_encoder()),
    "decoder": lambda: Seq2Seq(tiny_config(dropout=0.0, context="max"), decoder=gru_decoder()),
}


def with_a_layer_of_ones_own(**options):
    """Returns a model whose decoder is this library's, and a layer that it does not know."""
    config = tiny_config(**options, dropout=0.0)
    decoder = build_decoder(config)
    outputs = {**decoder.output, "logits": Shift()(decoder.output["logits"])}
    return Seq2Seq(config, decoder=keras.Model(decoder.input, outputs, name="own_decoder"))


BY_STEPS = {
    **CUSTOM,
    **{
        f"own layer, {name}": lambda options=options: with_a_layer_of_ones_own(**options)
        for name, options in {**RECURRENT, "transformer": TRANSFORMER}.items()
    },
}


@pytest.mark.parametrize("name", BY_STEPS)
def test_token_by_token_it_is_what_the_whole_decoder_gives(name):
    keras.utils.set_random_seed(0)
    model = BY_STEPS[name]()
    for weight in model.trainable_weights:
        weight.assign(weight * 1.5)
    assert {id(w) for w in model.decoder_step.weights} == {id(w) for w in model.decoder.weights}
    source_ids, target_ids = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = whole_outputs(model, source_ids, target_ids)
    assert np.abs(expected["logits"][0] - expected["logits"][1]).max() > 1e-3
    found = list(steps(model.encoder, model.decoder_step, source_ids, target_ids))
    check_outputs_of_steps(found, expected)


def test_a_lambda_in_a_file_is_refused(tmp_path):
    model = Seq2Seq(encoder=cnn_encoder(unsafe=True), decoder=gru_decoder())
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="[Ll]ambda"):
        load_model(tmp_path / "model.keras")


def part(source, **outputs):
    ids = keras.Input((None,), dtype="int32", name=source)
    x = layers.Embedding(17, 8)(ids)
    return keras.Model(ids, {name: Shift()(x) for name in outputs or {"logits": 1}})


def stateful(taken, returned):
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    states = {name: keras.Input((8,), name=name) for name in taken}
    x = layers.Embedding(17, 17)(target_ids)
    outputs = {"logits": x, **{name: layers.Dense(8)(x[:, 0]) for name in returned}}
    return keras.Model({"target_ids": target_ids, **states}, outputs)


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (part("words", state_0=1), gru_decoder(), r"one input 'source_ids'. Received: \['words'\]"),
        (dense_encoder(), stateful(["memory"], []), r"must be an encoder output .*\['memory'\]"),
        (dense_encoder(), stateful(["state_0"], []), r"takes \['state_0'\], returns \[\]"),
        (dense_encoder(), stateful([], ["state_0"]), r"takes \[\], returns \['state_0'\]"),
        (
            part("source_ids", state_h=1),
            stateful(["state_h"], ["state_h"]),
            r"States must be named 'state_0', .*Received: \['state_h'\]",
        ),
        (
            dense_encoder(),
            keras.Model({"ids": (i := keras.Input((8,), name="ids"))}, {"scores": Shift()(i)}),
            r"(?s)must have the input 'target_ids'.*must return 'logits'. Received: \['scores'\]",
        ),
        (
            keras.Model(i, Shift()(i)),
            gru_decoder(),
            "must return dicts of named tensors. Received: KerasTensor and dict",
        ),
        (
            dense_encoder(),
            keras.Model([i], {"logits": Shift()(i)}),
            "The decoder must take a dict of named tensors. Received: ",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(encoder, decoder, message):
    with pytest.raises(ValueError, match=message):
        Seq2Seq(encoder=encoder, decoder=decoder)


def test_all_faults_of_the_contract_come_at_once():
    decoder = stateful(["state_0", "state_x", "memory"], ["state_1"])
    with pytest.raises(ValueError, match="Encoder and decoder do not fit") as caught:
        check_contract(part("words", state_0=1), decoder)
    assert len(str(caught.value).splitlines()) == 5


def test_one_part_alone_is_refused():
    with pytest.raises(ValueError, match="needs a `config`, or an `encoder` and a `decoder`"):
        Seq2Seq(encoder=dense_encoder())


@pytest.mark.parametrize("name", grid(CUSTOM, ["both"]))
def test_parts_of_ones_own_train(name):
    keras.utils.set_random_seed(0)
    model = CUSTOM[name]()
    model.compile(keras.optimizers.Adam(0.02))
    before = [w.numpy() for w in model.trainable_weights]
    losses = fit(model, 8)["loss"]
    assert losses[-1] < losses[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(weight.numpy() - old).max() > 0, weight.path


@pytest.mark.parametrize("name", grid(CUSTOM, ["both"]))
def test_parts_of_ones_own_travel_in_the_file(name, tokenizers, tmp_path):
    keras.utils.set_random_seed(0)
    model = CUSTOM[name]()
    model.tokenizers = tokenizers
    for weight in model.trainable_weights:
        weight.assign(weight * 6)
    model.compile()
    fit(model, 1)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(loaded), logits(model))
    assert loaded.translate(TEXTS, max_length=6) == model.translate(TEXTS, max_length=6)
    assert fit(loaded, 1)["loss"] == pytest.approx(fit(model, 1)["loss"], rel=1e-5)


@pytest.mark.long
def test_parts_of_ones_own_travel_to_a_fresh_process(tokenizers, tmp_path):
    model = CUSTOM["wide encoder"]()
    model.tokenizers = tokenizers
    model.save(tmp_path / "model.keras")
    texts, found = last_json(
        run_python(f"import test_models_contract\n{FRESH}", tmp_path / "model.keras")
    )
    assert texts == model.translate(TEXTS, max_length=9)
    np.testing.assert_allclose(found, logits(model), atol=1e-6)


def test_custom_parts_without_a_configuration_need_a_max_length(tokenizers):
    model = Seq2Seq(encoder=dense_encoder(), decoder=gru_decoder(), tokenizers=tokenizers)
    assert isinstance(model.translate("the dog", max_length=4), str)
    with pytest.raises(ValueError, match="custom parts needs `max_length`"):
        model.translate("the dog")


def test_custom_parts_must_not_share_weights():
    embedding = layers.Embedding(17, 8)
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    state = keras.Input((8,), name="state_0")
    pooled = layers.GlobalAveragePooling1D()(embedding(source_ids))
    encoder = keras.Model(source_ids, {"state_0": pooled})
    x, new = layers.GRU(8, return_sequences=True, return_state=True)(
        embedding(target_ids), initial_state=state
    )
    outputs = {"logits": layers.Dense(17)(x), "state_0": new}
    decoder = keras.Model({"target_ids": target_ids, "state_0": state}, outputs)
    with pytest.raises(ValueError, match="must not share weights.*share_embeddings=True"):
        Seq2Seq(encoder=encoder, decoder=decoder)


@pytest.mark.parametrize("wrap", [lambda ids: {"source_ids": ids}, lambda ids: [ids]])
def test_an_encoder_takes_one_tensor(wrap):
    encoder = dense_encoder()
    with pytest.raises(ValueError, match="must take 'source_ids' as one tensor.*Received: a "):
        Seq2Seq(encoder=keras.Model(wrap(encoder.input), encoder.output), decoder=gru_decoder())
