"""Beam search in NumPy over a runtime's step: the readable reference for every graph."""

from collections.abc import Sequence

import numpy as np

from keras_seq2seq.decoding.beam_ranking import BeamRanking
from keras_seq2seq.decoding.host.rules import adjust, force, is_empty_source, length_limits
from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis, check_numbers
from keras_seq2seq.decoding.strategy import HostStep, Prefixes
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID


def beam_search(
    step: HostStep,
    state: Arrays,
    source_ids: np.ndarray,
    strategy: BeamRanking,
    *,
    max_length: int,
    prefixes: Prefixes = None,
) -> list[list[Hypothesis]]:
    """Searches for the best-ranked translations of each row.

    The search of a row ends independently of the rest of the batch. If fewer hypotheses than asked
    for finish within the longest length, the best live ones follow, cut and marked as not finished.
    Ties go to the better beam, then to the smaller id.

    Args:
        step: One step of the decoder, over rows * beam_size rows.
        state: Arrays by name, shape (batch, ...), after the source was read; a coverage penalty
            needs `source_mask` among them.
        source_ids: int32, shape (batch, source_length). A source without a real token gives one
            empty translation.
        strategy: What to search for.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        prefixes: Ids that each translation begins with, as `check_prefixes` accepts them, or None.
    Returns:
        For each row its hypotheses, the best first: `num_hypotheses`, or as many as there are.
    Raises:
        ValueError: If the model returns NaN; names the step.
    Reference:
        Wu et al. 2016, section 7.
    """
    width = strategy.beam_size
    limits = length_limits(strategy, source_ids, max_length, prefixes)
    empty = is_empty_source(source_ids)
    mask = state.get("source_mask") if strategy.coverage_penalty else None
    rows = [
        _SourceBeam(
            strategy,
            int(limit),
            bool(empty[i]),
            () if prefixes is None else prefixes[i],
            None if mask is None else mask[i],
        )
        for i, limit in enumerate(limits)
    ]
    state = {name: np.repeat(value, width, axis=0) for name, value in state.items()}
    going = list(range(len(rows)))  # the rows whose beams `state` holds
    while live := [i for i in going if rows[i].is_going]:
        if 2 * len(live) <= len(going):
            kept = np.concatenate([_block(going.index(i), width) for i in live])
            going, state = live, {name: value[kept] for name, value in state.items()}
        before = state
        log_probs, state = step(np.concatenate([rows[i].last_ids for i in going]), state)
        strategy.check_attention("attention" in state and "source_mask" in state)
        parents = np.concatenate(
            [
                place * width + rows[i].advance(log_probs, state.get("attention"), place)
                for place, i in enumerate(going)
            ]
        )
        # A beam stays with its source: arrays that the step did not change keep their order.
        state = {
            name: value if value is before.get(name) else value[parents]
            for name, value in state.items()
        }
    return [row.best() for row in rows]


