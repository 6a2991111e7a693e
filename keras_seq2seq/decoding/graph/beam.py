"""Beam search in keras.ops: one loop that runs in TensorFlow graphs, LiteRT, ONNX and JAX."""

import dataclasses
from typing import Any

import keras

from keras_seq2seq.decoding.beam_ranking import BeamRanking
from keras_seq2seq.decoding.graph.exact_lookup import exact_lookup
from keras_seq2seq.decoding.graph.loop import Advance, run_search
from keras_seq2seq.decoding.graph.rules import (
    Columns,
    adjust,
    is_empty_source,
    is_nan,
    length_limits,
    pick,
)
from keras_seq2seq.decoding.hypothesis import FORBIDDEN
from keras_seq2seq.decoding.strategy import GraphStep
from keras_seq2seq.models.tensor import Tensor, Tensors
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

ops = keras.ops


@dataclasses.dataclass(frozen=True)
class BeamSizes:
    """The options of a `BeamSearch` that a caller of the graph may set as scalar tensors.

    Args:
        beam_size: int or int32 scalar, 1 to 64.
        num_hypotheses: int or int32 scalar, 1 to `beam_size`.
        alpha: float or float32 scalar >= 0.
    """

    beam_size: Tensor | int
    num_hypotheses: Tensor | int
    alpha: Tensor | float

    @classmethod
    def of(cls, strategy: BeamRanking) -> "BeamSizes":
        """Returns the sizes of a strategy, as numbers."""
        return cls(strategy.beam_size, strategy.num_hypotheses, strategy.alpha)


