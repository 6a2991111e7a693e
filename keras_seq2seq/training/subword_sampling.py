"""Subword sampling: draws alternative segmentations of a text, the same in every process."""

import itertools
import threading
from collections.abc import Sequence
from typing import final

import numpy as np

from keras_seq2seq.text.tokenizer import Tokenizer
from keras_seq2seq.training.ragged import Ragged

Ids = tuple[int, ...]

# Number of segmentations per word to draw from; at alpha 0.2 the others would be rare.
CANDIDATES = 32
# Tokens of known segmentations above which the newest are forgotten: 250 MB, some 300,000 words.
MOST_TOKENS = 2**25
_WORD_START = "▁"


@final
class SubwordSampler:
    """Draws a random segmentation of a text, word by word, instead of the best one.

    At the level "subword" no piece crosses a space, so the probability of a segmentation is the
    product over its words. Each word is drawn separately among its 32 most probable segmentations,
    with P(segmentation) ** alpha, normalised. A word with a user-defined symbol or byte pieces
    stays as it is. The draws come from the caller's generator and so can be repeated; those of
    SentencePiece are seeded anew in each process. Segmentations of a word are looked for once.

    Args:
        tokenizer: A tokenizer of the level "subword".
        alpha: float, 0 <= alpha <= 1. 1 draws by probability, 0 uniformly.
    Raises:
        ValueError: If `alpha` is out of its range or the tokenizer is of another level.
    Reference:
        Kudo 2018, section 3.
    """

    def __init__(self, tokenizer: Tokenizer, alpha: float) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"`alpha` must be 0 to 1. Received: {alpha}.")
        tokenizer.segmentations("a", 1)  # raises at once for other levels
        self.tokenizer = tokenizer
        self.alpha = alpha
        pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
        self._starts_word = np.array([piece.startswith(_WORD_START) for piece in pieces])
        self._scores = np.array(tokenizer.scores)
        self._known = _Candidates()
        self._lock = threading.Lock()  # `fit` may read batches in several threads

    def __reduce__(self) -> tuple[type["SubwordSampler"], tuple[Tokenizer, float]]:
        return SubwordSampler, (self.tokenizer, self.alpha)

    def sample(self, ids: Sequence[int], generator: np.random.Generator) -> list[int]:
        """Returns the ids of a random segmentation of the same text.

        Args:
            ids: The ids that `Tokenizer.encode` gave for one text.
            generator: Draws one number for each word.
        """
        return self.sample_rows(Ragged.of([ids]), generator).ids.tolist()

    def sample_rows(
        self, rows: Ragged, generator: np.random.Generator, chosen: slice = slice(None)
    ) -> Ragged:
        """Returns random segmentations of several texts.

        They are those of `sample` for one text after the other.

        Args:
            rows: The ids of each text.
            generator: Draws one number for each word, in order.
            chosen: The rows that are returned; numbers are drawn for the words of all.
        """
        is_start = self._starts_word[rows.ids]
        is_start[rows.edges[:-1][rows.lengths > 0]] = True
        starts = np.flatnonzero(is_start)
        dice = generator.random(len(starts))
        low, high, _ = chosen.indices(len(rows))
        # The first word of each row, and the end of the last.
        firsts = np.searchsorted(starts, rows.edges[low : max(low, high) + 1])
        edges = np.append(starts, len(rows.ids))[firsts[0] : firsts[-1] + 1]
        with self._lock:
            numbers = self._numbers(Ragged(rows.ids, edges))
            drawn = self._known.drawn(numbers, dice[firsts[0] : firsts[-1]])
        return Ragged(drawn.ids, drawn.edges[firsts - firsts[0]])

    def _numbers(self, words: Ragged) -> np.ndarray:
        """Returns the number of each word, int64; learns the segmentations of new ones."""
        known = self._known
        if known.tokens.size > MOST_TOKENS:
            # Frequent words are met first, so rare ones go.
            known.forget(len(known.numbers) // 8)
        first = int(words.edges[0])
        data = words.ids[first : int(words.edges[-1])].astype("int32").tobytes()
        edges = ((words.edges - first) * 4).tolist()
        keys = [data[a:b] for a, b in itertools.pairwise(edges)]
        if new := [key for key in dict.fromkeys(keys) if key not in known.numbers]:
            self._learn(new)
        return np.fromiter(map(known.numbers.__getitem__, keys), "int64", len(keys))

    def _learn(self, keys: list[bytes]) -> None:
        """Looks for the segmentations of words, and for their cumulative probabilities."""
        words = [np.frombuffer(key, "int32").tolist() for key in keys]
        found = self.tokenizer.word_segmentations(words, CANDIDATES)
        # A word that does not encode back to its ids, such as one with unk, stays as it is.
        found = [
            rows if rows and rows[0] == word else [word]
            for word, rows in zip(words, found, strict=True)
        ]
        counts = np.fromiter(map(len, found), "int64", len(found))
        segmentations = Ragged.of([ids for rows in found for ids in rows])
        places = np.repeat(np.arange(len(segmentations)), segmentations.lengths)
        scores = np.bincount(places, self._scores[segmentations.ids], len(segmentations))
        is_there = np.arange(counts.max()) < counts[:, None]
        log_probs = np.full(is_there.shape, -np.inf)
        log_probs[is_there] = self.alpha * scores
        thresholds = np.exp(log_probs - log_probs.max(axis=1, keepdims=True)).cumsum(axis=1)
        thresholds /= thresholds[:, -1:]
        thresholds[np.arange(len(counts)), counts - 1] = 1.0
        self._known.add(keys, segmentations, counts, thresholds[is_there])


class _Candidates:
    """The segmentations of words, one after the other in flat arrays."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}  # by the int32 ids of a word
        self.first = _Growing("int64", [0])  # of each word, the place of its first segmentation
        self.thresholds = _Growing("float64")
        self.edges = _Growing("int64", [0])  # of each segmentation, in `tokens`
        self.tokens = _Growing("int32")

    def add(
        self, keys: Sequence[bytes], segmentations: Ragged, counts: np.ndarray, shares: np.ndarray
    ) -> None:
        """Adds words.

        Args:
            keys: The words.
            segmentations: Those of all words, one word after the other.
            counts: Number of segmentations of each word.
            shares: Cumulative probability of each segmentation of its word.
        """
        self.forget(0)  # what Ctrl-C may have left of others
        first, start = self.thresholds.size, self.tokens.size
        self.tokens.extend(segmentations.ids)
        self.edges.extend(start + segmentations.edges[1:])
        self.thresholds.extend(shares)
        self.first.extend(first + np.cumsum(counts))
        for key in keys:
            self.numbers[key] = len(self.numbers)

    def forget(self, count: int) -> None:
        """Forgets the words that were added last."""
        for _ in range(count):
            self.numbers.popitem()
        self.first.size = len(self.numbers) + 1
        self.thresholds.size = int(self.first.values[-1])
        self.edges.size = self.thresholds.size + 1
        self.tokens.size = int(self.edges.values[-1])

    def drawn(self, words: np.ndarray, dice: np.ndarray) -> Ragged:
        """Returns the segmentation of each word that its dice, in [0, 1), chooses."""
        first, thresholds = self.first.values, self.thresholds.values
        low, high = first[words], first[words + 1] - 1
        # `np.searchsorted(thresholds of the word, dice, side="right")`, for all words at once.
        while (low < high).any():
            middle = (low + high) // 2
            is_above = thresholds[middle] <= dice
            low = np.where(is_above, middle + 1, low)
            high = np.where(is_above, high, middle)
        return Ragged(self.tokens.values, self.edges.values).rows(low)


class _Growing:
    """An array that grows at its end, with room for as much again."""

    def __init__(self, dtype: str, values: Sequence[int] = ()) -> None:
        self._room = np.zeros(1024, dtype)
        self.size = 0
        self.extend(values)

    @property
    def values(self) -> np.ndarray:
        return self._room[: self.size]

    def extend(self, values: Sequence[int] | np.ndarray) -> None:
        end = self.size + len(values)
        if end > len(self._room):
            self._room = np.concatenate([self.values, np.zeros(end, self._room.dtype)])
        self._room[self.size : end] = values
        self.size = end
