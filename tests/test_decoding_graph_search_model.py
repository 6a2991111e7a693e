"""The models of a search compute what the decoder computes, one token at a time."""

import numpy as np
import pytest
from conftest import random_ids, tiny_model
from test_models_contract import CUSTOM
from test_models_recurrent import SOME as RECURRENT
from test_models_recurrent import TOLERANCE, steps, whole_outputs
from test_models_transformer import SOME as ATTENDING
from test_models_transformer import tiny_config, transformers

from keras_seq2seq.decoding.graph.search_model import search_models

MODELS = {
    **{name: lambda name=name: tiny_config(**RECURRENT[name]) for name in RECURRENT},
    **ATTENDING,
    **{
        f"{c.normalization}, {c.activation}, {c.positions}": lambda c=c: c
        for c in transformers()
        if c.num_decoder_layers == 2 and not c.share_embeddings
    },
}


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_one_token_gives_what_the_decoder_gives(name, dynamic):
    model = tiny_model(MODELS[name](), scale=1.5)
    encoder, decoder_step = search_models(model.encoder, model.decoder_step, dynamic=dynamic)
    assert {id(w) for w in decoder_step.weights} == {id(w) for w in model.decoder.weights}
    source_ids, target_ids = random_ids(3, 5), random_ids(3, 4, 1, start=2)
    expected = whole_outputs(model, source_ids, target_ids)
    assert np.ptp(expected["logits"]) > 1e-2
    found = list(steps(encoder, decoder_step, source_ids, target_ids))
    for part in {"logits", "attention"} & set(expected):
        stepped = np.stack([outputs[part] for outputs in found], 1)
        np.testing.assert_allclose(stepped, expected[part], **TOLERANCE)


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
