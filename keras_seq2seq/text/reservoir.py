"""A random sample of any number of things, in the memory of the sample."""

import itertools
import math
import sys
from collections.abc import Iterable
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
MAX_SENTENCES = 10_000_000


def reservoir(items: Iterable[Item], size: int, seed: int) -> list[Item]:
    """Returns all items if there are at most `size`, else a sample; each has the same chance.

    The same items and the same seed give the same sample. All items are read.

    Args:
        items: Any number of them.
        size: int > 0. Most items to return.
        seed: int >= 0.
    Raises:
        ValueError: If a number is out of its range.
    Reference:
        Li 1994, algorithm L.
    """
    if size < 1 or seed < 0:
        raise ValueError(
            "`max_sentences` must be at least 1 and `seed` at least 0. "
            f"Received: max_sentences={size}, seed={seed}."
        )
    rest = iter(items)
    kept = list(itertools.islice(rest, size))
    if len(kept) < size:
        return kept
    generator = np.random.Generator(np.random.Philox(key=seed))

    def draw() -> float:
        return float(1.0 - generator.random())  # above 0, for the logarithm

    largest = math.exp(math.log(draw()) / size)
    while True:
        skipped = min(math.log(draw()) / math.log1p(-largest), sys.maxsize // 2)
        place = int(generator.integers(size))
        try:
            kept[place] = next(itertools.islice(rest, int(skipped), None))
        except StopIteration:
            return kept
        largest *= math.exp(math.log(draw()) / size)
