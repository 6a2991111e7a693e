"""Pairs as ids, in memory or on disk, with all that batches are made from."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.batch_plan import LengthTable
from keras_seq2seq.training.ragged import Ragged

BLOCK = 20_000  # pairs that are encoded at once
PART = 2**20  # numbers that are looked at at once where there may be any number of them


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedPairs:
    """Pairs as ids.

    Args:
        source, target: The ids of each side, eos at the end.
        order: int, shape (pairs,). The pairs by the length of the longer side, then of the
            shorter, then by their place.
        table: Their lengths.
    """

    source: Ragged
    target: Ragged
    order: np.ndarray
    table: LengthTable

    @classmethod
    def of(cls, source: Ragged, target: Ragged) -> "EncodedPairs":
        """Returns pairs that are in memory."""
        sides = source.lengths, target.lengths
        longer = np.maximum(*sides)
        order = np.lexsort((np.minimum(*sides), longer))
        return cls(source, target, order, LengthTable.of(*sides, int(longer.max())))

    def __len__(self) -> int:
        return len(self.order)

    @property
    def num_target_tokens(self) -> int:
        """Number of target ids, eos included."""
        return len(self.target.ids)

    @functools.cached_property
    def digest(self) -> str:
        """Hexadecimal digest of all lengths and ids; reads all of them."""
        return self.hashed().hexdigest()

    def hashed(self) -> Any:
        """Returns the hash that has read all lengths and ids."""
        return digest_of(self._numbers())

    def _numbers(self) -> Iterator[np.ndarray]:
        for side in (self.source, self.target):
            for start in range(0, len(side), PART):
                yield np.diff(side.edges[start : start + PART + 1])
            for start in range(0, len(side.ids), PART):
                yield side.ids[start : start + PART]


def digest_of(numbers: Iterable[np.ndarray]) -> Any:
    """Returns the hash of the lengths and the ids of the sources, then of the targets."""
    digest = hashlib.sha256()
    for part in numbers:
        digest.update(part.astype("<i8").tobytes())
    return digest


@dataclasses.dataclass(frozen=True)
class Block:
    """Some pairs as ids, and which of the given ones they are.

    Args:
        source, target: The ids of pairs that fit, eos at the end.
        kept: int64, shape (pairs,). Their places among the given ones.
        dropped: int >= 0. Number of pairs with a side that is too long.
        longest: int >= 0. Tokens of the longest side, of pairs that are left out too.
    """

    source: Ragged
    target: Ragged
    kept: np.ndarray
    dropped: int
    longest: int


def encode_block(
    pairs: Sequence[tuple[Any, Any]],
    tokenizers: TokenizerPair,
    max_length: int,
    num_threads: int = 1,
) -> Block:
    """Encodes pairs.

    Args:
        pairs: Pairs (source_text, target_text).
        tokenizers: Those of both sides.
        max_length: int > 1. Maximum tokens of a side, eos included.
        num_threads: int > 0. Threads of SentencePiece.
    """
    sides = (tokenizers.source, tokenizers.target)
    texts = zip(*pairs, strict=True) if pairs else ((), ())
    source, target = (
        side.encode(list(column), add_eos=True, num_threads=num_threads)
        for side, column in zip(sides, texts, strict=True)
    )
    longer = np.fromiter(map(max, map(len, source), map(len, target)), "int64", len(source))
    fits = longer <= max_length
    return Block(
        Ragged.of(itertools.compress(source, fits), id_type(tokenizers.source.vocabulary_size)),
        Ragged.of(itertools.compress(target, fits), id_type(tokenizers.target.vocabulary_size)),
        np.flatnonzero(fits),
        int((~fits).sum()),
        int(longer.max(initial=0)),
    )


def joined(blocks: Sequence[Block]) -> tuple[EncodedPairs, np.ndarray]:
    """Returns the pairs of blocks, and the places of all among the given ones."""
    source = Ragged.joined([block.source for block in blocks])
    target = Ragged.joined([block.target for block in blocks])
    sizes = [len(block.kept) + block.dropped for block in blocks]
    starts = np.cumsum([0, *sizes])[:-1]
    kept = [block.kept + start for block, start in zip(blocks, starts, strict=True)]
    return EncodedPairs.of(source, target), np.concatenate(kept)


def id_type(vocabulary_size: int) -> str:
    """Returns the smallest type of little-endian integers that holds all ids."""
    return "<u2" if vocabulary_size <= 2**16 else "<u4"


def in_blocks(pairs: Iterable[Any]) -> Iterator[list[Any]]:
    """Yields lists of `BLOCK` items, the last one shorter."""
    rest = iter(pairs)
    while block := list(itertools.islice(rest, BLOCK)):
        yield block
