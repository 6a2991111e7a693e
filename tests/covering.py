"""Few combinations of options in which any three options meet in all their values.

The first ones hold the most, so a test runs with `FIRST` of them and with all in `make test-long`.
"""

import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

FIRST = 8
# So many that every triple which may be is among them.
SAMPLE = 4000


def combinations(
    options: Mapping[str, Sequence[Any]], is_valid: Callable[[tuple[Any, ...]], bool]
) -> Iterator[tuple[Any, ...]]:
    """Yields valid combinations; with FULL_GRID=1 in the environment, every one there is."""
    everything = list(itertools.product(*options.values()))
    if os.environ.get("FULL_GRID"):
        yield from filter(is_valid, everything)
        return
    random.Random(0).shuffle(everything)
    drawn = list(itertools.islice(filter(is_valid, everything), SAMPLE))
    triples = _triples(drawn, options)
    is_open = np.zeros(triples.max() + 1, "int32")
    is_open[triples] = 1
    while is_open.any():
        best = int(is_open[triples].sum(1).argmax())
        is_open[triples[best]] = 0
        yield drawn[best]


def _triples(drawn: list[tuple[Any, ...]], options: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Returns a number for each three options and their values, (combinations, triples)."""
    values = np.array(
        [
            [choices.index(value) for choices, value in zip(options.values(), one, strict=True)]
            for one in drawn
        ]
    )
    size = max(map(len, options.values()))
    columns = []
    for i, (a, b, c) in enumerate(itertools.combinations(range(len(options)), 3)):
        columns.append(((i * size + values[:, a]) * size + values[:, b]) * size + values[:, c])
    return np.stack(columns, 1)
