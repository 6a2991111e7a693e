"""Search for one hypothesis, greedy or sampled, in NumPy over a runtime's step."""

from collections.abc import Callable, Iterator

import numpy as np

from keras_seq2seq.decoding.host.rules import (
    adjust,
    force,
    is_empty_source,
    length_limits,
)
from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis, check_numbers, cut_single
from keras_seq2seq.decoding.strategy import HostStep, Prefixes, Strategy
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

# Takes adjusted log-probabilities, (rows, vocabulary_size), the indices of these rows in the batch
# and the position; returns an id for each row.
Choose = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def highest(adjusted: np.ndarray, rows: np.ndarray, position: int) -> np.ndarray:
    """Returns the most probable id of each row; ties go to the smallest."""
    return adjusted.argmax(-1)


def single_search(
    step: HostStep,
    state: Arrays,
    source_ids: np.ndarray,
    strategy: Strategy,
    *,
    max_length: int,
    prefixes: Prefixes = None,
    choose: Choose = highest,
) -> list[list[Hypothesis]]:
    """Takes one token at each step until every row has ended.

    The rules are those of `keras_seq2seq.decoding.graph.single.single_search`. Rows that have ended
    leave the batch when half of it has ended.

    Args:
        step, state, source_ids, max_length, prefixes: See `Strategy.search_host`.
        strategy: Its rules.
        choose: Chooses a token for each row.
    Returns:
        A list of one hypothesis for each row.
    Raises:
        ValueError: If the model returns NaN; names the step.
    """
    rows = _Rows(source_ids, strategy, max_length, prefixes, choose)
    kept = np.arange(len(source_ids))  # the row of the batch in each row of `state`
    for position in range(max_length):
        going = rows.going(position)
        if not going.any():
            break
        if 2 * going[kept].sum() <= len(kept):
            state = {name: value[going[kept]] for name, value in state.items()}
            kept = np.flatnonzero(going)
        log_probs, state = step(rows.last_ids(position)[kept], state)
        still = going[kept]
        weights = state["attention"][still] if "attention" in state else None
        rows.advance(position, kept[still], log_probs[still], weights)
    return rows.hypotheses()


def single_stream(
    step: HostStep,
    state: Arrays,
    source_ids: np.ndarray,
    strategy: Strategy,
    *,
    max_length: int,
    prefixes: Prefixes = None,
    choose: Choose = highest,
) -> Iterator[int]:
    """Yields the ids that `single_search` finds for one row, each as soon as it is known.

    Args:
        step, state, source_ids, strategy, max_length, prefixes, choose: See `single_search`,
            for a batch of one.
    """
    rows = _Rows(source_ids, strategy, max_length, prefixes, choose)
    for position in range(max_length):
        if not rows.going(position).any():
            return
        log_probs, state = step(rows.last_ids(position), state)
        rows.advance(position, np.array([0]), log_probs, None)
        if rows.target_ids[0, position] in (PAD_ID, EOS_ID):
            return
        yield int(rows.target_ids[0, position])


class _Rows:
    """The translations of a batch as they grow."""

    def __init__(
        self,
        source_ids: np.ndarray,
        strategy: Strategy,
        max_length: int,
        prefixes: Prefixes,
        choose: Choose,
    ) -> None:
        batch = len(source_ids)
        self.strategy = strategy
        self.max_length = max_length
        self.prefixes = prefixes
        self.choose = choose
        self.limits = length_limits(strategy, source_ids, max_length, prefixes)
        self.finished = is_empty_source(source_ids)
        self.stuck = np.zeros(batch, bool)
        self.target_ids = np.full((batch, max_length), PAD_ID, "int32")
        self.log_probs = np.zeros((batch, max_length), "float32")
        self.weights: list[np.ndarray] = []

    def going(self, position: int) -> np.ndarray:
        """Returns True, shape (batch,), for rows that take another token."""
        return ~self.finished & ~self.stuck & (position < self.limits)

    def last_ids(self, position: int) -> np.ndarray:
        if position == 0:
            return np.full(len(self.finished), BOS_ID, "int32")
        return self.target_ids[:, position - 1]

    def advance(
        self, position: int, rows: np.ndarray, log_probs: np.ndarray, weights: np.ndarray | None
    ) -> None:
        """Takes the next token of `rows`; the arrays have a row for each of them."""
        check_numbers(log_probs, position)
        adjusted = adjust(self.strategy, log_probs, self.target_ids[rows, :position])
        if self.prefixes is not None:
            prefixes = [self.prefixes[row] for row in rows]
            force(adjusted, log_probs, prefixes, position)
        ids = self.choose(adjusted, rows, position)
        possible = adjusted[np.arange(len(rows)), ids] > -np.inf
        self.stuck[rows[~possible]] = True
        ids, rows_on = ids[possible], rows[possible]
        self.target_ids[rows_on, position] = ids
        self.log_probs[rows_on, position] = log_probs[possible, ids]
        self.finished[rows_on] = ids == EOS_ID
        if weights is not None:
            column = np.zeros((len(self.finished), weights.shape[1]), "float32")
            column[rows] = weights
            self.weights.append(column)

    def hypotheses(self) -> list[list[Hypothesis]]:
        steps = len(self.weights)
        weights = np.stack(self.weights, 1) if steps else None
        scores = self.log_probs.cumsum(1, dtype="float32")[:, -1]
        return cut_single(self.target_ids, scores, self.finished, self.log_probs, weights)
