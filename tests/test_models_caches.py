"""Both kinds of caches hold the same keys and values, whatever their layout."""

import keras
import numpy as np
import pytest
from conftest import random_ids

from keras_seq2seq.models.caches import FIXED, GROWING
from keras_seq2seq.models.multi_head_attention import CachedSelfAttention

BATCH, HEADS, HEAD_SIZE, MAX_LENGTH = 3, 2, 4, 6
SIZES = HEADS, HEAD_SIZE, MAX_LENGTH
arrays = keras.ops.convert_to_numpy


def normal(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def filled(cache, tokens):
    """Yields what `append` returns for one token after the other."""
    source_ids = keras.ops.convert_to_tensor(random_ids(BATCH, 5))
    kept = cache.empty(source_ids, cache.shapes(*SIZES), "float32")
    for t, (keys, values) in enumerate(tokens):
        position = keras.ops.full((BATCH, 1), t, "int32")
        found = cache.append(*kept, *keras.ops.convert_to_tensor([keys, values]), position)
        kept = found[:2]
        yield found


def tokens(count):
    return list(normal(count, 2, BATCH, HEADS, 1, HEAD_SIZE))


def test_fixed_and_growing_caches_hold_the_same_keys_and_values():
    given = tokens(MAX_LENGTH)
    both = zip(filled(FIXED, given), filled(GROWING, given), strict=True)
    for t, (fixed, growing) in enumerate(both):
        _, values, columns, visible = fixed
        seen = np.broadcast_to(arrays(visible), (BATCH, 1, 1, MAX_LENGTH))
        assert (seen == (np.arange(MAX_LENGTH) <= t)).all()
        np.testing.assert_array_equal(arrays(columns)[..., : t + 1], arrays(growing[2]))
        np.testing.assert_array_equal(arrays(values)[:, :, : t + 1], arrays(growing[1]))
        assert growing[3] is None
        np.testing.assert_array_equal(
            arrays(growing[1]), np.concatenate([v for _, v in given[: t + 1]], 2)
        )


@pytest.mark.parametrize(("cache", "lengths"), [(FIXED, [6] * 4), (GROWING, [1, 2, 3, 4])])
def test_only_a_growing_cache_changes_its_length(cache, lengths):
    assert [found[1].shape[2] for found in filled(cache, tokens(4))] == lengths


@pytest.mark.parametrize("cache", [FIXED, GROWING])
def test_shapes_are_those_of_the_caches_none_where_they_grow(cache):
    for keys, values, *_ in filled(cache, tokens(3)):
        for found, shape in zip((keys, values), cache.shapes(*SIZES), strict=True):
            assert all(size in (None, n) for n, size in zip(found.shape[1:], shape, strict=True))


def test_a_layer_attends_alike_through_both():
    layer, x = CachedSelfAttention(HEADS), normal(BATCH, 5, HEADS * HEAD_SIZE)
    source_ids = keras.ops.convert_to_tensor(random_ids(BATCH, 5))
    fixed, growing = (c.empty(source_ids, c.shapes(*SIZES), "float32") for c in (FIXED, GROWING))
    zeros = keras.ops.zeros((BATCH, 1), "int32")
    expected, *_ = layer(x, *fixed, zeros)
    for t in range(5):
        first, *fixed = layer.step(x[:, t], *fixed, zeros + t)
        second, *growing = layer.step(x[:, t], *growing, zeros + t, cache=GROWING)
        for found in (first, second):
            np.testing.assert_allclose(found, expected[:, t], rtol=1e-5, atol=1e-5)
