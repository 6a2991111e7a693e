"""What a search may choose next, in NumPy: the rules that every strategy can be told."""

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
    """Returns the most tokens of each row's translation, int, shape (batch,).

    A forced prefix is never cut, and has room for one more token, but for `max_length`.
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
    """Returns the log-probabilities as the search compares them, -inf for what is forbidden.

    Args:
        strategy: Its rules.
        log_probs: float32, shape (rows, vocabulary_size).
        tokens: int, shape (rows, length). What each row has already.
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
    """Leaves to each row whose prefix goes on at `position` that token alone.

    Args:
        adjusted: float32, shape (rows, vocabulary_size), of `adjust`.
        log_probs: The same before.
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
            pad, bos, eos, or an id that the vocabulary has not.
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
    """Returns the ids that would complete a sequence of `size` tokens that is there already."""
    last = tuple(tokens[len(tokens) - size + 1 :])
    return [
        int(tokens[end])
        for end in range(size - 1, len(tokens))
        if tuple(tokens[end - size + 1 : end]) == last
    ]
