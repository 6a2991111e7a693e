"""Which pairs are in which batch: a pure function of (seed, epoch, index)."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import numpy as np

from keras_seq2seq.training.permutation import permuted, random_keys

# Up to so many pairs an order is drawn and kept, 8 bytes a pair. Above, each place is computed.
LARGEST_DRAWN = 2**22


@dataclasses.dataclass(frozen=True)
class Bucket:
    """The pairs whose batches share one fixed shape.

    Args:
        members: int, shape (pairs,). Indices of the pairs.
        source_length: int > 0. Source positions of every batch, eos included.
        target_length: int > 0. Target positions of every batch.
        batch_size: int > 0. Number of pairs in every batch.
    """

    members: np.ndarray
    source_length: int
    target_length: int
    batch_size: int

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.members) // self.batch_size)


@dataclasses.dataclass(frozen=True, eq=False)
class LengthTable:
    """How long the sides of pairs are, by the tokens of the longer side.

    Args:
        counts: int64, shape (longest + 1,). Number of pairs whose longer side has so many tokens.
        source, target: int64, shape (longest + 1,). Longest source and target of these pairs.
    """

    counts: np.ndarray
    source: np.ndarray
    target: np.ndarray

    @classmethod
    def of(cls, source: np.ndarray, target: np.ndarray, longest: int) -> "LengthTable":
        """Returns the table of pairs with these lengths; `longest` is at least the largest."""
        longer = np.maximum(source, target)
        counts = np.bincount(longer, minlength=longest + 1)
        table = cls(counts, np.zeros_like(counts), np.zeros_like(counts))
        np.maximum.at(table.source, longer, source)
        np.maximum.at(table.target, longer, target)
        return table

    def __add__(self, other: "LengthTable") -> "LengthTable":
        """Returns the table of both, which have the same `longest`."""
        return LengthTable(
            self.counts + other.counts,
            np.maximum(self.source, other.source),
            np.maximum(self.target, other.target),
        )


def make_buckets(
    order: np.ndarray,
    table: LengthTable,
    tokens_per_batch: int,
    num_shapes: int,
    rows_multiple: int = 1,
) -> list[Bucket]:
    """Cuts pairs into buckets of about equally many tokens.

    Args:
        order: int, shape (pairs,). The pairs by the length of their longer side.
        table: Of the same pairs.
        tokens_per_batch: int > 0. Maximum number of positions in a batch on the longer side.
        num_shapes: int > 0. Maximum number of buckets.
        rows_multiple: int > 0. The pairs of a batch are a multiple of it.
    Raises:
        ValueError: If a batch has no room for `rows_multiple` pairs.
    """
    lengths = np.flatnonzero(table.counts)
    counts = table.counts[lengths]
    share = np.cumsum(lengths * counts) / (lengths * counts).sum()
    # Equal lengths stay together, or two buckets would have the same shape.
    cuts = np.searchsorted(share, np.arange(1, num_shapes) / num_shapes) + 1
    edges = sorted({0, *cuts.tolist(), len(lengths)})
    ends = np.concatenate([[0], np.cumsum(counts)])
    buckets: list[Bucket] = []
    source_length = target_length = 0
    for start, stop in itertools.pairwise(edges):
        # Never shorter than the bucket before: if any two differ, the first and the last do.
        source_length = max(source_length, int(table.source[lengths[start:stop]].max()))
        target_length = max(target_length, int(table.target[lengths[start:stop]].max()))
        rows = tokens_per_batch // max(source_length, target_length)
        rows = max(1, rows) if rows_multiple == 1 else rows // rows_multiple * rows_multiple
        members = order[ends[start] : ends[stop]]
        buckets.append(Bucket(members, source_length, target_length, rows))
    if not buckets[-1].batch_size:
        longest = max(source_length, target_length)
        raise ValueError(
            "`tokens_per_batch` must have room for `rows_multiple` pairs of the longest shape, so "
            f"that each device gets some. Received: {tokens_per_batch} positions for "
            f"{rows_multiple} pairs of {longest}; take at least {rows_multiple * longest}, or "
            "twice as many with R-Drop."
        )
    return buckets


class BatchPlan:
    """The pairs of each batch of each epoch.

    Args:
        buckets: Those of `make_buckets`.
        shuffle: True draws a new order in each epoch; False keeps one order, by length.
        seed: int >= 0.
    """

    def __init__(self, buckets: Sequence[Bucket], *, shuffle: bool, seed: int) -> None:
        self.buckets = buckets
        self.shuffle = shuffle
        self.seed = seed
        self._edges = np.concatenate([[0], np.cumsum([len(bucket) for bucket in buckets])])
        self._drawn = functools.lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        return int(self._edges[-1])

    @property
    def is_drawn(self) -> bool:
        """Whether orders are drawn and kept, not computed."""
        return sum(len(bucket.members) for bucket in self.buckets) <= LARGEST_DRAWN

    def members(self, epoch: int, index: int) -> tuple[Bucket, np.ndarray]:
        """Returns the bucket and the pairs, int64, of one batch.

        Args:
            epoch: int >= 0.
            index: int, 0 <= index < len(self).
        """
        epoch = epoch if self.shuffle else 0
        if self.is_drawn:
            members, order = self._drawn(epoch)
            bucket, batch = self._place(int(order[index]))
            return self.buckets[bucket], members[bucket][batch]
        return self._computed(epoch, index)

    def _place(self, number: int) -> tuple[int, slice]:
        """Returns the bucket of a batch, and which of its members are in it."""
        bucket = int(np.searchsorted(self._edges, number, side="right")) - 1
        size = self.buckets[bucket].batch_size
        first = (number - int(self._edges[bucket])) * size
        return bucket, slice(first, min(first + size, len(self.buckets[bucket].members)))

    def _draw(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Returns the members of each bucket, and the numbers of the batches, in their orders."""
        generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        members = [np.asarray(bucket.members, "int64") for bucket in self.buckets]
        if self.shuffle:
            members = [generator.permutation(one) for one in members]
        order = generator.permutation(len(self)) if self.shuffle else np.arange(len(self))
        # Keras reads off the first two batches which axes vary: the longest, then the shortest.
        shapes = np.searchsorted(self._edges, order, side="right")
        ends = list(dict.fromkeys([int(np.argmax(shapes)), int(np.argmin(shapes))]))
        return members, np.concatenate([order[ends], np.delete(order, ends)])

    def _computed(self, epoch: int, index: int) -> tuple[Bucket, np.ndarray]:
        generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        keys = random_keys(generator, 1 + len(self.buckets))
        # The longest and the shortest first, as above; those of the last bucket are the longest.
        ends = list(dict.fromkeys([int(self._edges[-2]), 0]))
        if index < len(ends):
            number = ends[index]
        else:
            number = index - len(ends)
            if self.shuffle:
                number = int(permuted(np.array([number]), len(self) - len(ends), keys[0])[0])
            for end in sorted(ends):
                number += number >= end
        bucket, batch = self._place(number)
        members = self.buckets[bucket].members
        places = np.arange(batch.start, batch.stop)
        if self.shuffle:
            places = permuted(places, len(members), keys[1 + bucket])
        return self.buckets[bucket], np.asarray(members[places], "int64")
