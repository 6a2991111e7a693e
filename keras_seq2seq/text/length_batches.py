"""Groups texts of similar length, so that a batch has little padding."""

import math
from collections.abc import Iterator, Sequence


def length_batches(
    lengths: Sequence[int], most: int, tokens_per_batch: float = math.inf
) -> Iterator[list[int]]:
    """Yields the indices of the members of each batch, the shortest first.

    Args:
        lengths: Tokens of each text.
        most: int > 0. Largest number of members.
        tokens_per_batch: Most tokens of a batch, padding included; a longer text is a batch of its
            own.
    """
    members: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        # In this order the newest member is the longest.
        full = len(members) == most or (len(members) + 1) * lengths[i] > tokens_per_batch
        if members and full:
            yield members
            members = []
        members.append(i)
    if members:
        yield members
