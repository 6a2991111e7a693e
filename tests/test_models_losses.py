import keras
import numpy as np
import pytest

from keras_seq2seq import MaskedCrossentropy
from keras_seq2seq.models.losses import RDrop, pass_divergence, token_crossentropy

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


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def numeric_gradient(function, logits, step=1e-3):
    """Returns the gradient of a sum of losses by central differences, in float64 of the loss."""
    found = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        ends = []
        for sign in (1, -1):
            moved = logits.astype("float64")
            moved[index] += sign * step
            ends.append(function(moved))
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


def gradient(function, logits):
    """Returns the gradient that the backend finds."""
    if keras.backend.backend() == "jax":
        import jax

        return np.array(jax.grad(function)(logits))
    import tensorflow as tf

    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = function(given)
    return tape.gradient(loss, given).numpy()


WEIGHTS = np.random.default_rng(2).uniform(0.5, 2, LABELS.shape).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_gradient_that_is_written_out_is_the_gradient(smoothing):
    logits = random_logits()

    def exact(logits):
        q = np.eye(7)[LABELS] * (1 - smoothing) + smoothing / 7
        return (-(q * log_softmax(logits)).sum(-1) * WEIGHTS).sum()

    found = gradient(
        lambda x: keras.ops.sum(token_crossentropy(LABELS, x, smoothing) * WEIGHTS), logits
    )
    np.testing.assert_allclose(found, numeric_gradient(exact, logits), atol=1e-5)


TWICE = np.repeat(LABELS[:2], 2, axis=0)


def divergence(logits):
    """The mean of both divergences of rows 2i and 2i + 1, written out, in both rows."""
    log_p = log_softmax(logits)
    found = np.zeros(logits.shape[:2])
    for i in range(0, len(logits), 2):
        a, b = log_p[i], log_p[i + 1]
        both = (np.exp(a) * (a - b)).sum(-1) + (np.exp(b) * (b - a)).sum(-1)
        found[i] = found[i + 1] = both / 2
    return found


def twice_logits():
    return np.random.default_rng(4).normal(0, 2, (4, 4, 7)).astype("float32")


def test_the_divergence_of_two_passes_and_its_gradient():
    logits = twice_logits()
    np.testing.assert_allclose(pass_divergence(logits), divergence(logits), rtol=1e-4)
    weights = np.random.default_rng(2).uniform(0.5, 2, TWICE.shape).astype("float32")
    found = gradient(lambda x: keras.ops.sum(pass_divergence(x) * weights), logits)
    exact = numeric_gradient(lambda x: (divergence(x) * weights).sum(), logits)
    np.testing.assert_allclose(found, exact, atol=1e-5)


def test_r_drop_adds_the_divergence_of_real_tokens():
    logits, real = twice_logits(), TWICE != 0
    mean = (divergence(logits) * real).sum() / real.sum()
    plain = float(MaskedCrossentropy(0.1)(TWICE, logits))
    found = float(RDrop(3.0, 0.1)(TWICE, logits))
    np.testing.assert_allclose(found, plain + 1.5 * mean, rtol=1e-5)


def test_r_drop_of_equal_passes_is_the_crossentropy():
    logits = np.repeat(twice_logits()[:2], 2, axis=0)
    np.testing.assert_allclose(RDrop(5.0)(TWICE, logits), MaskedCrossentropy()(TWICE, logits))


def test_r_drop_round_trip_and_range():
    loss = RDrop(2.0, 0.1)
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (type(clone), clone.get_config()) == (RDrop, loss.get_config())
    with pytest.raises(ValueError, match="`alpha` must be at least 0. Received: -1"):
        RDrop(-1)
