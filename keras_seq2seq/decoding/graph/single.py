"""Search for one hypothesis in keras.ops: one loop for TensorFlow, LiteRT, ONNX and JAX."""

from typing import Any

import keras

from keras_seq2seq.decoding.graph.loop import Advance, Step, Tensors, run_search
from keras_seq2seq.decoding.graph.rules import (
    Columns,
    adjust,
    is_empty_source,
    length_limits,
    pick,
)
from keras_seq2seq.decoding.strategy import FORBIDDEN, GREEDY, Sampling, Strategy
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

ops = keras.ops


def single_search(
    step: Step,
    state: Tensors,
    source_ids: Any,
    strategy: Strategy = GREEDY,
    *,
    max_length: int,
    uniforms: Any = None,
    source: Tensors | None = None,
    vocabulary_size: int | None = None,
    dynamic: bool = False,
) -> Tensors:
    """Takes one token at each step until every row has ended.

    The loop stops early when all rows have ended. Padding and begin of sentence are never
    chosen; of equal log-probabilities the smallest id wins. A row is cut as it stands, and not
    marked as finished, at its longest length, or where the rules leave it no token.

    Args:
        step: The step contract: ids, int32, (batch,), and `state` and `source` by name give
            log_probs, float32, (batch, vocabulary_size), and the new states.
        state: Tensors by name, shape (batch, ...), after the source was read; `attention`,
            float32, (batch, memory_length), zeros, if the step gives attention.
        source_ids: int32, shape (batch, source_length). One without a real token gives an empty
            translation.
        strategy: `Greedy` or `Sampling`.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        uniforms: float32, shape (batch, max_length), of `Sampling.uniforms`.
        source: Tensors by name, shape (batch, ...), that a step reads and never changes; with
            `candidates`, int32, (batch, columns), the log-probabilities are of these ids.
        vocabulary_size: int > 0. Number of target ids; None takes the columns.
        dynamic: As of `run_search`.
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

    def begin(search: Tensors, source: Tensors) -> Advance:
        rows = ops.arange(ops.shape(search["ids"])[0], dtype="int32")[:, None]

        def advance(i: Any, search: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
            log_probs, state = step(ops.squeeze(search["ids"], 1), {**source, **state})
            columns = Columns(vocabulary_size or log_probs.shape[-1], source.get("candidates"))
            adjusted = adjust(strategy, log_probs, search["target_ids"], i, columns)
            if isinstance(strategy, Sampling):
                drawn = ops.take(search["uniforms"], i, axis=1)
                best, compared = _draw(adjusted, strategy, drawn, rows, columns)
            else:
                # Not argmax: Keras guards it with bitwise operators, which LiteRT does not have.
                compared, best = ops.top_k(adjusted, 1)
            best, gained = ops.cast(best, "int32"), compared
            if strategy.repetition_penalty != 1:  # compared by something else than it gains
                gained = pick(log_probs, rows * columns.count + best)
            ids = columns.ids(rows, best)
            if not strategy.leaves_a_token:
                impossible = compared <= FORBIDDEN / 2
                ids = ops.where(impossible, PAD_ID, ids)
                gained = ops.where(impossible, 0.0, gained)
            new = _taken(i, search, ids, gained, positions)
            if "attention" in state:
                here, weights = (positions == i)[:, :, None], state["attention"][:, None]
                new["attention"] = ops.where(here, weights, search["attention"])
            return {**search, **new}, {name: state[name] for name in carried}

        return advance

    is_empty = is_empty_source(source_ids)
    # One value of each row keeps an axis of one, as `top_k` gives it and the tables take it.
    zeros = ops.zeros_like(source_ids[:, 0], dtype="int32")[:, None]
    table = zeros * positions
    search = {
        "ids": zeros + BOS_ID,
        "going": ops.logical_not(is_empty)[:, None],
        "limits": length_limits(strategy, source_ids, max_length)[:, None],
        "target_ids": table,
        "scores": ops.cast(zeros, "float32"),
        "token_log_probs": ops.cast(table, "float32"),
    }
    if isinstance(strategy, Sampling):
        search["uniforms"] = uniforms
    if "attention" in state:
        search["attention"] = ops.cast(table, "float32")[:, :, None] * state["attention"][:, None]
        # No step reads that of the one before.
        source = {**(source or {}), "attention": state["attention"]}
    carried = {name: value for name, value in state.items() if name != "attention"}
    found = run_search(begin, search, carried, source or {}, dynamic=dynamic)
    tokens = found["target_ids"]
    found["scores"] = ops.squeeze(found["scores"], 1)
    found["finished"] = ops.logical_or(is_empty, ops.any(tokens == EOS_ID, axis=1))
    if "attention" in found:
        found["attention"] = ops.where((tokens != PAD_ID)[:, :, None], found["attention"], 0.0)
    inner = ("ids", "going", "limits", "uniforms")
    return {name: value for name, value in found.items() if name not in inner}


def _taken(i: Any, search: Tensors, best: Any, gained: Any, positions: Any) -> Tensors:
    """Returns what rows have found when those that go on have taken their best token.

    Padding stands for a row that may take none.
    """
    # NaN is taken, so that it is seen, and ends the row: no comparison holds for it. Nothing here
    # is the negation of one, of which TensorFlow makes its opposite, which NaN does not pass.
    going = search["going"]
    ids = ops.where(going, best, PAD_ID)
    gained = ops.where(going, gained, 0.0)
    here = positions == i
    ended = ops.logical_or(ids == EOS_ID, ids == PAD_ID)
    lasts = ops.logical_and(gained <= 1, i + 1 < search["limits"])
    return {
        "ids": ids,
        "going": ops.logical_and(lasts, ops.logical_not(ended)),
        "target_ids": ops.where(here, ids, search["target_ids"]),
        "scores": search["scores"] + gained,
        "token_log_probs": ops.where(here, gained, search["token_log_probs"]),
    }


def _draw(
    adjusted: Any, strategy: Sampling, uniforms: Any, rows: Any, columns: Columns
) -> tuple[Any, Any]:
    """Returns a column for each row, shape (batch, 1), and what it was compared by."""
    count = strategy.candidates(columns.vocabulary_size)
    if columns.candidates is not None:
        count = ops.minimum(count, columns.count)
    values, ranked = ops.top_k(adjusted, count)
    weights = ops.exp((values - values[:, :1]) / strategy.temperature)
    before = ops.cumsum(weights, axis=-1) - weights
    total = ops.sum(weights, axis=-1, keepdims=True)
    weights = ops.where(before >= strategy.top_p * total, 0.0, weights)
    upto = ops.cumsum(weights, axis=-1)
    below = ops.cast(upto <= uniforms[:, None] * upto[:, -1:], "int32")
    last = ops.sum(ops.cast(weights > 0, "int32"), axis=-1) - 1
    chosen = ops.minimum(ops.sum(below, axis=-1), last)[:, None]
    places = rows * count + chosen
    return pick(ranked, places), pick(values, places)
