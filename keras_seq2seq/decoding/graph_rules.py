"""What a search may choose next, in keras.ops: the rules that every strategy can be told."""

from typing import Any

import keras

from keras_seq2seq.config import EOS_ID, PAD_ID
from keras_seq2seq.decoding.strategy import FORBIDDEN, Strategy

ops = keras.ops


def is_empty_source(source_ids: Any) -> Any:
    """Returns True, shape (batch,), where a source holds nothing but padding and eos."""
    real = ops.logical_and(ops.not_equal(source_ids, PAD_ID), ops.not_equal(source_ids, EOS_ID))
    return ops.logical_not(ops.any(real, axis=1))


def length_limits(strategy: Strategy, source_ids: Any, max_length: int) -> Any:
    """Returns the most tokens of each row's translation, int32, shape (batch,)."""
    zeros = ops.zeros_like(source_ids[:, 0], dtype="int32")
    if strategy.max_length_factor is None:
        return zeros + max_length
    lengths = ops.sum(ops.cast(ops.not_equal(source_ids, PAD_ID), "float32"), axis=1)
    wanted = ops.cast(ops.ceil(strategy.max_length_factor * lengths), "int32")
    return ops.minimum(ops.maximum(wanted, 1), zeros + max_length)


def adjust(strategy: Strategy, log_probs: Any, tokens: Any, position: Any) -> Any:
    """Returns the log-probabilities as the search compares them, -1e9 for what is forbidden.

    Args:
        strategy: Its rules.
        log_probs: float32, shape (rows, vocabulary_size).
        tokens: int32, shape (rows, max_length). What each row has already, then zeros.
        position: int32 scalar. Tokens that each row has.
    """
    vocabulary = log_probs.shape[-1]
    adjusted = log_probs
    if strategy.repetition_penalty != 1:
        seen = _contains(tokens, vocabulary)
        adjusted = ops.where(seen, log_probs * strategy.repetition_penalty, log_probs)
    # What is always forbidden is added, not chosen by `where`: one cheap pass over a constant.
    always = strategy.forbidden(vocabulary)
    adjusted = adjusted + ops.convert_to_tensor(
        [[FORBIDDEN if token in always else 0.0 for token in range(vocabulary)]]
    )
    if strategy.min_length > 0:
        is_eos = ops.arange(vocabulary, dtype="int32") == EOS_ID
        too_early = ops.logical_and(is_eos, position < strategy.min_length)
        adjusted = ops.where(too_early[None, :], FORBIDDEN, adjusted)
    if 0 < strategy.no_repeat_ngram_size <= tokens.shape[1]:
        completing = _completing(tokens, position, strategy.no_repeat_ngram_size)
        adjusted = ops.where(_contains(completing, vocabulary), FORBIDDEN, adjusted)
    return adjusted


def pick(values: Any, places: Any) -> Any:
    """Returns values[row, chosen[row, j]], where places = row * many + chosen.

    Args:
        values: Any dtype, shape (batch, many, ...), the rest known.
        places: int32, shape (batch, few).
    Returns:
        Shape (batch, few, ...).
    """
    return ops.take(ops.reshape(values, (-1, *values.shape[2:])), places, axis=0)


def is_nan(log_probs: Any) -> Any:
    """Returns True where a log-probability is NaN; LiteRT has no operator for that."""
    return ops.logical_not(log_probs <= 1)


def _contains(ids: Any, vocabulary: int) -> Any:
    """Returns bool, shape (rows, vocabulary): which ids each row holds; pad may be among them."""
    rows = ops.shape(ids)[0]
    places = ops.arange(rows, dtype="int32")[:, None] * vocabulary + ids
    ones = ops.ones_like(places, dtype="float32")
    counts = ops.scatter(
        ops.reshape(places, (-1, 1)), ops.reshape(ones, (-1,)), (rows * vocabulary,)
    )
    return ops.reshape(counts, (-1, vocabulary)) > 0


def _completing(tokens: Any, position: Any, size: int) -> Any:
    """Returns the ids that would complete a sequence of `size` tokens that is there, else pad."""
    length = tokens.shape[1]
    positions = ops.arange(length, dtype="int32")[None, :]
    starts = positions[:, : length - size + 1]
    found = starts < position - (size - 1)
    for k in range(size - 1):
        here = positions == position - (size - 1) + k
        last = ops.sum(ops.where(here, tokens, 0), axis=1, keepdims=True)
        same = tokens[:, k : length - size + 1 + k] == last
        found = ops.logical_and(found, same)
    return ops.where(found, tokens[:, size - 1 :], PAD_ID)
