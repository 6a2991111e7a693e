import keras
import numpy as np
import pytest

from keras_seq2seq import MaskedCrossentropy

LABELS = np.array([[5, 4, 3, 0], [6, 3, 0, 0], [0, 0, 0, 0]], "int32")


def random_logits(seed=0):
    return np.random.default_rng(seed).normal(0, 2, (*LABELS.shape, 7)).astype("float32")


def expected(labels, logits, smoothing=0.0, weights=None):
    """The mean of -sum_v q_v log softmax(logits)_v over real positions, written out."""
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    q = np.eye(7)[labels] * (1 - smoothing) + smoothing / 7
    losses = -(q * log_probs).sum(-1)
    real = labels != 0
    weights = np.ones_like(losses) if weights is None else weights
    return (losses * weights * real).sum() / real.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_formula(smoothing):
    logits = random_logits()
    found = MaskedCrossentropy(smoothing)(LABELS, logits)
    np.testing.assert_allclose(found, expected(LABELS, logits, smoothing), rtol=1e-5)


def test_pads_do_not_count():
    logits, more = random_logits(), np.full((3, 2, 7), 50.0, "float32")
    longer = np.concatenate([logits, more], 1)
    labels = np.pad(LABELS, [(0, 0), (0, 2)])
    loss = MaskedCrossentropy(0.1)
    np.testing.assert_allclose(loss(labels, longer), loss(LABELS, logits), rtol=1e-6)
    np.testing.assert_allclose(loss(LABELS[:2], logits[:2]), loss(LABELS, logits), rtol=1e-6)


def test_a_batch_of_padding_costs_nothing():
    found = MaskedCrossentropy(0.1)(np.zeros((2, 3), "int32"), random_logits()[:2, :3])
    assert float(found) == 0


@pytest.mark.parametrize("shape", [(3, 4), (3,)])
def test_sample_weight_weighs_tokens_or_rows(shape):
    logits = random_logits()
    weights = np.random.default_rng(1).uniform(0, 2, shape).astype("float32")
    by_token = weights if len(shape) == 2 else np.repeat(weights[:, None], 4, 1)
    found = MaskedCrossentropy()(LABELS, logits, sample_weight=weights)
    np.testing.assert_allclose(found, expected(LABELS, logits, weights=by_token), rtol=1e-5)


def test_uniform_logits_cost_the_log_of_the_vocabulary_size():
    for smoothing in (0.0, 0.3):
        found = MaskedCrossentropy(smoothing)(LABELS, np.zeros((3, 4, 7), "float32"))
        np.testing.assert_allclose(found, np.log(7), rtol=1e-6)


def test_large_logits_stay_finite():
    logits = random_logits() * 1e4
    assert np.isfinite(float(MaskedCrossentropy(0.1)(LABELS, logits)))


def test_half_precision_logits_are_summed_in_float32():
    logits = keras.ops.cast(random_logits(), "bfloat16")
    found = MaskedCrossentropy()(LABELS, logits)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    exact = expected(LABELS, np.array(keras.ops.cast(logits, "float32")))
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_config_round_trip():
    loss = MaskedCrossentropy(0.2, name="smooth")
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert isinstance(clone, MaskedCrossentropy)
    assert clone.get_config() == loss.get_config()
    assert clone.label_smoothing == 0.2


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_label_smoothing_has_a_range(value):
    with pytest.raises(ValueError, match="`label_smoothing` must be at least 0 and below 1"):
        MaskedCrossentropy(value)
