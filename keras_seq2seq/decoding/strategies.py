"""The strategies that come with the package: greedy, sampling and beam search."""

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_seq2seq.decoding.beam_ranking import BeamRanking
from keras_seq2seq.decoding.host.beam import beam_search
from keras_seq2seq.decoding.host.single import Choose, single_search, single_stream
from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis
from keras_seq2seq.decoding.strategy import GraphStep, HostStep, Strategy, option
from keras_seq2seq.models.tensor import Tensor, Tensors
from keras_seq2seq.text.vocabulary import PAD_ID


@dataclasses.dataclass(frozen=True, repr=False)
class Greedy(Strategy):
    """Takes the most probable token at each step; ties go to the smallest id."""

    def search_host(
        self, step: HostStep, state: Arrays, source_ids: np.ndarray, **limits: Any
    ) -> list[list[Hypothesis]]:
        return single_search(step, state, source_ids, self, **limits)

    def stream_host(
        self, step: HostStep, state: Arrays, source_ids: np.ndarray, **limits: Any
    ) -> Iterator[int]:
        return single_stream(step, state, source_ids, self, **limits)

    def search_graph(
        self, step: GraphStep, state: Tensors, source_ids: Tensor, **options: Any
    ) -> Tensors:
        # Imported here, because only a search inside a graph needs Keras.
        from keras_seq2seq.decoding.graph import single

        return single.single_search(step, state, source_ids, self, **options)


