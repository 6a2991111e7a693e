"""Search for one hypothesis in keras.ops: one loop for TensorFlow, LiteRT, ONNX and JAX."""

from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.decoding.graph.loop import Advance, run_search
from keras_seq2seq.decoding.graph.rules import (
    Columns,
    adjust,
    is_empty_source,
    length_limits,
    pick,
)
from keras_seq2seq.decoding.hypothesis import FORBIDDEN
from keras_seq2seq.decoding.strategy import GraphStep, Strategy
from keras_seq2seq.models.tensor import Tensor, Tensors
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

ops = keras.ops
# Takes adjusted log-probabilities, (rows, columns), the numbers of the rows, (rows, 1), the step,
# what the columns stand for, and inputs by row; returns a column for each row, int32, (rows, 1),
# and its adjusted log-probability.
Choose = Callable[[Tensor, Tensor, Tensor, Columns, Tensors], tuple[Tensor, Tensor]]


def highest(
    adjusted: Tensor, rows: Tensor, step: Tensor, columns: Columns, inputs: Tensors
) -> tuple[Tensor, Tensor]:
    """Chooses the highest column of each row; ties go to the smallest."""
    # Not argmax: Keras guards it with bitwise operators, which LiteRT does not have.
    compared, best = ops.top_k(adjusted, 1)
    return ops.cast(best, "int32"), compared


def single_search(
    step: GraphStep,
    state: Tensors,
    source_ids: Tensor,
    strategy: Strategy,
    *,
    max_length: int,
    source: Tensors | None = None,
    vocabulary_size: int | None = None,
    dynamic: bool = False,
    choose: Choose = highest,
    **inputs: Any,
) -> Tensors:
    """Takes one token at each step until every row has ended.

    The loop stops early when all rows have ended. Padding and begin of sentence are never
    chosen; ties go to the smallest id. A row is cut as it stands, and not marked as finished, where
    it reaches its longest length or the rules leave it no token.

    Args:
        step, state, source_ids, max_length, source, vocabulary_size, dynamic: See
            `Strategy.search_graph`.
        strategy: Its rules.
        choose: Chooses a column for each row.
        **inputs: Tensors (batch, ...) for `choose`, one row for each source.
    Returns:
        target_ids: int32, shape (batch, max_length), end of sentence included, then zeros.
        scores: float32, shape (batch,). Sum of the log-probabilities of the tokens; NaN where the
            model returned NaN, like the token's log-probability.
        finished: bool, shape (batch,). False where the translation was cut.
        token_log_probs: float32, shape (batch, max_length), zeros after the last token.
        attention: float32, shape (batch, max_length, memory_length), zeros after the last token;
            absent without attention in `state`.
    """
    positions = ops.arange(max_length, dtype="int32")[None, :]

    def begin(search: Tensors, source: Tensors) -> Advance:
        rows = ops.arange(ops.shape(search["ids"])[0], dtype="int32")[:, None]

        def advance(i: Tensor, search: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
            log_probs, state = step(ops.squeeze(search["ids"], 1), {**source, **state})
            columns = Columns(vocabulary_size or log_probs.shape[-1], source.get("candidates"))
            adjusted = adjust(strategy, log_probs, search["target_ids"], i, columns)
            given = {name: search[f"input_{name}"] for name in inputs}
            best, compared = choose(adjusted, rows, i, columns, given)
            gained = compared
            if strategy.rescores:
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

    search = _start(strategy, source_ids, max_length, state.get("attention"))
    search |= {f"input_{name}": value for name, value in inputs.items()}
    source = dict(source or {})
    if "attention" in state:
        # No step reads the attention of the step before.
        source["attention"] = state["attention"]
    carried = {name: value for name, value in state.items() if name != "attention"}
    found = run_search(begin, step, search, carried, source, dynamic=dynamic)
    return _found(found, is_empty_source(source_ids))


def _start(
    strategy: Strategy, source_ids: Tensor, max_length: int, attention: Tensor | None
) -> Tensors:
    """Returns what the rows have found before the first token."""
    # Values by row keep an axis of size one, as `top_k` returns it and the tables need it.
    zeros = ops.zeros_like(source_ids[:, 0], dtype="int32")[:, None]
    table = zeros * ops.arange(max_length, dtype="int32")[None, :]
    search = {
        "ids": zeros + BOS_ID,
        "going": ops.logical_not(is_empty_source(source_ids))[:, None],
        "limits": length_limits(strategy, source_ids, max_length)[:, None],
        "target_ids": table,
        "scores": ops.cast(zeros, "float32"),
        "token_log_probs": ops.cast(table, "float32"),
    }
    if attention is not None:
        search["attention"] = ops.cast(table, "float32")[:, :, None] * attention[:, None]
    return search


def _found(search: Tensors, is_empty: Tensor) -> Tensors:
    """Returns the results of a search in which every row has ended."""
    tokens = search["target_ids"]
    found = {
        "target_ids": tokens,
        "scores": ops.squeeze(search["scores"], 1),
        "finished": ops.logical_or(is_empty, ops.any(tokens == EOS_ID, axis=1)),
        "token_log_probs": search["token_log_probs"],
    }
    if "attention" in search:
        is_token = (tokens != PAD_ID)[:, :, None]
        found["attention"] = ops.where(is_token, search["attention"], 0.0)
    return found


def _taken(i: Tensor, search: Tensors, best: Tensor, gained: Tensor, positions: Tensor) -> Tensors:
    """Returns the search after each row that goes on has taken its best token.

    Padding stands for a row that may take none.
    """
    # A NaN is kept, so that it is reported, and ends the row: no comparison with it is true. No
    # comparison here is negated: TensorFlow would make the opposite one of it, False for NaN.
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
