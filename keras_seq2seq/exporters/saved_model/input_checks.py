"""Checks and limits of inputs inside the graph of a SavedModel: a server has no others."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from keras_seq2seq.decoding.beam_ranking import MAX_BEAM_SIZE
from keras_seq2seq.decoding.graph.beam import BeamSizes
from keras_seq2seq.text.vocabulary import EOS_ID, PAD_ID

SHOWN = 3
# More than the tokens of any text have, few enough that one line cannot block a tokenizer.
BYTES_OF_A_TOKEN = 64


def checked_texts(**texts: tf.Tensor) -> list[tf.Tensor]:
    """Returns the texts, after checking that all are vectors with equally many rows.

    Args:
        texts: By the name of the input: string, shape (batch,).
    """
    # A server checks no shapes: without this a matrix of texts would be read as more rows.
    vectors = [tf.ensure_shape(text, (None,)) for text in texts.values()]
    with tf.control_dependencies([_same_rows(vectors, list(texts))]):
        return [tf.identity(vector) for vector in vectors]


@dataclasses.dataclass(frozen=True)
class IdLimits:
    """What ids a model takes.

    Args:
        size: int > 0. Number of ids; None if unknown.
        longest: int > 0. Most tokens of a row, eos included; None means no limit.
    """

    size: int | None
    longest: int | None


def checked_ids(limits: Mapping[str, IdLimits], **ids: tf.Tensor) -> list[tf.Tensor]:
    """Returns the ids, after checking their range, length and that all have equally many rows.

    Args:
        limits: By the name of the input.
        ids: By the name of the input: int32, shape (batch, length).
    """
    matrices = [tf.ensure_shape(tensor, (None, None)) for tensor in ids.values()]
    checks = [_same_rows(matrices, list(ids))]
    for name, tensor in zip(ids, matrices, strict=True):
        size, longest = limits[name].size, limits[name].longest
        rule = f"`{name}` must have at least one column. Received shape:"
        checks.append(tf.debugging.Assert(tf.shape(tensor)[1] > 0, [rule, tf.shape(tensor)]))
        outside = tensor < 0 if size is None else (tensor < 0) | (tensor >= size)
        rule = "at least 0" if size is None else f"0 to {size - 1}"
        rule = f"`{name}` must be {rule}; keep tokenizer and model together. Received:"
        first = tf.boolean_mask(tensor, outside)[:SHOWN]
        checks.append(tf.debugging.Assert(~tf.reduce_any(outside), [rule, first]))
        if longest is not None:
            # A graph of any length would take the last position for all that follow.
            columns = tf.shape(tensor[:, longest:])[1]
            is_short = ~tf.reduce_any(tensor[:, longest:] != PAD_ID)
            rule = f"`{name}` must have at most {longest} tokens, one for each learned position."
            rule = f"{rule} Received columns:"
            checks.append(tf.debugging.Assert(is_short, [rule, longest + columns]))
    with tf.control_dependencies(checks):
        return [tf.identity(matrix) for matrix in matrices]


def checked_sizes(beam_size: tf.Tensor, num_hypotheses: tf.Tensor, alpha: tf.Tensor) -> BeamSizes:
    """Returns the sizes of a beam search, after checking their ranges.

    Args:
        beam_size: int32, scalar, 1 to `MAX_BEAM_SIZE`.
        num_hypotheses: int32, scalar, 1 to `beam_size`.
        alpha: float32, scalar, finite, at least 0.
    """
    beam_size, num_hypotheses, alpha = (
        tf.ensure_shape(size, ()) for size in (beam_size, num_hypotheses, alpha)
    )
    rules = [
        (
            (beam_size >= 1) & (beam_size <= MAX_BEAM_SIZE),
            f"`beam_size` must be 1 to {MAX_BEAM_SIZE}. Received:",
            beam_size,
        ),
        (
            (num_hypotheses >= 1) & (num_hypotheses <= beam_size),
            "`num_hypotheses` must be 1 to `beam_size`. Received:",
            num_hypotheses,
        ),
        (
            (alpha >= 0) & tf.math.is_finite(alpha),
            "`alpha` must be finite and at least 0. Received:",
            alpha,
        ),
    ]
    checks = [tf.debugging.Assert(holds, [rule, value]) for holds, rule, value in rules]
    with tf.control_dependencies(checks):
        return BeamSizes(*map(tf.identity, (beam_size, num_hypotheses, alpha)))


def read_texts(
    encode: Callable[[tf.Tensor], tf.Tensor], texts: tf.Tensor, longest: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tokenizes texts, cuts those that are too long, and returns which these are.

    One long line must not cost the time and the memory of a server, and an error would fail the
    requests of others that the server put into the same batch.

    Args:
        encode: Returns ids as `cut_ids` takes them.
        texts: string, shape (batch,).
        longest: int > 0. Longest text in tokens, eos included, of `BYTES_OF_A_TOKEN` on average.
    Returns:
        See `cut_ids`.
    """
    most = BYTES_OF_A_TOKEN * longest
    ids, too_long = cut_ids(encode(tf.strings.substr(texts, 0, most)), longest)
    return ids, too_long | (tf.strings.length(texts) > most)


def cut_ids(ids: tf.Tensor, longest: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts rows that are too long, and returns which these are.

    Args:
        ids: int32, shape (batch, length), length > 0, ended by eos, padded with 0.
        longest: int > 0. Columns to keep at most, eos included.
    Returns:
        ids: int32, shape (batch, min(length, longest)), ended by eos.
        too_long: bool, shape (batch,).
    """
    too_long = tf.reduce_any(ids[:, longest:] != PAD_ID, axis=1)
    kept = ids[:, :longest]
    last = tf.where(too_long, EOS_ID, kept[:, -1])
    return tf.concat([kept[:, :-1], last[:, None]], axis=1), too_long


def _same_rows(tensors: list[tf.Tensor], names: list[str]) -> Any:
    rows = tf.stack([tf.shape(tensor)[0] for tensor in tensors])
    rule = " and ".join(f"`{name}`" for name in names) + " must have equally many rows. Received:"
    return tf.debugging.Assert(tf.reduce_all(rows == rows[0]), [rule, rows])
