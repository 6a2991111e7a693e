"""A random order of any number of things, computed place by place instead of kept."""

import numpy as np

ROUNDS = 6
# Odd, without a pattern in its bits: 2**64 divided by the golden ratio.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def random_keys(generator: np.random.Generator, count: int) -> np.ndarray:
    """Returns keys of `count` orders: uint64, shape (count, ROUNDS)."""
    return generator.integers(0, 2**64, (count, ROUNDS), dtype="uint64")


def permuted(places: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """Returns what stands at some places of a random order of 0 to size - 1.

    A Feistel network over the next power of four; what falls outside is sent through it again,
    until it falls inside. So it is a bijection, and needs no memory for the other places.

    Args:
        places: int, shape (places,), each 0 <= place < size.
        size: int > 0.
        keys: uint64, shape (ROUNDS,). They choose the order.
    Returns:
        int64, shape (places,).
    """
    bits = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    mask = (np.uint64(1) << bits) - np.uint64(1)
    found = np.array(places, "uint64")
    outside = np.ones(found.shape, bool)
    while outside.any():
        left, right = found[outside] >> bits, found[outside] & mask
        for key in keys:
            left, right = right, (left ^ _mixed(right, key)) & mask
        found[outside] = (left << bits) | right
        outside = found >= np.uint64(size)
    return found.astype("int64")


def _mixed(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """Returns numbers in which each bit depends on all bits of a value and of the key."""
    mixed = (values + key) * _GOLDEN
    mixed ^= mixed >> np.uint64(32)
    mixed *= key | np.uint64(1)
    mixed ^= mixed >> np.uint64(29)
    mixed *= _GOLDEN
    return mixed ^ (mixed >> np.uint64(32))
