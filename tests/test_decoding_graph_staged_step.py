"""A search over caches that grow between its loops finds what one over whole caches finds."""

import keras
import numpy as np
import pytest
from exported_models import CONFIGS, VOCABULARY_SIZE, source_batch, tiny_model
from grid import grid

from keras_seq2seq.decoding.graph.search_model import for_source_length, search_models, short_step
from keras_seq2seq.decoding.graph.staged_step import StagedStep
from keras_seq2seq.decoding.graph.translate import translate
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch

MAX_LENGTH = 14
BEAM = BeamSearch(3, 2, coverage_penalty=0.2, no_repeat_ngram_size=3)


def searching(name):
    model = tiny_model(**{**CONFIGS[name], "max_length": MAX_LENGTH})
    return search_models(model.encoder, model.decoder_step, dynamic=False)


STAGES = [("transformer", BEAM, (5,)), ("transformer_post_shared", GREEDY, (2, 3, 9))]


@pytest.mark.parametrize(("name", "strategy", "lengths"), grid(STAGES, STAGES[:1]))
def test_stages_change_no_translation(name, strategy, lengths):
    encoder, step = searching(name)
    short_steps = {length: short_step(encoder, step, length) for length in lengths}
    given = {"max_length": MAX_LENGTH, "strategy": strategy, "vocabulary_size": VOCABULARY_SIZE}
    sources = keras.ops.convert_to_tensor(source_batch(6, 7))
    expected = translate(encoder, step, sources, **given)
    found = translate(encoder, step, sources, short_steps=short_steps, **given)
    tokens = np.array(expected["target_ids"])
    reached = np.count_nonzero(tokens, -1).max()
    assert max(lengths) < reached, "no row enters the last stage"
    assert set(found) == set(expected)
    for part, tensor in expected.items():
        np.testing.assert_allclose(found[part], tensor, rtol=1e-5, atol=1e-5, err_msg=part)


@pytest.mark.parametrize(("name", "strategy"), grid([s[:2] for s in STAGES], [STAGES[1][:2]]))
def test_sources_grow_with_the_caches(name, strategy):
    encoder, step = searching(name)
    last = for_source_length(step, 12)
    assert {id(w) for w in last.weights} == {id(w) for w in step.weights}
    given = {"max_length": MAX_LENGTH, "strategy": strategy, "vocabulary_size": VOCABULARY_SIZE}
    sources = keras.ops.convert_to_tensor(source_batch(6, 7))
    expected = translate(encoder, step, sources, **given)
    short_steps = {5: short_step(encoder, step, 5)}
    found = translate(encoder, last, sources, short_steps=short_steps, **given)
    attention = found.pop("attention")
    np.testing.assert_allclose(attention[..., :7], expected.pop("attention"), 1e-5, 1e-5)
    assert attention.shape[-1] == 12 and not np.any(attention[..., 7:])
    assert set(found) == set(expected)
    for part, tensor in expected.items():
        np.testing.assert_allclose(found[part], tensor, rtol=1e-5, atol=1e-5, err_msg=part)


def test_a_short_step_has_shorter_caches_and_the_same_weights():
    encoder, step = searching("transformer")
    short = short_step(encoder, step, 5)
    assert {id(w) for w in short.weights} == {id(w) for w in step.weights}
    sizes = {size for tensor in short.input.values() for size in tensor.shape}
    assert 5 in sizes and MAX_LENGTH not in sizes


def test_a_decoder_without_caches_has_no_short_step():
    assert short_step(*searching("gru_general"), 5) is None


def test_a_state_of_no_stage_is_refused():
    encoder, step = searching("transformer")
    staged = StagedStep({5: short_step(encoder, step, 5), MAX_LENGTH: step}, None)
    state = encoder(source_batch(1, 4))
    fitted = staged.fitted({name: state[name] for name in step.input if name in state}, 5)
    fitted["state_0"] = fitted["state_0"][:, :, :3, :3]
    with pytest.raises(ValueError, match=r"No decoder has caches of these lengths\. Received: "):
        staged(None, fitted)
