"""How far a quantised file says what float32 says, which needs no references."""

import collections
import math
from collections.abc import Sequence

import numpy as np

from keras_seq2seq.decoding.hypothesis import Hypothesis
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID

# A model is undecided about a translation whose tokens have on average a smaller probability than
# one over the fourth root of the number of ids: its words flip with the last digit of a weight.
UNDECIDED = 0.25


def agreement(
    expected: Sequence[Hypothesis], found: Sequence[Hypothesis], vocabulary_size: int
) -> float | None:
    """Returns how far translations agree with those of float32.

    Counted are pairs of neighbouring tokens, the ends of a sentence included: unrelated sentences
    of one language share a tenth of them, also where a token is a character. Sentences about which
    float32 is undecided do not count: an untrained model gives other words for any rounding.

    Args:
        expected: The translations by the float32 file.
        found: Those of the same sources by the other file.
        vocabulary_size: int > 1. Number of target ids.
    Returns:
        0 to 100, per cent of the pairs that both have; None if float32 is undecided about all.
    """
    shared = total = 0
    for first, second in zip(expected, found, strict=True):
        if is_decided(first, vocabulary_size):
            one, other = _neighbours(first.ids), _neighbours(second.ids)
            shared += 2 * (one & other).total()
            total += one.total() + other.total()
    return 100 * shared / total if total else None


def is_decided(hypothesis: Hypothesis, vocabulary_size: int) -> bool:
    """Returns True if the tokens of a translation are far more probable than a guess."""
    log_probs = np.asarray(hypothesis.token_log_probs)
    return not log_probs.size or log_probs.mean() >= -UNDECIDED * math.log(vocabulary_size)


def _neighbours(ids: Sequence[int]) -> collections.Counter[tuple[int, int]]:
    return collections.Counter(zip((BOS_ID, *ids), (*ids, EOS_ID), strict=True))
