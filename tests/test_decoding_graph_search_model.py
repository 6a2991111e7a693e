"""The parts of a search compute what the decoder computes, one token at a time."""

import keras
import numpy as np
import pytest
from conftest import random_ids, tiny_model
from test_models_contract import CUSTOM
from test_models_recurrent import SOME as RECURRENT
from test_models_recurrent import TOLERANCE
from test_models_transformer import SOME as ATTENDING
from test_models_transformer import tiny_config, transformers

from keras_seq2seq.decoding.graph.search_model import search_parts
from keras_seq2seq.models.contract import source_names, state_names

MODELS = {
    **{name: lambda name=name: tiny_config(**RECURRENT[name]) for name in RECURRENT},
    **ATTENDING,
    **{
        f"{c.normalization}, {c.activation}, {c.positions}": lambda c=c: c
        for c in transformers()
        if c.num_decoder_layers == 2 and not c.share_embeddings
    },
}


def steps(encoder, decoder, source_ids, target_ids):
    """Yields what each target token makes of the state that the one before it left."""
    encoded = encoder(keras.ops.convert_to_tensor(source_ids))
    source = {name: encoded[name] for name in source_names(decoder)}
    state = {name: encoded[name] for name in state_names(decoder)}
    takes_a_token = len(decoder.input["target_ids"].shape) == 1
    for ids in target_ids.T:
        ids = keras.ops.convert_to_tensor(ids if takes_a_token else ids[:, None])
        outputs = decoder({"target_ids": ids, **source, **state})
        state = {name: outputs[name] for name in state}
        yield {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_one_token_gives_what_the_decoder_gives(name, dynamic):
    model = tiny_model(MODELS[name](), scale=1.5)
    encoder, decoder = search_parts(model.encoder, model.decoder, dynamic=dynamic)
    assert {id(w) for w in decoder.weights} == {id(w) for w in model.decoder.weights}
    source_ids, target_ids = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = list(steps(model.encoder, model.decoder, source_ids, target_ids))
    assert np.ptp([outputs["logits"] for outputs in expected]) > 1e-2
    found = list(steps(encoder, decoder, source_ids, target_ids))
    for outputs, wanted in zip(found, expected, strict=True):
        for part in {"logits", "attention"} & set(wanted):
            np.testing.assert_allclose(outputs[part], wanted[part][:, 0], **TOLERANCE)


def test_caches_are_as_long_as_what_is_in_them():
    model = tiny_model(ATTENDING["transformer"]())
    parts = search_parts(model.encoder, model.decoder, dynamic=True)
    found = list(steps(*parts, random_ids(2, 5), random_ids(2, 3, start=2)))
    assert [outputs["state_0"].shape[2] for outputs in found] == [1, 2, 3]
    assert [outputs["state_1"].shape[2] for outputs in found] == [1, 2, 3]


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_decoder_with_other_layers_stays_as_it_is(dynamic):
    model = CUSTOM["both"]()
    parts = search_parts(model.encoder, model.decoder, dynamic=dynamic)
    assert parts == (model.encoder, model.decoder)
