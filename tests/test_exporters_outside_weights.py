import keras
import numpy as np
import pytest

from keras_seq2seq.exporters.outside_weights import SMALLEST, OutsideWeights, numbers_of


@pytest.fixture
def dense():
    layer = keras.layers.Dense(SMALLEST // 64)
    layer.build((None, 64))
    return layer


def test_only_large_weights_are_kept_outside(dense):
    outside = OutsideWeights([*dense.weights, dense.kernel])
    assert [variable.path for variable in outside.variables] == [dense.kernel.path]


def test_their_names_are_unique(dense):
    others = [
        keras.Variable(np.zeros((SMALLEST, 1)), dtype="float32", name="same") for _ in range(3)
    ]
    names = OutsideWeights([dense.kernel, *others]).names
    assert len(set(names)) == 4
    assert names[0] == dense.kernel.path


def test_numbers_are_those_of_the_variable_and_cannot_be_changed(dense):
    numbers = numbers_of(dense.kernel)
    np.testing.assert_array_equal(numbers, dense.kernel.numpy())
    with pytest.raises(ValueError, match="read-only"):
        numbers[0, 0] = 1


def test_numbers_follow_an_assignment(dense):
    outside = OutsideWeights(dense.weights)
    dense.kernel.assign(dense.kernel * 0 + 3)
    assert (outside.numbers(0) == 3).all()


def test_a_function_sees_the_stand_ins(dense):
    outside = OutsideWeights(dense.weights)
    twos = keras.ops.full(dense.kernel.shape, 2.0)
    found = outside.called_with([twos], lambda: dense(keras.ops.ones((1, 64))))
    np.testing.assert_array_equal(found, 128)
    assert not np.allclose(dense(keras.ops.ones((1, 64))), 128)
