import keras
import numpy as np
import pytest

from keras_seq2seq.training.optimizer import learning_rate
from keras_seq2seq.training.recipe_sections import TrainingRecipe
from keras_seq2seq.training.schedules import InverseSquareRoot


def rates(schedule, steps):
    return [float(schedule(step)) for step in range(steps)]


def test_the_rate_rises_to_its_peak_and_falls_with_the_root_of_the_step():
    found = rates(InverseSquareRoot(0.005, 10), 1000)
    np.testing.assert_allclose(found[:10], 0.0005 * np.arange(1, 11), rtol=1e-5)
    assert max(found) == pytest.approx(found[9]) == pytest.approx(0.005)
    assert found[39] == pytest.approx(0.0025)
    assert found[999] == pytest.approx(0.0005)


def test_the_peak_of_noam():
    units, warmup = 64, 400
    found = rates(InverseSquareRoot((units * warmup) ** -0.5, warmup), 900)
    step = np.arange(1, 901)
    expected = units**-0.5 * np.minimum(step**-0.5, step * warmup**-1.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_optimizer_with_it_survives_a_file():
    optimizer = keras.optimizers.Adam(InverseSquareRoot(0.1, 7))
    loaded = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert rates(loaded._learning_rate, 20) == rates(optimizer._learning_rate, 20)


@pytest.mark.parametrize(("schedule", "kind"), [("cosine", "CosineDecay"), ("constant", "float")])
def test_the_recipe_chooses(schedule, kind):
    rate = learning_rate(TrainingRecipe(schedule=schedule, warmup_steps=5), 100)
    assert type(rate).__name__ == kind


@pytest.mark.parametrize("arguments", [(0.0, 5), (0.1, 0)])
def test_numbers_are_positive(arguments):
    with pytest.raises(ValueError, match="`peak` must be above 0 and `warmup_steps` at least 1"):
        InverseSquareRoot(*arguments)
