"""The models of a search compute what the decoder computes, one token at a time."""

import functools
import itertools

import keras
import numpy as np
import pytest
from closeness import assert_close
from conftest import random_ids, tiny_model
from grid import grid
from test_models_contract import CUSTOM
from test_models_recurrent import SOME as RECURRENT
from test_models_recurrent import steps, whole_outputs
from test_models_transformer import OPTIONS, tiny_config, transformer
from test_models_transformer import SOME as ATTENDING

from keras_seq2seq import Seq2Seq
from keras_seq2seq.decoding.graph.search_model import search_models

TRANSFORMERS = {
    ", ".join(values): lambda values=values: transformer((2, 2), *values, {})
    for values in itertools.product(
        *(OPTIONS[name] for name in ("normalization", "activation", "positions"))
    )
}
MODELS = {
    **{name: lambda name=name: tiny_config(**RECURRENT[name]) for name in RECURRENT},
    **ATTENDING,
    **TRANSFORMERS,
}
QUICK = list(MODELS)[::4]
SOURCES, TARGETS = random_ids(3, 5), random_ids(3, 4, 1, start=2)


@functools.cache
def model_and_outputs(name):
    """A model and what its decoder gives of whole targets; do not change them."""
    model = tiny_model(MODELS[name](), scale=1.5)
    return model, whole_outputs(model, SOURCES, TARGETS)


@pytest.mark.parametrize("name", grid(MODELS, QUICK))
@pytest.mark.parametrize("dynamic", [False, True])
def test_one_token_gives_what_the_decoder_gives(name, dynamic):
    model, expected = model_and_outputs(name)
    encoder, decoder_step = search_models(model.encoder, model.decoder_step, dynamic=dynamic)
    assert {id(w) for w in decoder_step.weights} == {id(w) for w in model.decoder.weights}
    assert np.ptp(expected["logits"]) > 1e-2
    check_steps(encoder, decoder_step, expected)


def check_steps(encoder, decoder_step, expected):
    """Checks that the steps give what a whole target gave."""
    found = list(steps(encoder, decoder_step, SOURCES, TARGETS))
    for part in {"logits", "attention"} & set(expected):
        stepped = np.stack([outputs[part] for outputs in found], 1)
        assert_close(stepped, expected[part])


def test_caches_are_as_long_as_what_is_in_them():
    model = tiny_model(ATTENDING["transformer"]())
    models = search_models(model.encoder, model.decoder_step, dynamic=True)
    found = list(steps(*models, random_ids(2, 5), random_ids(2, 3, start=2)))
    assert [outputs["state_0"].shape[2] for outputs in found] == [1, 2, 3]
    assert [outputs["state_1"].shape[2] for outputs in found] == [1, 2, 3]


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_decoder_with_other_layers_is_stepped_as_it_is(dynamic):
    model = CUSTOM["both"]()
    models = search_models(model.encoder, model.decoder_step, dynamic=dynamic)
    assert models == (model.encoder, model.decoder_step)


def around(built, own_caches=False):
    """Returns an encoder that calls another one, and perhaps makes the empty caches itself."""
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    outputs = dict(built.encoder(source_ids))
    zero = keras.ops.cast(source_ids[:, :1, None, None] * 0, "float32")
    if own_caches:
        outputs |= {
            name: keras.ops.tile(zero, (1, *value.shape[1:]))
            for name, value in outputs.items()
            if name.startswith("state_") and len(value.shape) == 4
        }
    return keras.Model(source_ids, outputs, name="around")


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("own_caches", [False, True])
def test_an_encoder_of_ones_own_may_hand_out_the_caches(own_caches, dynamic):
    built = tiny_model(ATTENDING["transformer"](), scale=1.5)
    model = Seq2Seq(encoder=around(built, own_caches), decoder=built.decoder)
    models = search_models(model.encoder, model.decoder_step, dynamic=dynamic)
    assert (models[1] is model.decoder_step) == own_caches
    check_steps(*models, whole_outputs(model, SOURCES, TARGETS))
