"""Beam search in keras.ops: one loop that runs in TensorFlow graphs, LiteRT, ONNX and JAX."""

from typing import Any

import keras

from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID
from keras_seq2seq.decoding.graph import Step
from keras_seq2seq.decoding.strategy import FORBIDDEN, BeamSearch

ops = keras.ops


def beam_search(
    step: Step, state: dict[str, Any], is_empty: Any, strategy: BeamSearch, *, max_length: int
) -> dict[str, Any]:
    """Searches for the best-ranked translations of each row.

    The rules are those of `keras_seq2seq.decoding.host_beam.beam_search`; the loop stops early
    when the search of every row has ended.

    Args:
        step: The step contract: ids, int32, (batch * beam_size,), and states by name give
            log_probs, float32, (batch * beam_size, vocabulary_size), and the new states.
        state: Tensors by name, shape (batch, ...), after the source was read.
        is_empty: bool, shape (batch,). True gives one empty translation.
        strategy: What to search for.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
    Returns:
        target_ids: int32, shape (batch, num_hypotheses, max_length), the best first, end of
            sentence included, then zeros.
        scores: float32, shape (batch, num_hypotheses). Sum of the log-probabilities of the
            tokens; -1e9 or less where there are fewer hypotheses than were asked for.
        rankings: float32, shape (batch, num_hypotheses). Scores over their length penalties.
        finished: bool, shape (batch, num_hypotheses). False where `max_length` cut.
    """
    beams = _Beams(strategy, max_length, is_empty)
    state = {name: ops.repeat(value, strategy.beam_size, axis=0) for name, value in state.items()}

    def not_done(i: Any, search: dict[str, Any], state: Any) -> Any:
        return ops.logical_not(ops.all(search["done"]))

    def extend(i: Any, search: dict[str, Any], state: Any) -> Any:
        log_probs, state = step(ops.reshape(search["ids"], (-1,)), state)
        search, parents = beams.advance(i, search, log_probs)
        return i + 1, search, {name: ops.take(v, parents, axis=0) for name, v in state.items()}

    start = (ops.convert_to_tensor(0, "int32"), beams.start(), state)
    _, search, _ = ops.while_loop(not_done, extend, start, maximum_iterations=max_length)
    return beams.best(search)