def beam_search(
    step: GraphStep,
    state: Tensors,
    source_ids: Tensor,
    strategy: BeamRanking,
    *,
    max_length: int,
    sizes: BeamSizes | None = None,
    source: Tensors | None = None,
    vocabulary_size: int | None = None,
    dynamic: bool = False,
) -> Tensors:
    """Searches for the best-ranked translations of each row.

    The rules are those of `keras_seq2seq.decoding.host.beam.beam_search`; the loop stops early
    when the search of every row has ended.

    Args:
        step, state, source_ids, max_length, source, vocabulary_size, dynamic: See
            `Strategy.search_graph`; a step has batch * beam_size rows, and `source` has
            `source_mask`, bool, (batch, memory_length), for a coverage penalty.
        strategy: What to search for.
        sizes: Override the strategy's own.
    Returns:
        target_ids: int32, shape (batch, num_hypotheses, max_length), the best first, end of
            sentence included, then zeros.
        scores: float32, shape (batch, num_hypotheses). Sum of the log-probabilities of the
            tokens; -1e9 or less where there are fewer hypotheses than were asked for, NaN where the
            model returned NaN.
        rankings: float32, shape (batch, num_hypotheses). What the hypotheses are sorted by.
        finished: bool, shape (batch, num_hypotheses). False where the translation was cut.
        token_log_probs: float32, shape (batch, num_hypotheses, max_length).
        attention: float32, shape (batch, num_hypotheses, max_length, memory_length); absent
            without attention in `state`.
    """
    sizes = sizes or BeamSizes.of(strategy)
    source = dict(source or {})
    search = _start(sizes.beam_size, source_ids, max_length)
    search["limits"] = length_limits(strategy, source_ids, max_length)
    if strategy.coverage_penalty:
        state = {**state, "coverage": state["attention"]}
    if "attention" in state:
        tokens = search["target_ids"]
        # The beam that each token came from, to look up its attention at the end.
        search["places"] = search["finished_places"] = tokens
        history = ops.cast(tokens, "float32")[:, :, :, None]
        search["history"] = history * state["attention"][:, None, None]
    # A beam stays with its source, so source tensors are repeated once and never reordered. Not
    # with ops.repeat: ONNX reads its reshape differently while a cache has length 0.
    rows = ops.arange(ops.shape(source_ids)[0] * sizes.beam_size, dtype="int32") // sizes.beam_size
    state, source = (
        {name: ops.take(value, rows, axis=0) for name, value in tensors.items()}
        for tensors in (state, source)
    )

    def begin(search: Tensors, source: Tensors) -> Advance:
        beams = _Beams(strategy, sizes, max_length, search)

        def advance(i: Tensor, search: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
            log_probs, new = step(ops.reshape(search["ids"], (-1,)), {**source, **state})
            coverage = None
            if "attention" in new:
                weights = ops.reshape(new["attention"], ops.shape(search["history"][:, :, 0]))
                here = (beams.positions == i)[:, :, :, None]
                history = ops.where(here, weights[:, :, None], search["history"])
                search = {**search, "history": history}
            if "coverage" in state:
                new["coverage"] = state["coverage"] + new["attention"]
                coverage = beams.coverage_penalties(new["coverage"], source["source_mask"])
            columns = Columns(vocabulary_size or log_probs.shape[-1], source.get("candidates"))
            search, parents = beams.advance(i, search, log_probs, coverage, columns)
            return search, {name: ops.take(new[name], parents, axis=0) for name in state}

        return advance

    found = run_search(begin, step, search, state, source, dynamic=dynamic, width=sizes.beam_size)
    return _Beams(strategy, sizes, max_length, found).best(found)


def _start(width: Tensor | int, source_ids: Tensor, max_length: int) -> Tensors:
    """Returns the searches before the first token: tensors (batch, beam_size, ...)."""
    is_empty = is_empty_source(source_ids)
    zeros = ops.zeros((ops.shape(source_ids)[0], width), "int32")
    nothing = ops.cast(zeros, "float32") + FORBIDDEN
    table = zeros[:, :, None] * ops.arange(max_length, dtype="int32")[None, None, :]
    is_first = ops.arange(width, dtype="int32")[None, :] == 0
    live = {
        "target_ids": table,
        "token_log_probs": ops.cast(table, "float32"),
        "scores": ops.cast(zeros, "float32"),
    }
    return {
        **live,
        **{f"finished_{name}": value for name, value in live.items()},
        "ids": zeros + BOS_ID,
        "going": ops.logical_not(is_empty),
        # All live hypotheses start equal, so one of them is enough.
        "totals": ops.where(is_first, 0.0, nothing),
        "rankings": ops.where(ops.logical_and(is_empty[:, None], is_first), 0.0, nothing),
        "num_finished": zeros[:, 0],
        "done": is_empty,
        "broken": zeros[:, 0] - 1,
    }


class _Beams:
    """The searches of some rows: tensors (rows, beam_size, ...), each row the best first."""

    def __init__(
        self, strategy: BeamRanking, sizes: BeamSizes, max_length: int, search: Tensors
    ) -> None:
        self.strategy = strategy
        self.sizes = sizes
        self.width = sizes.beam_size
        self.limits = search["limits"]
        self.batch = ops.shape(self.limits)[0]
        self.penalties = _penalties(strategy, sizes.alpha, max_length)
        self.positions = ops.arange(max_length, dtype="int32")[None, None, :]
        self.ranks = ops.arange(self.width, dtype="int32")[None, :]
        self.rows = ops.arange(self.batch, dtype="int32")[:, None]

    def advance(
        self, i: Tensor, search: Tensors, log_probs: Tensor, coverage: Any, columns: Columns
    ) -> tuple[Tensors, Tensor]:
        """Takes one step; returns the search and, for each flat row, the row it continues."""
        width, count = self.width, columns.count
        tokens = ops.reshape(search["target_ids"], (-1, search["target_ids"].shape[-1]))
        adjusted = adjust(self.strategy, log_probs, tokens, i, columns)
        totals = search["totals"][:, :, None] + self._by_row(adjusted, count)
        # Twice the width: each beam has one eos, so at least `width` candidates go on.
        totals, ranked = ops.top_k(ops.reshape(totals, (self.batch, width * count)), 2 * width)
        ranked = ops.cast(ranked, "int32")
        beams = ranked // count
        parents = self.rows * width + beams
        gained = ops.take(ops.reshape(log_probs, (-1,)), parents * count + ranked - beams * count)
        ids = columns.ids(parents, ranked - beams * count)
        here = self.positions == i
        candidates = {
            "target_ids": ops.where(here, ids[:, :, None], pick(search["target_ids"], parents)),
            "token_log_probs": ops.where(
                here, gained[:, :, None], pick(search["token_log_probs"], parents)
            ),
            "scores": pick(search["scores"], parents) + gained,
        }
        if "places" in search:
            candidates["places"] = ops.where(
                here, beams[:, :, None], pick(search["places"], parents)
            )
        is_eos = ids == EOS_ID
        rankings = totals / exact_lookup(self.penalties, i + 1)
        if coverage is not None:
            rankings = rankings + pick(coverage, parents)
        finished = self._finish(search, candidates, totals, rankings, is_eos)
        # Candidates that go on keep their order: they are ranked already.
        places = ops.arange(2 * width, dtype="int32")[None, :]
        _, kept = ops.top_k(-ops.where(is_eos, places + 2 * width, places), width)
        kept = self.rows * (2 * width) + ops.cast(kept, "int32")
        new = {
            **{name: pick(value, kept) for name, value in candidates.items()},
            **finished,
            "ids": pick(ids, kept),
            "totals": pick(totals, kept),
        }
        new["done"] = self._nothing_left(new)
        # NaN may be in a single live hypothesis, so look before the best are chosen.
        is_live = search["totals"] > FORBIDDEN / 2
        wrong = ops.logical_and(is_live, is_nan(self._by_row(log_probs, count)[:, :, 0]))
        broken = ops.logical_and(search["going"], ops.any(wrong, axis=1))
        nothing = ops.logical_or(broken, totals[:, 0] <= FORBIDDEN / 2)
        moves = ops.logical_and(search["going"], ops.logical_not(nothing))
        # Rows that have ended no longer change.
        frozen = {name: self._where(moves, new[name], search[name]) for name in new}
        frozen["broken"] = ops.where(broken, i, search["broken"])
        ended = ops.logical_or(new["done"], i + 1 >= search["limits"])
        frozen["going"] = ops.logical_and(moves, ops.logical_not(ended))
        return {**search, **frozen}, ops.reshape(pick(parents, kept), (-1,))

    def best(self, search: Tensors) -> Tensors:
        """Returns the finished hypotheses, then the live ones that were cut."""
        count = ops.sum(ops.cast(search["rankings"] > FORBIDDEN / 2, "int32"), axis=1)[:, None]
        is_finished = self.ranks < count
        filled = ops.where(is_finished, self.ranks, self.width + self.ranks - count)
        filled = self.rows * (2 * self.width) + filled[:, : self.sizes.num_hypotheses]
        cut = ops.where(search["done"][:, None], FORBIDDEN, search["totals"])
        lengths = ops.sum(ops.cast(search["target_ids"][:, 0] != PAD_ID, "int32"), axis=1)
        penalty = exact_lookup(self.penalties, lengths)[:, None]
        is_cut = cut > FORBIDDEN / 2
        live = {**search, "rankings": cut / penalty}
        live["scores"] = ops.where(is_cut, search["scores"], FORBIDDEN)
        names = {n.removeprefix("finished_"): n for n in search if n.startswith("finished_")}
        found = {
            name: pick(ops.concatenate([search[of_finished], live[name]], axis=1), filled)
            for name, of_finished in {**names, "rankings": "rankings"}.items()
        }
        is_broken = search["broken"][:, None] >= 0
        found["scores"] = ops.where(is_broken, float("nan"), found["scores"])
        found["token_log_probs"] = ops.where(
            self.positions == search["broken"][:, None, None],
            float("nan"),
            found["token_log_probs"],
        )
        if "history" in search:
            places = found.pop("places")
            found["attention"] = self._attention(search["history"], places, found["target_ids"])
        found["finished"] = ops.logical_and(
            is_finished[:, : self.sizes.num_hypotheses], ops.logical_not(is_broken)
        )
        return found

    def _finish(
        self, search: Tensors, candidates: Tensors, totals: Tensor, rankings: Tensor, is_eos: Tensor
    ) -> Tensors:
        """Returns the finished hypotheses, with the best candidates that end now added."""
        width = self.width
        ends = ops.logical_and(is_eos, totals > FORBIDDEN / 2)[:, :width]
        ending = ops.where(ends, rankings[:, :width], FORBIDDEN)
        pool = ops.concatenate([search["rankings"], ending], axis=1)
        best, kept = ops.top_k(pool, width)
        kept = self.rows * (2 * width) + ops.cast(kept, "int32")
        finished = {
            f"finished_{name}": pick(
                ops.concatenate([search[f"finished_{name}"], value[:, :width]], axis=1), kept
            )
            for name, value in candidates.items()
        }
        count = search["num_finished"] + ops.sum(ops.cast(ends, "int32"), axis=1)
        return {**finished, "rankings": best, "num_finished": count}

    def _nothing_left(self, search: Tensors) -> Tensor:
        # The best ranking still possible: log-probability only falls, the longest is penalized
        # least.
        highest = search["totals"][:, 0] / exact_lookup(self.penalties, self.limits)
        worst = search["rankings"][:, self.sizes.num_hypotheses - 1]
        ended = ops.logical_and(worst > FORBIDDEN / 2, worst >= highest)
        ended = ops.logical_or(ended, search["totals"][:, 0] <= FORBIDDEN / 2)
        if self.strategy.patience is None:
            return ended
        enough = ops.ceil(self.strategy.patience * ops.cast(self.width, "float32"))
        found = ops.cast(search["num_finished"], "float32")
        return ops.logical_or(ended, found >= enough)

    def coverage_penalties(self, coverage: Tensor, memory_mask: Tensor) -> Tensor:
        """Returns cp, float32, shape (rows, beam_size), of what each hypothesis attended to."""
        logs = ops.log(ops.minimum(ops.maximum(coverage, 1e-9), 1.0))
        total = ops.sum(ops.where(memory_mask, logs, 0.0), axis=1)
        return self.strategy.coverage_penalty * ops.reshape(total, (self.batch, self.width))

    def _attention(self, history: Tensor, places: Tensor, target_ids: Tensor) -> Tensor:
        """Returns the attention of each token, from the beam that it came from."""
        longest, memory_length = target_ids.shape[-1], ops.shape(history)[3]
        flat = ops.reshape(history, (-1, memory_length))
        steps = (self.rows[:, :, None] * self.width + places) * longest + self.positions
        weights = ops.take(flat, steps, axis=0)
        return ops.where((target_ids != PAD_ID)[:, :, :, None], weights, 0.0)

    def _by_row(self, values: Tensor, count: Tensor | int) -> Tensor:
        return ops.reshape(values, (self.batch, self.width, count))

    def _where(self, condition: Tensor, new: Tensor, old: Tensor) -> Tensor:
        return ops.where(ops.reshape(condition, (-1, *[1] * (len(new.shape) - 1))), new, old)


def _penalties(strategy: BeamRanking, alpha: Tensor | float, max_length: int) -> Tensor:
    """Returns lp for 0 to `max_length` tokens, float32."""
    if isinstance(alpha, (int, float)):
        return ops.convert_to_tensor(
            dataclasses.replace(strategy, alpha=alpha).penalties(max_length)
        )
    bases = strategy.penalty_bases(max_length).astype("float32")
    return ops.power(ops.convert_to_tensor(bases), alpha)
