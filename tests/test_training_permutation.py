import numpy as np
import pytest

from keras_seq2seq.training.permutation import permuted, random_keys


def keys(seed):
    return random_keys(np.random.default_rng(seed), 1)[0]


@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 1000, 70_001])
def test_every_thing_stands_at_one_place(size):
    found = permuted(np.arange(size), size, keys(size))
    np.testing.assert_array_equal(np.sort(found), np.arange(size))


def test_a_place_does_not_depend_on_the_others():
    whole = permuted(np.arange(5000), 5000, keys(0))
    places = np.array([7, 4999, 7, 0])
    np.testing.assert_array_equal(permuted(places, 5000, keys(0)), whole[places])


def test_more_things_than_32_bits_can_number():
    found = permuted(np.array([0, 2**32, 2**33 - 2]), 2**33 - 1, keys(0))
    assert len(set(found.tolist())) == 3
    assert 0 <= found.min() <= found.max() < 2**33 - 1


def test_orders_look_drawn():
    places = np.arange(40_000)
    first, second = (permuted(places, len(places), keys(seed)) for seed in (0, 1))
    for one, other in ((places, first), (first, second), (first[1:], first[:-1])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.025  # five standard deviations
    # Chance leaves one in its place, and two neighbours beside each other.
    assert (first == places).sum() < 8
    assert (np.abs(np.diff(first)) == 1).sum() < 12
