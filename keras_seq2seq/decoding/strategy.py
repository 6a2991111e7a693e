"""What a search does, told by small frozen objects."""

import abc
import dataclasses
import hashlib
import math

import numpy as np

from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

# Stands for a log-probability of minus infinity in a graph, where that would make NaN.
FORBIDDEN = -1e9
MAX_BEAM_SIZE = 64
LENGTH_PENALTIES = ("gnmt", "average")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Strategy(abc.ABC):
    """What every search can be told; `Greedy`, `BeamSearch` and `Sampling` add their own.

    Args:
        min_length: int >= 0. Fewest tokens before eos.
        max_length_factor: float > 0. Longest translation as a factor of the source's tokens, eos
            included in both, rounded up; `max_length` still cuts. None leaves it to that alone.
        suppress: Ids that are never chosen, beside pad and bos.
        repetition_penalty: float > 0. Multiplies the log-probability of each token that the
            translation has already, before it is compared; 1 changes nothing, 1.2 is usual.
        no_repeat_ngram_size: int >= 0. No sequence of so many tokens comes twice; 0 is off.
    Raises:
        ValueError: With every fault found, one a line.
    Reference:
        Keskar et al. 2019, section 4.1 (repetition penalty); Paulus et al. 2018, section 2.5
        (n-grams).
    """

    min_length: int = 0
    max_length_factor: float | None = None
    suppress: tuple[int, ...] = ()
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0

    def __post_init__(self) -> None:
        if faults := [*self._own_faults(), *self._common_faults()]:
            raise ValueError(f"{type(self).__name__}:\n- " + "\n- ".join(faults))

    def __repr__(self) -> str:
        """Names what is not a default."""
        fields = [(field, getattr(self, field.name)) for field in dataclasses.fields(self)]
        given = [f"{f.name}={value!r}" for f, value in fields if value != f.default]
        return f"{type(self).__name__}({', '.join(given)})"

    def forbidden(self, vocabulary_size: int) -> list[int]:
        """Returns the ids that are never chosen.

        Raises:
            ValueError: If `suppress` holds an id that the vocabulary has not.
        """
        if foreign := [i for i in self.suppress if not 0 <= i < vocabulary_size]:
            raise ValueError(
                f"`suppress` must hold ids from 0 to {vocabulary_size - 1}. Received: {foreign}."
            )
        return sorted({PAD_ID, BOS_ID, *self.suppress})

    @property
    def adjusts(self) -> bool:
        """True if what was chosen before changes what may be chosen."""
        return self.repetition_penalty != 1 or self.no_repeat_ngram_size > 0

    @property
    def leaves_a_token(self) -> bool:
        """True if no rule can forbid every token."""
        return not (self.adjusts or self.min_length or self.suppress)

    @abc.abstractmethod
    def _own_faults(self) -> list[str]:
        """Returns what is wrong with the arguments of the class itself."""

    def _common_faults(self) -> list[str]:
        faults = []
        if self.min_length < 0:
            faults.append(f"`min_length` must be at least 0. Received: {self.min_length}.")
        factor = self.max_length_factor
        if factor is not None and not (math.isfinite(factor) and factor > 0):
            faults.append(
                f"`max_length_factor` must be finite and above 0, or None. Received: {factor}."
            )
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            faults.append(
                "`repetition_penalty` must be finite and above 0. "
                f"Received: {self.repetition_penalty}."
            )
        if self.no_repeat_ngram_size < 0:
            faults.append(
                f"`no_repeat_ngram_size` must be at least 0. Received: {self.no_repeat_ngram_size}."
            )
        return faults


@dataclasses.dataclass(frozen=True, repr=False)
class Greedy(Strategy):
    """Takes the most probable token at each step; of equal ones the smallest id."""

    def _own_faults(self) -> list[str]:
        return []


