"""What a search does, told by a small frozen object."""

import dataclasses
import math

import numpy as np

from keras_seq2seq.config import BOS_ID, PAD_ID

# Stands for a log-probability of minus infinity in a graph, where that would make NaN.
FORBIDDEN = -1e9
MAX_BEAM_SIZE = 64
LENGTH_PENALTIES = ("gnmt", "average")


@dataclasses.dataclass(frozen=True)
class Greedy:
    """Takes the most probable token at each step."""


@dataclasses.dataclass(frozen=True)
class BeamSearch:
    """Keeps the `beam_size` most probable live hypotheses at each step.

    A hypothesis Y of |Y| tokens, eos included, ranks by log P(Y | X) / lp(Y). It finishes when
    its eos is among the `beam_size` best continuations of a step, and never changes after.

    Args:
        beam_size: int, 1 to 64. Live hypotheses of each source.
        num_hypotheses: int, 1 to `beam_size`. Translations that are returned, the best first.
        length_penalty: "gnmt": lp = ((5 + |Y|) / 6) ** alpha; "average": lp = |Y| ** alpha.
        alpha: float >= 0. 0 ranks by log-probability; "average" with 1 by its mean per token.
        patience: float >= 1. The search of a source stops at patience * beam_size finished
            hypotheses; None goes on until no live hypothesis can be among those returned.
        min_length: int >= 0. Fewest tokens before eos.
        suppress: Ids that are never chosen, beside pad and bos.
    Raises:
        ValueError: With every fault found, one a line.
    Reference:
        Wu et al. 2016, section 7 ("gnmt"); Kasai et al. 2022 (patience).
    """

    beam_size: int = 4
    num_hypotheses: int = 1
    length_penalty: str = "gnmt"
    alpha: float = 0.6
    patience: float | None = 1.0
    min_length: int = 0
    suppress: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if faults := self._faults():
            raise ValueError("BeamSearch:\n- " + "\n- ".join(faults))

    @property
    def enough(self) -> int | None:
        """Finished hypotheses of a source that end its search; None if none do."""
        return None if self.patience is None else math.ceil(self.patience * self.beam_size)

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

    def penalties(self, max_length: int) -> np.ndarray:
        """Returns lp for 0 to `max_length` tokens, float32; that of 0 tokens is 1."""
        lengths = np.arange(max_length + 1)
        base = (5 + lengths) / 6 if self.length_penalty == "gnmt" else np.maximum(lengths, 1)
        return np.where(lengths, base**self.alpha, 1).astype("float32")

    def _faults(self) -> list[str]:
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
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            faults.append(f"`alpha` must be finite and at least 0. Received: {self.alpha}.")
        if self.patience is not None and not self.patience >= 1:
            faults.append(f"`patience` must be at least 1, or None. Received: {self.patience}.")
        if self.min_length < 0:
            faults.append(f"`min_length` must be at least 0. Received: {self.min_length}.")
        return faults


Strategy = Greedy | BeamSearch
GREEDY = Greedy()
