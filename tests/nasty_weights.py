"""Weights that a quantiser may get wrong."""

import numpy as np


def nasty(rows, columns, seed=0):
    """Returns weights with rows of zeros, of one value, of denormals and with huge values."""
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(rows, columns)).astype("float32")
    kinds = draw.integers(0, 12, rows)
    kinds[:12] = np.arange(12)
    table[kinds == 0] = 0
    table[kinds == 1] = 0.5
    table[kinds == 2] = -3
    for kind, least in enumerate((1e-36, 1e-37, 1e-40, 1e-44), start=3):
        table[kinds == kind] *= np.float32(least)
    table[kinds == 7, 0] = 1e30
    table[kinds == 8] = 3e38
    table[kinds == 9, 1:] = 0
    return table
