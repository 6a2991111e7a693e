"""Search for one hypothesis in keras.ops: one loop for TensorFlow, LiteRT, ONNX and JAX."""

from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID
from keras_seq2seq.decoding.graph_rules import (
    adjust,
    is_empty_source,
    is_nan,
    length_limits,
    pick,
)
from keras_seq2seq.decoding.strategy import FORBIDDEN, GREEDY, Sampling, Strategy

Step = Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]]
ops = keras.ops


def single_search(
    step: Step,
    state: dict[str, Any],
    source_ids: Any,
    strategy: Strategy = GREEDY,
    *,
    max_length: int,
    uniforms: Any = None,
) -> dict[str, Any]:
    """Takes one token at each step until every row has ended.

    The loop stops early when all rows have ended. Padding and begin of sentence are never
    chosen; of equal log-probabilities the smallest id wins. A row is cut as it stands, and not
    marked as finished, at its longest length, or where the rules leave it no token.

    Args:
        step: The step contract: ids, int32, (batch,), and states by name give log_probs,
            float32, (batch, vocabulary_size), and the new states.
        state: Tensors by name, shape (batch, ...), after the source was read; `attention`,
            float32, (batch, memory_length), zeros, if the step gives attention.
        source_ids: int32, shape (batch, source_length). One without a real token gives an empty
            translation.
        strategy: `Greedy` or `Sampling`.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        uniforms: float32, shape (batch, max_length), of `Sampling.uniforms`.
    Returns:
        target_ids: int32, shape (batch, max_length), end of sentence included, then zeros.
        scores: float32, shape (batch,). Sum of the log-probabilities of the tokens; NaN where
            the model gave NaN, and so the token's log-probability.
        finished: bool, shape (batch,). False where the translation was cut.
        token_log_probs: float32, shape (batch, max_length), zeros after the last token.
        attention: float32, shape (batch, max_length, memory_length), zeros after the last token;
            absent without attention in `state`.
    """
    positions = ops.arange(max_length, dtype="int32")[None, :]
    rows = ops.arange(ops.shape(source_ids)[0], dtype="int32")[:, None]
    limits = length_limits(strategy, source_ids, max_length)
    attends = "attention" in state

    def going_on(i: Any, search: dict[str, Any]) -> Any:
        return ops.logical_and(ops.logical_not(search["ended"]), i < limits)

    def not_done(i: Any, search: dict[str, Any], state: Any) -> Any:
        return ops.any(going_on(i, search))

    def extend(i: Any, search: dict[str, Any], state: Any) -> Any:
        going = going_on(i, search)
        log_probs, state = step(search["ids"], state)
        adjusted = adjust(strategy, log_probs, search["target_ids"], i)
        if isinstance(strategy, Sampling):
            best, compared = _draw(adjusted, strategy, ops.take(uniforms, i, axis=1), rows)
        else:
            # Not argmax: Keras guards it with bitwise operators, which LiteRT does not have.
            compared, best = ops.top_k(adjusted, 1)
        best = ops.cast(best, "int32")
        gained = compared[:, 0]
        if strategy.repetition_penalty != 1:  # compared by something else than it gains
            gained = pick(log_probs, rows * log_probs.shape[-1] + best)[:, 0]
        broken = is_nan(gained)
        possible = ops.logical_or(broken, compared[:, 0] > FORBIDDEN / 2)
        takes = ops.logical_and(going, possible)
        ids = ops.where(takes, best[:, 0], PAD_ID)
        gained = ops.where(takes, gained, 0.0)
        here = positions == i
        is_eos = ids == EOS_ID
        ends = ops.logical_or(ops.logical_and(going, ops.logical_not(possible)), broken)
        new = {
            "ids": ids,
            "target_ids": ops.where(here, ids[:, None], search["target_ids"]),
            "scores": search["scores"] + gained,
            "finished": ops.logical_or(search["finished"], is_eos),
            "ended": ops.logical_or(search["ended"], ops.logical_or(is_eos, ends)),
            "token_log_probs": ops.where(here, gained[:, None], search["token_log_probs"]),
        }
        if attends:
            weights = ops.where(takes[:, None], state["attention"], 0.0)
            new["attention"] = ops.where(here[:, :, None], weights[:, None, :], search["attention"])
        return i + 1, new, state

    is_empty = is_empty_source(source_ids)
    zeros = ops.zeros_like(source_ids[:, 0], dtype="int32")
    table = zeros[:, None] * positions
    start = {
        "ids": zeros + BOS_ID,
        "target_ids": table,
        "scores": ops.cast(zeros, "float32"),
        "finished": is_empty,
        "ended": is_empty,
        "token_log_probs": ops.cast(table, "float32"),
    }
    if attends:
        start["attention"] = ops.cast(table, "float32")[:, :, None] * state["attention"][:, None]
    first = ops.convert_to_tensor(0, "int32")
    _, search, _ = ops.while_loop(
        not_done, extend, (first, start, state), maximum_iterations=max_length
    )
    return {name: value for name, value in search.items() if name not in ("ids", "ended")}


def _draw(adjusted: Any, strategy: Sampling, uniforms: Any, rows: Any) -> tuple[Any, Any]:
    """Returns an id for each row, shape (batch, 1), and what it was compared by."""
    values, ranked = ops.top_k(adjusted, strategy.candidates(adjusted.shape[-1]))
    weights = ops.exp((values - values[:, :1]) / strategy.temperature)
    before = ops.cumsum(weights, axis=-1) - weights
    total = ops.sum(weights, axis=-1, keepdims=True)
    weights = ops.where(before >= strategy.top_p * total, 0.0, weights)
    upto = ops.cumsum(weights, axis=-1)
    below = ops.cast(upto <= uniforms[:, None] * upto[:, -1:], "int32")
    last = ops.sum(ops.cast(weights > 0, "int32"), axis=-1) - 1
    chosen = ops.minimum(ops.sum(below, axis=-1), last)[:, None]
    places = rows * values.shape[-1] + chosen
    return pick(ranked, places), pick(values, places)