class _SourceBeam:
    """The search of one source: live hypotheses, best first, and finished ones, best first."""

    def __init__(
        self,
        strategy: BeamRanking,
        limit: int,
        is_empty: bool,
        prefix: Sequence[int],
        source_mask: np.ndarray | None,
    ) -> None:
        width = strategy.beam_size
        self.strategy = strategy
        self.limit = limit
        self.prefix = prefix
        self.source_mask = source_mask
        self.penalties = strategy.penalties(limit)
        self.done = is_empty
        self.stuck = False
        self.num_finished = 0
        self.tokens = np.zeros((width, 0), "int32")
        self.log_probs = np.zeros((width, 0), "float32")
        self.weights: list[list[np.ndarray]] = [[] for _ in range(width)]
        # What the search compares: sums of adjusted log-probabilities.
        self.totals = np.full(width, -np.inf, "float32")
        self.totals[0] = 0  # all start equal: one of them is enough
        nothing = np.zeros(0, "float32")
        self.finished = [Hypothesis((), 0.0, True, nothing, ranking=0.0)] if is_empty else []

    @property
    def length(self) -> int:
        return self.tokens.shape[1]

    @property
    def is_going(self) -> bool:
        return not self.done and not self.stuck and self.length < self.limit

    @property
    def last_ids(self) -> np.ndarray:
        if self.length:
            return self.tokens[:, -1]
        return np.full(len(self.tokens), BOS_ID, "int32")

    def advance(
        self, log_probs: np.ndarray, attention: np.ndarray | None, place: int
    ) -> np.ndarray:
        """Takes one step; returns the beam that each new live hypothesis continues.

        Args:
            log_probs: float32, (rows * beam_size, vocabulary_size), of all rows.
            attention: float32, (rows * beam_size, memory_length), or None.
            place: Index of this row among them.
        """
        width = len(self.tokens)
        unmoved = np.arange(width)
        if not self.is_going:
            return unmoved
        block = _block(place, width)
        log_probs = log_probs[block]
        check_numbers(log_probs[np.isfinite(self.totals)], self.length)
        adjusted = adjust(self.strategy, log_probs, self.tokens)
        force(adjusted, log_probs, [self.prefix] * width, self.length)
        totals = (self.totals[:, None] + adjusted).ravel()
        # Each beam has one eos, so of twice the width at least `width` candidates go on.
        ranked = _highest(totals, 2 * width)
        if not np.isfinite(totals[ranked[0]]):
            self.stuck = True
            return unmoved
        if attention is not None:
            self.weights = [
                [*kept, new] for kept, new in zip(self.weights, attention[block], strict=True)
            ]
        beams, ids = np.divmod(ranked, log_probs.shape[1])
        tokens = np.column_stack([self.tokens[beams], ids]).astype("int32")
        gained = np.column_stack([self.log_probs[beams], log_probs[beams, ids]])
        for i in np.flatnonzero(ids[:width] == EOS_ID):
            if np.isfinite(totals[ranked[i]]):
                self._finish(tokens[i], gained[i], totals[ranked[i]], self.weights[beams[i]])
        going_on = np.flatnonzero(ids != EOS_ID)[:width]
        self.tokens, self.log_probs = tokens[going_on], gained[going_on]
        self.totals = totals[ranked[going_on]]
        self.weights = [self.weights[beam] for beam in beams[going_on]]
        self.done = self._nothing_left()
        return beams[going_on]

    def best(self) -> list[Hypothesis]:
        wanted = self.strategy.num_hypotheses
        cut = [
            _hypothesis(ids, log_probs, weights, total / self.penalties[self.length])
            for ids, log_probs, weights, total in zip(
                self.tokens, self.log_probs, self.weights, self.totals, strict=True
            )
            if np.isfinite(total)
        ]
        return [*self.finished, *([] if self.done else cut)][:wanted]

    def _finish(
        self, ids: np.ndarray, log_probs: np.ndarray, total: np.float32, weights: list[np.ndarray]
    ) -> None:
        self.num_finished += 1
        ranking = total / self.penalties[len(ids)] + self._coverage_penalty(weights)
        found = [*self.finished, _hypothesis(ids, log_probs, weights, ranking)]
        found.sort(key=_ranking, reverse=True)
        self.finished = found[: self.strategy.beam_size]

    def _coverage_penalty(self, weights: list[np.ndarray]) -> float:
        if self.source_mask is None:
            return 0.0
        covered = np.clip(np.sum(weights, axis=0), 1e-9, 1.0)[self.source_mask]
        return self.strategy.coverage_penalty * float(np.log(covered).sum())

    def _nothing_left(self) -> bool:
        enough, wanted = self.strategy.enough, self.strategy.num_hypotheses
        if not np.isfinite(self.totals[0]):
            return True
        if enough is not None and self.num_finished >= enough:
            return True
        # The best ranking still possible: log-probability only falls, the longest is penalized
        # least.
        highest = float(self.totals[0] / self.penalties[-1])
        return len(self.finished) >= wanted and _ranking(self.finished[wanted - 1]) >= highest


def _hypothesis(
    ids: np.ndarray, log_probs: np.ndarray, weights: list[np.ndarray], ranking: float
) -> Hypothesis:
    is_word = (ids != EOS_ID) & (ids != PAD_ID)
    return Hypothesis(
        tuple(int(i) for i in ids[is_word]),
        float(log_probs.cumsum(dtype="float32")[-1]) if len(ids) else 0.0,
        bool(len(ids)) and bool(ids[-1] == EOS_ID),
        log_probs,
        np.stack(weights) if weights else None,
        float(ranking),
    )


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    """Returns the places of the `count` highest values, in order; ties go to the first."""
    if count < len(values):
        least = np.partition(values, len(values) - count)[len(values) - count]
        places = np.flatnonzero(values >= least)
    else:
        places = np.arange(len(values))
    return places[np.argsort(-values[places], kind="stable")[:count]]


def _ranking(hypothesis: Hypothesis) -> float:
    return -np.inf if hypothesis.ranking is None else hypothesis.ranking


def _block(place: int, width: int) -> np.ndarray:
    return np.arange(place * width, (place + 1) * width)