class _Beams:
    """The searches of all rows: tensors (batch, beam_size, ...), each row the best first."""

    def __init__(self, strategy: BeamSearch, max_length: int, is_empty: Any) -> None:
        self.strategy = strategy
        self.width = strategy.beam_size
        self.is_empty = is_empty
        self.batch = ops.shape(is_empty)[0]
        self.penalties = ops.convert_to_tensor(strategy.penalties(max_length))
        self.positions = ops.arange(max_length, dtype="int32")[None, None, :]
        self.ranks = ops.arange(self.width, dtype="int32")[None, :]

    def start(self) -> dict[str, Any]:
        nothing = ops.zeros((self.batch, self.width), "float32") + FORBIDDEN
        zeros = ops.zeros((self.batch, self.width), "int32")
        tokens = zeros[:, :, None] * self.positions
        is_first = self.ranks == 0  # all live hypotheses start alike: one of them is enough
        empty = ops.logical_and(self.is_empty[:, None], is_first)
        finished = ops.where(empty, 0.0, nothing)
        return {
            "ids": ops.where(self.is_empty[:, None], PAD_ID, zeros + BOS_ID),
            "tokens": tokens,
            "scores": ops.where(is_first, 0.0, nothing),
            "finished_tokens": tokens,
            "finished_scores": finished,
            "rankings": finished,
            "num_finished": zeros[:, 0],
            "done": self.is_empty,
        }

    def advance(self, i: Any, search: dict[str, Any], log_probs: Any) -> tuple[dict[str, Any], Any]:
        """Takes one step; returns, for each flat row, which one it goes on from."""
        vocabulary = log_probs.shape[-1]
        totals = search["scores"][:, :, None] + ops.reshape(
            self._allowed(i, log_probs), (self.batch, self.width, vocabulary)
        )
        scores, ranked = ops.top_k(
            ops.reshape(totals, (self.batch, self.width * vocabulary)), 2 * self.width
        )
        beams, ids = ranked // vocabulary, ops.cast(ranked % vocabulary, "int32")
        is_eos = ids == EOS_ID
        tokens = ops.where(
            self.positions == i, ids[:, :, None], self._pick(search["tokens"], beams)
        )
        found = self._finish(i, search, scores, tokens, is_eos)
        # The order of those that go on is kept: they are ranked already.
        places = ops.arange(2 * self.width, dtype="int32")[None, :]
        _, kept = ops.top_k(-ops.where(is_eos, places + 2 * self.width, places), self.width)
        live = {
            "ids": self._pick(ids, kept),
            "tokens": self._pick(tokens, kept),
            "scores": self._pick(scores, kept),
        }
        parents = self._pick(beams, kept)
        new = {**live, **found}
        new["done"] = ops.logical_or(search["done"], self._nothing_left(new))
        # What has ended is frozen.
        frozen = {name: self._where(search["done"], search[name], new[name]) for name in new}
        frozen["ids"] = ops.where(search["done"][:, None], PAD_ID, new["ids"])
        rows = ops.arange(self.batch, dtype="int32")[:, None] * self.width
        return frozen, ops.reshape(rows + ops.cast(parents, "int32"), (-1,))

    def best(self, search: dict[str, Any]) -> dict[str, Any]:
        """Returns the finished hypotheses, then the live ones that `max_length` cut."""
        count = ops.sum(ops.cast(search["rankings"] > FORBIDDEN / 2, "int32"), axis=1)[:, None]
        is_finished = self.ranks < count
        filled = ops.where(is_finished, self.ranks, self.width + self.ranks - count)
        cut = ops.where(search["done"][:, None], FORBIDDEN, search["scores"])
        tables = {
            "target_ids": (search["finished_tokens"], search["tokens"]),
            "scores": (search["finished_scores"], cut),
            "rankings": (search["rankings"], cut / self.penalties[-1]),
        }
        wanted = self.strategy.num_hypotheses
        found = {
            name: self._pick(ops.concatenate(pair, axis=1), filled)[:, :wanted]
            for name, pair in tables.items()
        }
        return {**found, "finished": is_finished[:, :wanted]}

    def _allowed(self, i: Any, log_probs: Any) -> Any:
        vocabulary = log_probs.shape[-1]
        ids = ops.arange(vocabulary, dtype="int32")
        forbidden = ops.logical_and(ids == EOS_ID, i < self.strategy.min_length)
        for token in self.strategy.forbidden(vocabulary):
            forbidden = ops.logical_or(forbidden, ids == token)
        return ops.where(forbidden[None, :], FORBIDDEN, log_probs)

    def _finish(
        self, i: Any, search: dict[str, Any], scores: Any, tokens: Any, is_eos: Any
    ) -> dict[str, Any]:
        """Returns the finished hypotheses after the `beam_size` best candidates are looked at."""
        width = self.width
        ends = ops.logical_and(is_eos, scores > FORBIDDEN / 2)[:, :width]
        rankings = scores[:, :width] / ops.take(self.penalties, i + 1)
        pool = ops.concatenate([search["rankings"], ops.where(ends, rankings, FORBIDDEN)], axis=1)
        best, kept = ops.top_k(pool, width)
        return {
            "finished_tokens": self._pick(
                ops.concatenate([search["finished_tokens"], tokens[:, :width]], axis=1), kept
            ),
            "finished_scores": self._pick(
                ops.concatenate([search["finished_scores"], scores[:, :width]], axis=1), kept
            ),
            "rankings": best,
            "num_finished": search["num_finished"] + ops.sum(ops.cast(ends, "int32"), axis=1),
        }

    def _nothing_left(self, search: dict[str, Any]) -> Any:
        wanted, enough = self.strategy.num_hypotheses, self.strategy.enough
        # A live hypothesis only loses log-probability, and the longest is penalized least.
        highest = search["scores"][:, 0] / self.penalties[-1]
        worst = search["rankings"][:, wanted - 1]
        ended = ops.logical_and(worst > FORBIDDEN / 2, worst >= highest)
        ended = ops.logical_or(ended, search["scores"][:, 0] <= FORBIDDEN / 2)
        if enough is None:
            return ended
        return ops.logical_or(ended, search["num_finished"] >= enough)

    def _pick(self, values: Any, chosen: Any) -> Any:
        """Returns values[row, chosen[row, j]]; (batch, many, ...) and (batch, few)."""
        shape = ops.shape(values)
        rows = ops.arange(self.batch, dtype="int32")[:, None] * shape[1]
        flat = ops.reshape(values, (-1, *shape[2:]))
        return ops.take(flat, rows + ops.cast(chosen, "int32"), axis=0)

    def _where(self, done: Any, old: Any, new: Any) -> Any:
        return ops.where(ops.reshape(done, (-1, *[1] * (len(new.shape) - 1))), old, new)