@dataclasses.dataclass(frozen=True, repr=False)
class Sampling(Strategy):
    """Draws each token from the model's distribution, tempered and cut off.

    The draw depends on the seed and the source alone, not on what else is in the batch: the same
    seed gives the same text again, another seed another one.

    Args:
        temperature: float > 0. Divides the log-probabilities; below 1 sharpens.
        top_k: int >= 0. Draws from so many most probable tokens; 0 from all.
        top_p: float, 0 < top_p <= 1. Draws from the fewest most probable tokens that have this
            probability together, after temperature and `top_k`.
        seed: int >= 0.
    Reference:
        Fan et al. 2018, section 5.4 (top-k); Holtzman et al. 2020, section 3 (top-p).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

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

    def candidates(self, vocabulary_size: int) -> int:
        """Returns how many most probable tokens a draw looks at."""
        return min(self.top_k or vocabulary_size, vocabulary_size)

    def _own_faults(self) -> list[str]:
        faults = []
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            faults.append(
                f"`temperature` must be finite and above 0. Received: {self.temperature}; "
                "take Greedy() for none."
            )
        if self.top_k < 0:
            faults.append(f"`top_k` must be at least 0. Received: {self.top_k}.")
        if not 0 < self.top_p <= 1:
            faults.append(f"`top_p` must be above 0 and at most 1. Received: {self.top_p}.")
        if self.seed < 0:
            faults.append(f"`seed` must be at least 0. Received: {self.seed}.")
        return faults


@dataclasses.dataclass(frozen=True, repr=False)
class BeamSearch(Strategy):
    """Keeps the `beam_size` most probable live hypotheses at each step.

    A hypothesis Y of |Y| tokens, eos included, ranks by log P(Y | X) / lp(Y) + cp(X; Y). It
    finishes when its eos is among the `beam_size` best continuations of a step, and never changes
    after. A beam larger than the vocabulary is as wide as there are hypotheses.

    Args:
        beam_size: int, 1 to 64. Live hypotheses of each source.
        num_hypotheses: int, 1 to `beam_size`. Translations that are returned, the best first.
        length_penalty: "gnmt": lp = ((5 + |Y|) / 6) ** alpha; "average": lp = |Y| ** alpha.
        alpha: float >= 0. 0 ranks by log-probability; "average" with 1 by its mean per token.
        coverage_penalty: float >= 0, beta of cp = beta * sum_i log(min(sum_j a_ij, 1)) over the
            source tokens i, a_ij the attention of target token j (not below 1e-9 in sum). Needs a
            model that attends; 0 is off.
        patience: float >= 1. The search of a source stops at patience * beam_size finished
            hypotheses; None goes on until no live hypothesis can be among those returned.
    Reference:
        Wu et al. 2016, section 7 ("gnmt", coverage); Kasai et al. 2022 (patience).
    """

    beam_size: int = 4
    num_hypotheses: int = 1
    length_penalty: str = "gnmt"
    alpha: float = 0.6
    coverage_penalty: float = 0.0
    patience: float | None = 1.0

    def check_attention(self, attends: bool) -> None:
        """Checks that a coverage penalty has attention to count.

        Raises:
            ValueError: If the model does not attend.
        """
        if self.coverage_penalty and not attends:
            raise ValueError(
                "A coverage penalty needs a model that attends. "
                f"Received: coverage_penalty={self.coverage_penalty} for one that does not."
            )

    @property
    def enough(self) -> int | None:
        """Finished hypotheses of a source that end its search; None if none do."""
        if self.patience is None:
            return None
        return math.ceil(np.float32(self.patience) * np.float32(self.beam_size))

    def penalties(self, max_length: int) -> np.ndarray:
        """Returns lp for 0 to `max_length` tokens, float32; that of 0 tokens is 1."""
        return (self.penalty_bases(max_length) ** self.alpha).astype("float32")

    def penalty_bases(self, max_length: int) -> np.ndarray:
        """Returns what is raised to `alpha` for 0 to `max_length` tokens, float64."""
        lengths = np.arange(max_length + 1)
        base = (5 + lengths) / 6 if self.length_penalty == "gnmt" else lengths
        return np.where(lengths, base, 1.0)

    def _own_faults(self) -> list[str]:
        faults = []
        if not 1 <= self.beam_size <= MAX_BEAM_SIZE:
            faults.append(f"`beam_size` must be 1 to {MAX_BEAM_SIZE}. Received: {self.beam_size}.")
        if not 1 <= self.num_hypotheses <= max(self.beam_size, 1):
            faults.append(
                "`num_hypotheses` must be 1 to `beam_size`. "
                f"Received: {self.num_hypotheses} of {self.beam_size}."
            )
        if self.length_penalty not in LENGTH_PENALTIES:
            faults.append(
                f"`length_penalty` must be one of {LENGTH_PENALTIES}. "
                f"Received: {self.length_penalty!r}."
            )
        for name in ("alpha", "coverage_penalty"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                faults.append(f"`{name}` must be finite and at least 0. Received: {value}.")
        if self.patience is not None and not self.patience >= 1:
            faults.append(f"`patience` must be at least 1, or None. Received: {self.patience}.")
        return faults


GREEDY = Greedy()
