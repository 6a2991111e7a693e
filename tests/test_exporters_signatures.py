import numpy as np
import pytest
import tensorflow as tf
from conftest import tiny_model

from keras_seq2seq.exporters.saved_model.writer import _text_functions
from keras_seq2seq.exporters.signatures import LARGEST, ExportedModels, Signatures
from keras_seq2seq.text.graph_tokenizer import GraphTokenizer

SOURCES = np.array([[5, 6, 3], [7, 3, 0]], "int32")
TARGETS = np.array([[6, 7, 3], [8, 3, 0]], "int32")


def signatures(**options):
    return Signatures(ExportedModels.of(tiny_model(**options), dynamic=True), 9)


def broken_model(tokenizers):
    model = tiny_model(tokenizers=tokenizers)
    model.weights[-1].assign(np.full(model.weights[-1].shape, np.nan))
    return model


def is_finite(outputs):
    return all(np.isfinite(value).all() for value in outputs.values() if value.dtype != tf.string)


def test_a_score_is_the_sum_of_its_tokens():
    found = signatures().score(SOURCES, TARGETS)
    assert found["scored"].numpy().tolist() == [True, True]
    np.testing.assert_allclose(found["scores"], np.sum(found["token_log_probs"], 1), rtol=1e-6)
    perplexities = np.exp(-found["scores"].numpy() / [3, 2])
    np.testing.assert_allclose(found["perplexities"], perplexities, rtol=1e-5)


def test_what_is_cut_has_no_score_that_passes_a_threshold():
    given = signatures()
    alone = given.score(SOURCES, TARGETS)
    found = given.score(SOURCES, TARGETS, np.array([False, True]))
    assert found["scored"].numpy().tolist() == [True, False]
    for name, value in {"scores": -1e9, "token_log_probs": -1e9, "perplexities": LARGEST}.items():
        np.testing.assert_allclose(found[name][0], alone[name][0])
        assert (found[name].numpy()[1] == np.float32(value)).all()


def test_the_least_probable_translation_has_a_finite_perplexity():
    found = signatures(scale=500.0).score(SOURCES, TARGETS)
    assert found["scores"].numpy().min() < -89 * 3 and is_finite(found)
    assert found["scored"].numpy().all() and LARGEST in found["perplexities"].numpy()


def test_a_broken_model_gives_finite_answers_to_texts(tokenizers):
    broken = Signatures(ExportedModels.of(broken_model(tokenizers), dynamic=True), 9)
    functions = _text_functions(broken, GraphTokenizer(tokenizers), (1024, 1024))
    texts = tf.constant(["the dog", "a cat"])
    scored = functions["score"](texts, texts)
    assert is_finite(scored) and not scored["scored"].numpy().any()
    for name in ("serving_default", "translate"):
        found = functions[name](texts)
        assert is_finite(found) and not found["finished"].numpy().any()
        (scores,) = (value for key, value in found.items() if key in ("score", "scores"))
        assert (scores.numpy() < -5e8).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_to_score_is_certain(rows):
    found = signatures().score(np.zeros((rows, 2), "int32"), np.zeros((rows, 2), "int32"))
    assert found["scores"].numpy().tolist() == [0.0] * rows
    assert found["perplexities"].numpy().tolist() == [1.0] * rows
