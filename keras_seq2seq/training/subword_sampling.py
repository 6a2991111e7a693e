"""Subword sampling: draws alternative segmentations of a text, the same in every process."""

import functools
import itertools
from collections.abc import Sequence
from typing import final

import numpy as np

from keras_seq2seq.text.tokenizer import Tokenizer

Ids = tuple[int, ...]

# Number of segmentations per word to draw from; at alpha 0.2 the others would be rare.
CANDIDATES = 32
_WORD_START = "▁"


@final
class SubwordSampler:
    """Draws a random segmentation of a text, word by word, instead of the best one.

    At the level "subword" no piece crosses a space, so the probability of a segmentation is the
    product over its words. Each word is drawn separately among its 32 most probable segmentations,
    with P(segmentation) ** alpha, normalised. A word with a user-defined symbol or byte pieces
    stays as it is. The draws come from the caller's generator and so can be repeated; those of
    SentencePiece are seeded anew in each process.

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
        self._candidates = functools.cache(self._find_candidates)

    def sample(self, ids: Sequence[int], generator: np.random.Generator) -> list[int]:
        """Returns the ids of a random segmentation of the same text.

        Args:
            ids: The ids that `Tokenizer.encode` gave for one text.
            generator: Draws one number for each word.
        """
        starts = np.flatnonzero(self._starts_word[np.asarray(ids, int)]).tolist()
        edges = sorted({0, *starts, len(ids)})
        words = [tuple(ids[a:b]) for a, b in itertools.pairwise(edges)]
        drawn: list[int] = []
        for word, dice in zip(words, generator.random(len(words)), strict=True):
            segmentations, thresholds = self._candidates(word)
            drawn += segmentations[int(np.searchsorted(thresholds, dice, side="right"))]
        return drawn

    def _find_candidates(self, word: Ids) -> tuple[list[Ids], np.ndarray]:
        """Returns the segmentations of a word and their cumulative probabilities."""
        found = self.tokenizer.segmentations(self.tokenizer.decode(word), CANDIDATES)
        # A word that does not encode back to its ids, such as one with unk, stays as it is.
        if not found or found[0][0] != word:
            return [word], np.array([1.0])
        log_probs = self.alpha * np.array([log_prob for _, log_prob in found])
        shares = np.exp(log_probs - log_probs.max())
        thresholds = np.cumsum(shares) / shares.sum()
        thresholds[-1] = 1.0
        return [ids for ids, _ in found], thresholds
