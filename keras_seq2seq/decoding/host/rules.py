"""Which tokens a search may choose next, in NumPy: the rules of every strategy."""

import math
from collections.abc import Sequence

import numpy as np

from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID


def is_empty_source(source_ids: np.ndarray) -> np.ndarray:
    """Returns True, shape (batch,), where a source holds nothing but padding and eos."""
    return ~((source_ids != PAD_ID) & (source_ids != EOS_ID)).any(axis=1)


def length_limits(
    strategy: Strategy,
    source_ids: np.ndarray,
    max_length: int,
    prefixes: Sequence[Sequence[int]] | None = None,
) -> np.ndarray:
    """Returns the longest translation of each row in tokens, int, shape (batch,).

    A forced prefix is never cut, and one more token fits after it, within `max_length`.
    """
    limits = np.full(len(source_ids), max_length)
    if strategy.max_length_factor is not None:
        lengths = (source_ids != PAD_ID).sum(1).astype("float32")
        wanted = np.ceil(np.float32(strategy.max_length_factor) * lengths)
        limits = np.minimum(np.maximum(wanted, 1), max_length).astype(int)
    if prefixes is not None:
        limits = np.maximum(limits, [min(len(ids) + 1, max_length) for ids in prefixes])
    return limits


def adjust(strategy: Strategy, log_probs: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Returns the log-probabilities as the search compares them, -inf if forbidden.

    Args:
        strategy: Its rules.
        log_probs: float32, shape (rows, vocabulary_size).
        tokens: int, shape (rows, length). Tokens of each row so far.
    """
    adjusted = log_probs.copy()
    if strategy.repetition_penalty != 1:
        for row, seen in enumerate(tokens):
            adjusted[row, seen] = log_probs[row, seen] * np.float32(strategy.repetition_penalty)
    adjusted[:, strategy.forbidden(log_probs.shape[1])] = -math.inf
    if tokens.shape[1] < strategy.min_length:
        adjusted[:, EOS_ID] = -math.inf
    if size := strategy.no_repeat_ngram_size:
        for row, seen in enumerate(tokens):
            adjusted[row, _completing(seen, size)] = -math.inf
    return adjusted


def force(
    adjusted: np.ndarray,
    log_probs: np.ndarray,
    prefixes: Sequence[Sequence[int]] | None,
    position: int,
) -> np.ndarray:
    """Allows only the token of the prefix in each row whose prefix reaches `position`.

    Args:
        adjusted: float32, shape (rows, vocabulary_size), from `adjust`; changed in place.
        log_probs: The same before `adjust`.
        prefixes: Ids of each row, or None.
        position: int >= 0.
    """
    for row, ids in enumerate(prefixes or ()):
        if position < len(ids):
            adjusted[row] = -math.inf
            adjusted[row, ids[position]] = log_probs[row, ids[position]]
    return adjusted


def check_prefixes(
    prefixes: Sequence[Sequence[int]], rows: int, vocabulary_size: int, max_length: int
) -> None:
    """Checks that translations can begin with prefixes.

    Raises:
        ValueError: If there is not one for each row, one is longer than `max_length`, or holds
            pad, bos, eos, or an id outside the vocabulary.
    """
    if len(prefixes) != rows:
        raise ValueError(
            f"There must be one prefix for each source. Received: {len(prefixes)} for {rows}."
        )
    special = {PAD_ID, BOS_ID, EOS_ID}
    for ids in prefixes:
        if foreign := [i for i in ids if not 0 <= i < vocabulary_size or i in special]:
            raise ValueError(
                f"A prefix must hold ids below {vocabulary_size} that are neither pad, bos nor "
                f"eos. Received: {foreign}."
            )
        if len(ids) > max_length:
            raise ValueError(
                f"A prefix must have at most `max_length` tokens, {max_length}. "
                f"Received: {len(ids)}."
            )


def _completing(tokens: np.ndarray, size: int) -> list[int]:
    """Returns the ids that would repeat a sequence of `size` tokens."""
    last = tuple(tokens[len(tokens) - size + 1 :])
    return [
        int(tokens[end])
        for end in range(size - 1, len(tokens))
        if tuple(tokens[end - size + 1 : end]) == last
    ]