@dataclasses.dataclass(frozen=True, repr=False)
class Sampling(Strategy):
    """Draws each token from the model's distribution, tempered and cut off.

    The draw depends only on the seed and the source, not on the rest of the batch: the same
    seed gives the same text again, another seed another one.

    Args:
        temperature: float > 0. Divides the log-probabilities; below 1 sharpens.
        top_k: int >= 0. Draws only from this many most probable tokens; 0 draws from all.
        top_p: float, 0 < top_p <= 1. Draws only from the fewest most probable tokens that reach
            this probability together, after temperature and `top_k`.
        seed: int >= 0.
    Reference:
        Fan et al. 2018, section 5.4 (top-k); Holtzman et al. 2020, section 3 (top-p).
    """

    temperature: float = option(1.0, float, "below 1 sharpens")
    top_k: int = option(0, int, "draw from this many most probable tokens; 0 draws from all")
    top_p: float = option(
        1.0, float, "draw from the most probable tokens that together reach this probability"
    )
    seed: int = option(0, int, "the same seed gives the same text again")

    def search_host(
        self, step: HostStep, state: Arrays, source_ids: np.ndarray, **limits: Any
    ) -> list[list[Hypothesis]]:
        choose = self._chooser(source_ids, limits["max_length"])
        return single_search(step, state, source_ids, self, choose=choose, **limits)

    def stream_host(
        self, step: HostStep, state: Arrays, source_ids: np.ndarray, **limits: Any
    ) -> Iterator[int]:
        choose = self._chooser(source_ids, limits["max_length"])
        return single_stream(step, state, source_ids, self, choose=choose, **limits)

    def search_graph(
        self, step: GraphStep, state: Tensors, source_ids: Tensor, **options: Any
    ) -> Tensors:
        from keras_seq2seq.decoding.graph import sampling, single

        choose = sampling.Draw(self.temperature, self.top_k, self.top_p)
        return single.single_search(step, state, source_ids, self, choose=choose, **options)

    def graph_inputs(self, source_ids: np.ndarray, max_length: int) -> Arrays:
        return {"uniforms": self.uniforms(source_ids, max_length)}

    @property
    def graph_key(self) -> Strategy:
        return dataclasses.replace(self, seed=0)

    def uniforms(self, source_ids: np.ndarray, max_length: int) -> np.ndarray:
        """Returns the random numbers of each row, one for each step.

        Args:
            source_ids: int32, shape (batch, source_length), padded with 0.
            max_length: int > 0.
        Returns:
            float32, shape (batch, max_length), 0 <= x < 1.
        """
        rows = []
        for ids in np.asarray(source_ids, "<i4"):
            digest = hashlib.sha256(ids[ids != PAD_ID].tobytes()).digest()
            words = np.frombuffer(digest, "<u4").tolist()
            rows.append(np.random.default_rng([self.seed, *words]).random(max_length, "float32"))
        return np.stack(rows) if rows else np.zeros((0, max_length), "float32")

    def draw(self, adjusted: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Draws an id for each row by inverting the distribution over its most probable tokens.

        Args:
            adjusted: float32, shape (rows, vocabulary_size), -inf for forbidden ids.
            uniforms: float32, shape (rows,), 0 <= x < 1.
        """
        ranked = np.argsort(-adjusted, axis=-1, kind="stable")
        ranked = ranked[:, : min(self.top_k or adjusted.shape[1], adjusted.shape[1])]
        values = np.take_along_axis(adjusted, ranked, -1) / np.float32(self.temperature)
        highest = np.maximum(values[:, :1], np.finfo("float32").min)
        weights = np.exp(values - highest)
        before = weights.cumsum(-1, dtype="float32") - weights
        weights[before >= np.float32(self.top_p) * weights.sum(-1, keepdims=True)] = 0
        upto = weights.cumsum(-1, dtype="float32")
        places = (upto <= uniforms[:, None] * upto[:, -1:]).sum(-1)
        last = np.maximum((weights > 0).sum(-1) - 1, 0)
        return ranked[np.arange(len(ranked)), np.minimum(places, last)]

    def _chooser(self, source_ids: np.ndarray, max_length: int) -> Choose:
        uniforms = self.uniforms(source_ids, max_length)
        return lambda adjusted, rows, position: self.draw(adjusted, uniforms[rows, position])

    def _own_errors(self) -> list[str]:
        errors = []
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            errors.append(
                f"`temperature` must be finite and above 0. Received: {self.temperature}; "
                "use Greedy() for no randomness."
            )
        if self.top_k < 0:
            errors.append(f"`top_k` must be at least 0. Received: {self.top_k}.")
        if not 0 < self.top_p <= 1:
            errors.append(f"`top_p` must be above 0 and at most 1. Received: {self.top_p}.")
        if self.seed < 0:
            errors.append(f"`seed` must be at least 0. Received: {self.seed}.")
        return errors


@dataclasses.dataclass(frozen=True, repr=False)
class BeamSearch(BeamRanking):
    """Keeps the `beam_size` most probable live hypotheses at each step.

    A hypothesis Y of |Y| tokens, eos included, ranks by log P(Y | X) / lp(Y) + cp(X; Y). It
    finishes when its eos is among the `beam_size` best continuations of a step, and never changes
    after. A beam larger than the vocabulary is only as wide as there are hypotheses.

    Args:
        beam_size: int, 1 to 64. Live hypotheses of each source.
        num_hypotheses: int, 1 to `beam_size`. Translations to return, the best first.
        length_penalty: "gnmt": lp = ((5 + |Y|) / 6) ** alpha; "average": lp = |Y| ** alpha.
        alpha: float >= 0. 0 ranks by log-probability; 1 with "average" ranks by its mean per token.
        coverage_penalty: float >= 0, beta of cp = beta * sum_i log(min(sum_j a_ij, 1)) over the
            source tokens i, a_ij the attention of target token j (not below 1e-9 in sum). Needs a
            model that attends; 0 is off.
        patience: float >= 1. The search of a source stops at patience * beam_size finished
            hypotheses; with None it goes on until no live hypothesis can be among those returned.
    Reference:
        Wu et al. 2016, section 7 ("gnmt", coverage); Kasai et al. 2022 (patience).
    """

    def search_host(
        self, step: HostStep, state: Arrays, source_ids: np.ndarray, **limits: Any
    ) -> list[list[Hypothesis]]:
        return beam_search(step, state, source_ids, self, **limits)

    def search_graph(
        self, step: GraphStep, state: Tensors, source_ids: Tensor, **options: Any
    ) -> Tensors:
        from keras_seq2seq.decoding.graph import beam

        return beam.beam_search(step, state, source_ids, self, **options)


GREEDY = Greedy()
