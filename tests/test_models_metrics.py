import keras
import numpy as np
import pytest

from keras_seq2seq import Perplexity, TokenAccuracy
from keras_seq2seq.models.losses import MaskedCrossentropy

LABELS = np.array([[5, 4, 3, 0], [6, 3, 0, 0]], "int32")
METRICS = [TokenAccuracy, Perplexity]


def random_logits(seed=0):
    return np.random.default_rng(seed).normal(0, 2, (*LABELS.shape, 7)).astype("float32")


def value(metric, labels=LABELS, logits=None, **options):
    metric.update_state(labels, random_logits() if logits is None else logits, **options)
    return float(metric.result())


def hits(logits):
    return (logits.argmax(-1) == LABELS).astype("float32")


def test_token_accuracy_is_the_share_of_real_tokens():
    logits = random_logits()
    logits[0, :2, :] = np.eye(7)[[5, 4]] * 99
    found = value(TokenAccuracy(), logits=logits)
    real = LABELS != 0
    assert found == pytest.approx((hits(logits) * real).sum() / real.sum())
    assert found > 0


def test_perplexity_is_exp_of_the_loss():
    loss = float(MaskedCrossentropy()(LABELS, random_logits()))
    assert value(Perplexity()) == pytest.approx(np.exp(loss), rel=1e-5)


def test_perplexity_of_a_uniform_guess_is_the_vocabulary_size():
    assert value(Perplexity(), logits=np.zeros((2, 4, 7), "float32")) == pytest.approx(7)


def test_perplexity_of_certainty_is_one():
    assert value(Perplexity(), logits=np.eye(7, dtype="float32")[LABELS] * 99) == pytest.approx(1)


@pytest.mark.parametrize("make", METRICS)
def test_pads_do_not_count(make):
    logits = np.concatenate([random_logits(), np.full((2, 3, 7), 9.0, "float32")], 1)
    assert value(make(), np.pad(LABELS, [(0, 0), (0, 3)]), logits) == pytest.approx(value(make()))


@pytest.mark.parametrize("make", METRICS)
def test_batches_weigh_by_their_real_tokens(make):
    metric = make()
    for row in range(2):
        metric.update_state(LABELS[row : row + 1], random_logits()[row : row + 1])
    assert float(metric.result()) == pytest.approx(value(make()), rel=1e-5)


@pytest.mark.parametrize("make", METRICS)
def test_a_sample_weight_of_zero_leaves_a_row_out(make):
    only = value(make(), LABELS[:1], random_logits()[:1])
    for weight in ([1.0, 0.0], [[1.0] * 4, [0.0] * 4]):
        assert value(make(), sample_weight=np.array(weight)) == pytest.approx(only, rel=1e-5)


@pytest.mark.parametrize(("make", "nothing"), [(TokenAccuracy, 0), (Perplexity, 1)])
def test_nothing_seen(make, nothing):
    metric = make()
    assert float(metric.result()) == nothing
    assert value(metric, np.zeros((1, 2), "int32"), random_logits()[:1, :2]) == nothing


@pytest.mark.parametrize("make", METRICS)
def test_reset_forgets(make):
    metric = make()
    value(metric, logits=random_logits(1))
    metric.reset_state()
    assert value(metric) == pytest.approx(value(make()))


@pytest.mark.parametrize("make", METRICS)
def test_config_round_trip(make):
    metric = make(name="other")
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(clone) is make
    assert clone.get_config() == metric.get_config()
