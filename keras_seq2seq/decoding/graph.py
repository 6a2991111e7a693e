"""Greedy search in keras.ops: one loop that runs in TensorFlow graphs, LiteRT, ONNX and JAX."""

from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID
from keras_seq2seq.decoding.strategy import FORBIDDEN

Step = Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]]


def greedy_search(
    step: Step, state: dict[str, Any], is_empty: Any, *, max_length: int
) -> dict[str, Any]:
    """Takes the most probable token at each step until every row has ended.

    The loop stops early when all rows have ended. Padding and begin of sentence are never
    chosen; of equal log-probabilities the smallest id wins. At `max_length` a row is cut as it
    stands and not marked as finished.

    Args:
        step: The step contract: ids, int32, (batch,), and states by name give log_probs,
            float32, (batch, vocabulary_size), and the new states.
        state: Tensors by name, shape (batch, ...), after the source was read.
        is_empty: bool, shape (batch,). True gives an empty translation.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
    Returns:
        target_ids: int32, shape (batch, max_length), end of sentence included, then zeros.
        scores: float32, shape (batch,). Sum of the log-probabilities of the tokens.
        finished: bool, shape (batch,). False where `max_length` cut the translation.
    """
    ops = keras.ops
    positions = ops.arange(max_length, dtype="int32")[None, :]
    ids = ops.where(is_empty, EOS_ID, BOS_ID)

    def not_done(i: Any, ids: Any, scores: Any, finished: Any, output: Any, state: Any) -> Any:
        return ops.logical_not(ops.all(finished))

    def extend(i: Any, ids: Any, scores: Any, finished: Any, output: Any, state: Any) -> Any:
        log_probs, state = step(ids, state)
        best, score = _best(log_probs)
        ids = ops.where(finished, PAD_ID, best)
        scores = scores + ops.where(finished, 0.0, score)
        output = ops.where(positions == i, ids[:, None], output)
        finished = ops.logical_or(finished, ids == EOS_ID)
        return i + 1, ids, scores, finished, output, state

    ids = ops.cast(ids, "int32")
    scores = ops.zeros_like(ids, dtype="float32")
    output = ops.zeros_like(ids, dtype="int32")[:, None] * positions
    start = (ops.convert_to_tensor(0, "int32"), ids, scores, is_empty, output, state)
    _, _, scores, finished, output, _ = ops.while_loop(
        not_done, extend, start, maximum_iterations=max_length
    )
    return {"target_ids": output, "scores": scores, "finished": finished}


def is_empty_source(source_ids: Any) -> Any:
    """Returns True, shape (batch,), where a source holds nothing but padding and eos."""
    real = keras.ops.logical_and(
        keras.ops.not_equal(source_ids, PAD_ID), keras.ops.not_equal(source_ids, EOS_ID)
    )
    return keras.ops.logical_not(keras.ops.any(real, axis=1))


def _best(log_probs: Any) -> tuple[Any, Any]:
    vocabulary = keras.ops.arange(log_probs.shape[-1], dtype="int32")
    forbidden = keras.ops.logical_or(vocabulary == PAD_ID, vocabulary == BOS_ID)
    allowed = keras.ops.where(forbidden[None, :], FORBIDDEN, log_probs)
    # Not argmax: Keras guards it against -0.0 with bitwise operators, which LiteRT does not have.
    score, best = keras.ops.top_k(allowed, 1)
    return keras.ops.cast(best[:, 0], "int32"), score[:, 0]
