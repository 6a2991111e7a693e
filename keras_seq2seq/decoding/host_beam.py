"""Beam search in NumPy over a runtime's step: the readable reference for every graph."""

import dataclasses

import numpy as np

from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID
from keras_seq2seq.decoding.host import Arrays, Hypothesis, Step, hypotheses
from keras_seq2seq.decoding.strategy import FORBIDDEN, BeamSearch


def beam_search(
    step: Step, state: Arrays, is_empty: np.ndarray, strategy: BeamSearch, *, max_length: int
) -> list[list[Hypothesis]]:
    """Searches for the best-ranked translations of each row.

    A row's search ends by itself, whatever else is in the batch. If `max_length` leaves fewer
    finished hypotheses than were asked for, the best live ones fill up, cut and marked as not
    finished. Of equal candidates the one of the better beam, then the smaller id, wins.

    Args:
        step: The step contract: ids, int32, (batch * beam_size,), and arrays by name give
            log_probs, float32, (batch * beam_size, vocabulary_size), and the new arrays.
        state: Arrays by name, shape (batch, ...), after the source was read.
        is_empty: bool, shape (batch,). True gives one empty translation.
        strategy: What to search for.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
    Returns:
        For each row its hypotheses, the best first: `num_hypotheses`, or as many as there are.
    Reference:
        Wu et al. 2016, section 7.
    """
    width = strategy.beam_size
    rows = [_Row(strategy, max_length, bool(empty)) for empty in is_empty]
    state = {name: np.repeat(value, width, axis=0) for name, value in state.items()}
    for _ in range(max_length):
        if all(row.done for row in rows):
            break
        ids = np.concatenate([row.last_ids for row in rows])
        log_probs, state = step(ids, state)
        attention = state.get("attention")
        parents = []
        for i, row in enumerate(rows):
            block = slice(i * width, (i + 1) * width)
            weights = None if attention is None else attention[block]
            parents.append(i * width + row.advance(log_probs[block], weights))
        order = np.concatenate(parents)
        state = {name: value[order] for name, value in state.items()}
    return [row.best() for row in rows]


class _Row:
    """The search of one source: live hypotheses, best first, and finished ones, best first."""

    def __init__(self, strategy: BeamSearch, max_length: int, is_empty: bool) -> None:
        self.strategy = strategy
        self.penalties = strategy.penalties(max_length)
        self.done = is_empty
        self.num_finished = 0
        self.length = 0
        self.scores = np.full(strategy.beam_size, -np.inf, "float32")
        self.scores[0] = 0  # all start alike: one of them is enough
        self.tokens: list[tuple[int, ...]] = [()] * strategy.beam_size
        self.weights: list[list[np.ndarray]] = [[] for _ in self.tokens]
        self.finished = [Hypothesis((), 0.0, True, ranking=0.0)] if is_empty else []

    @property
    def last_ids(self) -> np.ndarray:
        if self.done:
            return np.full(len(self.tokens), PAD_ID, "int32")
        return np.array([ids[-1] if ids else BOS_ID for ids in self.tokens], "int32")

    def advance(self, log_probs: np.ndarray, attention: np.ndarray | None) -> np.ndarray:
        """Takes one step; returns which beam each new live hypothesis goes on from."""
        width, vocabulary = log_probs.shape
        if self.done:
            return np.arange(width)
        allowed = log_probs.copy()
        allowed[:, self.strategy.forbidden(vocabulary)] = -np.inf
        if self.length < self.strategy.min_length:
            allowed[:, EOS_ID] = -np.inf
        totals = (self.scores[:, None] + allowed).ravel()
        ranked = np.argsort(-totals, kind="stable")[: 2 * width]
        self.length += 1
        histories = [
            [*kept, *([] if attention is None else [attention[beam]])]
            for beam, kept in enumerate(self.weights)
        ]
        for candidate in ranked[:width]:
            beam, token = divmod(int(candidate), vocabulary)
            if token == EOS_ID and np.isfinite(totals[candidate]):
                self._finish(self.tokens[beam], totals[candidate], histories[beam])
        going_on = [int(c) for c in ranked if c % vocabulary != EOS_ID][:width]
        parents = np.array(going_on) // vocabulary
        self.tokens = [(*self.tokens[c // vocabulary], c % vocabulary) for c in going_on]
        self.weights = [histories[beam] for beam in parents]
        self.scores = totals[going_on]
        self.done = self._nothing_left()
        return parents

    def best(self) -> list[Hypothesis]:
        wanted = self.strategy.num_hypotheses
        cut = [
            self._hypothesis(ids, score, weights, False)
            for ids, score, weights in zip(self.tokens, self.scores, self.weights, strict=True)
            if np.isfinite(score)
        ]
        return [*self.finished, *([] if self.done else cut)][:wanted]

    def _finish(self, ids: tuple[int, ...], score: np.float32, weights: list[np.ndarray]) -> None:
        self.num_finished += 1
        found = [*self.finished, self._hypothesis(ids, score, weights, True)]
        found.sort(key=_ranking, reverse=True)
        self.finished = found[: self.strategy.beam_size]

    def _hypothesis(
        self, ids: tuple[int, ...], score: np.float32, weights: list[np.ndarray], finished: bool
    ) -> Hypothesis:
        attention = np.stack(weights) if weights else None
        ranking = float(score / self.penalties[self.length])
        return Hypothesis(ids, float(score), finished, attention, ranking)

    def _nothing_left(self) -> bool:
        enough, wanted = self.strategy.enough, self.strategy.num_hypotheses
        if not np.isfinite(self.scores[0]):
            return True
        if enough is not None and self.num_finished >= enough:
            return True
        # A live hypothesis only loses log-probability, and the longest is penalized least.
        highest = float(self.scores[0] / self.penalties[-1])
        return len(self.finished) >= wanted and _ranking(self.finished[wanted - 1]) >= highest


def _ranking(hypothesis: Hypothesis) -> float:
    return -np.inf if hypothesis.ranking is None else hypothesis.ranking


def n_best(
    target_ids: np.ndarray, scores: np.ndarray, rankings: np.ndarray, finished: np.ndarray
) -> list[list[Hypothesis]]:
    """Cuts the arrays of a beam search in a graph into hypotheses.

    Args:
        target_ids: int32, shape (batch, num_hypotheses, length), eos included, then zeros.
        scores: float32, shape (batch, num_hypotheses); below -5e8 there is no hypothesis.
        rankings: float32, shape (batch, num_hypotheses).
        finished: bool, shape (batch, num_hypotheses).
    """
    result = []
    for row, real in enumerate(scores > FORBIDDEN / 2):
        found = hypotheses(target_ids[row][real], scores[row][real], finished[row][real])
        ranked = zip(found, rankings[row][real], strict=True)
        result.append([dataclasses.replace(h, ranking=float(r)) for h, r in ranked])
    return result
