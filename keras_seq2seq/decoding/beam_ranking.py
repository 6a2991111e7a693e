"""How a beam search ranks its hypotheses, and when it stops."""

import abc
import dataclasses
import math

import numpy as np

from keras_seq2seq.decoding.strategy import Strategy, option

MAX_BEAM_SIZE = 64
LENGTH_PENALTIES = ("gnmt", "average")


@dataclasses.dataclass(frozen=True, repr=False)
class BeamRanking(Strategy, abc.ABC):
    """The options of a beam search, which `BeamSearch` documents, and their arithmetic."""

    beam_size: int = option(4, int, "live hypotheses of each text; 1 is greedy")
    num_hypotheses: int = option(1, int, "translations of each text")
    length_penalty: str = option("gnmt", str, "form of the length penalty")
    alpha: float = option(0.6, float, "exponent of the length penalty")
    coverage_penalty: float = option(0.0, float, "beta of the coverage penalty")
    patience: float | None = option(
        1.0, float, "finished hypotheses that end the search, as a multiple of the beam"
    )

    @property
    def needs_attention(self) -> bool:
        return self.coverage_penalty > 0

    @property
    def enough(self) -> int | None:
        """Number of finished hypotheses that ends the search of a source; None means no limit."""
        if self.patience is None:
            return None
        # In float32, so that the host rounds exactly as the graph does.
        return math.ceil(np.float32(self.patience) * np.float32(self.beam_size))

    def penalties(self, max_length: int) -> np.ndarray:
        """Returns lp for 0 to `max_length` tokens, float32; that of 0 tokens is 1."""
        return (self.penalty_bases(max_length) ** self.alpha).astype("float32")

    def penalty_bases(self, max_length: int) -> np.ndarray:
        """Returns the bases of lp, before the power `alpha`, for 0 to `max_length` tokens,
        float64."""
        lengths = np.arange(max_length + 1)
        base = (5 + lengths) / 6 if self.length_penalty == "gnmt" else lengths
        return np.where(lengths, base, 1.0)

    def _own_errors(self) -> list[str]:
        errors = []
        if not 1 <= self.beam_size <= MAX_BEAM_SIZE:
            errors.append(f"`beam_size` must be 1 to {MAX_BEAM_SIZE}. Received: {self.beam_size}.")
        if not 1 <= self.num_hypotheses <= max(self.beam_size, 1):
            errors.append(
                "`num_hypotheses` must be 1 to `beam_size`. "
                f"Received: {self.num_hypotheses} of {self.beam_size}."
            )
        if self.length_penalty not in LENGTH_PENALTIES:
            errors.append(
                f"`length_penalty` must be one of {LENGTH_PENALTIES}. "
                f"Received: {self.length_penalty!r}."
            )
        for name in ("alpha", "coverage_penalty"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                errors.append(f"`{name}` must be finite and at least 0. Received: {value}.")
        if self.patience is not None and not self.patience >= 1:
            errors.append(f"`patience` must be at least 1, or None. Received: {self.patience}.")
        return errors
