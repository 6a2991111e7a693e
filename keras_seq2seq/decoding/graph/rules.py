"""Which tokens a search may choose next, in keras.ops: the rules of every strategy."""

import dataclasses

import keras

from keras_seq2seq.decoding.graph.exact_lookup import exact_lookup
from keras_seq2seq.decoding.hypothesis import FORBIDDEN
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.models.tensor import Tensor
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

ops = keras.ops


def is_empty_source(source_ids: Tensor) -> Tensor:
    """Returns True, shape (batch,), where a source holds nothing but padding and eos."""
    real = ops.logical_and(ops.not_equal(source_ids, PAD_ID), ops.not_equal(source_ids, EOS_ID))
    return ops.logical_not(ops.any(real, axis=1))


def length_limits(strategy: Strategy, source_ids: Tensor, max_length: int) -> Tensor:
    """Returns the longest translation of each row in tokens, int32, shape (batch,)."""
    zeros = ops.zeros_like(source_ids[:, 0], dtype="int32")
    if strategy.max_length_factor is None:
        return zeros + max_length
    lengths = ops.sum(ops.cast(ops.not_equal(source_ids, PAD_ID), "float32"), axis=1)
    wanted = ops.cast(ops.ceil(strategy.max_length_factor * lengths), "int32")
    return ops.minimum(ops.maximum(wanted, 1), zeros + max_length)


@dataclasses.dataclass(frozen=True)
class Columns:
    """What the columns of log-probabilities stand for.

    Args:
        vocabulary_size: int > 0. Number of target ids.
        candidates: int32, shape (rows, columns), ascending, of a shortlist; None if the columns are
            the ids.
    """

    vocabulary_size: int
    candidates: Tensor | None = None

    @property
    def count(self) -> Tensor | int:
        """Number of columns, int or int32 scalar."""
        if self.candidates is None:
            return self.vocabulary_size
        return ops.shape(self.candidates)[1]

    def ids(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Returns the ids of `columns` in flat `rows`, int32, with the shape of both."""
        if self.candidates is None:
            return columns
        return ops.take(ops.reshape(self.candidates, (-1,)), rows * self.count + columns)

    def read(self, by_id: Tensor) -> Tensor:
        """Turns values by id, (1 or rows, vocabulary_size), to (rows, columns)."""
        if self.candidates is None:
            return by_id
        if by_id.shape[0] == 1:
            return exact_lookup(by_id[0], self.candidates)
        rows = ops.arange(ops.shape(self.candidates)[0], dtype="int32")[:, None]
        return pick(by_id, rows * self.vocabulary_size + self.candidates)


def adjust(
    strategy: Strategy, log_probs: Tensor, tokens: Tensor, position: Tensor, columns: Columns
) -> Tensor:
    """Returns the log-probabilities as the search compares them, -1e9 if forbidden.

    Args:
        strategy: Its rules.
        log_probs: float32, shape (rows, columns).
        tokens: int32, shape (rows, max_length). Tokens of each row so far, then zeros.
        position: int32 scalar. Number of tokens so far.
        columns: What the columns stand for.
    """
    vocabulary = columns.vocabulary_size
    adjusted = log_probs
    if strategy.repetition_penalty != 1:
        seen = columns.read(_contains(tokens, vocabulary))
        adjusted = ops.where(seen, log_probs * strategy.repetition_penalty, log_probs)
    always = set(strategy.forbidden(vocabulary))
    if columns.candidates is not None:
        always -= {PAD_ID, BOS_ID}  # no shortlist has these
    if always:
        # A sum, not `where`: one cheap pass with a constant.
        forbidden = [[FORBIDDEN if token in always else 0.0 for token in range(vocabulary)]]
        adjusted = adjusted + columns.read(ops.convert_to_tensor(forbidden))
    if strategy.min_length > 0:
        is_eos = columns.read(ops.arange(vocabulary, dtype="int32")[None, :] == EOS_ID)
        too_early = ops.logical_and(is_eos, position < strategy.min_length)
        adjusted = ops.where(too_early, FORBIDDEN, adjusted)
    if 0 < strategy.no_repeat_ngram_size <= tokens.shape[1]:
        completing = _completing(tokens, position, strategy.no_repeat_ngram_size)
        completes = columns.read(_contains(completing, vocabulary))
        adjusted = ops.where(completes, FORBIDDEN, adjusted)
    return adjusted


def pick(values: Tensor, places: Tensor) -> Tensor:
    """Returns values[row, chosen[row, j]], where places = row * many + chosen.

    Args:
        values: Any dtype, shape (batch, many, ...), the rest known.
        places: int32, shape (batch, few).
    Returns:
        Shape (batch, few, ...).
    """
    return ops.take(ops.reshape(values, (-1, *values.shape[2:])), places, axis=0)


def is_nan(values: Tensor) -> Tensor:
    """Returns True where a value is NaN; LiteRT has no operator for that."""
    # Two comparisons: TensorFlow rewrites `not a < b` as `a >= b`, which is False for NaN.
    return ops.logical_not(ops.logical_or(values <= 0, values > 0))


def _contains(ids: Tensor, vocabulary: int) -> Tensor:
    """Returns bool, shape (rows, vocabulary): which ids each row holds; pad may be among them."""
    rows = ops.shape(ids)[0]
    places = ops.arange(rows, dtype="int32")[:, None] * vocabulary + ids
    ones = ops.ones_like(places, dtype="float32")
    counts = ops.scatter(
        ops.reshape(places, (-1, 1)), ops.reshape(ones, (-1,)), (rows * vocabulary,)
    )
    return ops.reshape(counts, (-1, vocabulary)) > 0


def _completing(tokens: Tensor, position: Tensor, size: int) -> Tensor:
    """Returns the ids that would repeat a sequence of `size` tokens of the row, else pad."""
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
