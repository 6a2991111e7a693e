"""Random choice that is the same on every platform and Python version."""

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Options with their weights.

    Args:
        *options: Pairs of a weight > 0 and an item, at least one.
    """

    def __init__(self, *options: tuple[float, T]) -> None:
        self.items = tuple(item for _, item in options)
        self.bounds = tuple(accumulate(weight for weight, _ in options))


class Dice:
    """Draws from `random.Random(seed).random()`, the one stream Python promises to keep.

    Args:
        seed: int >= 0.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """Returns True with a probability in 0..1."""
        return self._random() < probability

    def choose(self, items: Sequence[T]) -> T:
        """Returns one of the items, all equally likely."""
        return items[int(self._random() * len(items))]

    def weigh(self, options: Weighted[T]) -> T:
        """Returns one of the options by weight."""
        position = bisect(options.bounds, self._random() * options.bounds[-1])
        return options.items[position]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Returns the items in random order."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            result[last], result[other] = result[other], result[last]
        return result
