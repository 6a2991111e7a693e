"""What a search finds: hypotheses, cut out of the arrays that a graph returns."""

import contextlib
import dataclasses
import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_seq2seq.text.vocabulary import EOS_ID, PAD_ID

Arrays = dict[str, np.ndarray]
# Stands for a log-probability of minus infinity in a graph, where a real one leads to NaN.
FORBIDDEN = -1e9


@dataclasses.dataclass(frozen=True, eq=False)
class Hypothesis:
    """One translation of one source.

    Args:
        ids: Target ids without bos, eos and padding.
        score: Sum of the log-probabilities of the tokens, eos included, in nats. At most 0.
        finished: False if the maximum length cut the translation.
        token_log_probs: float32, shape (tokens,), log P(y_t | y_<t, x) of each token, eos included.
        attention: float32, shape (tokens, memory_length), weights of each token over the source,
            eos included in both; None if the model does not attend.
        ranking: What a beam search sorts by; None from a search that keeps one hypothesis.
    """

    ids: tuple[int, ...]
    score: float
    finished: bool
    token_log_probs: np.ndarray
    attention: np.ndarray | None = None
    ranking: float | None = None

    @property
    def confidence(self) -> float:
        """Geometric mean of the probabilities of the tokens, 0 to 1; 1 for no token."""
        return float(confidence(self.token_log_probs.sum(), len(self.token_log_probs), np))

    def __repr__(self) -> str:
        return f"Hypothesis(ids={reprlib.repr(self.ids)}, {self.summary()})"

    def summary(self) -> str:
        """Returns score, state and sizes in words, for a repr."""
        shape = None if self.attention is None else self.attention.shape
        tokens = len(self.token_log_probs)
        return (
            f"score={self.score:.4f}, finished={self.finished}, tokens={tokens}, attention={shape}"
        )


def confidence(score: Any, tokens: Any, library: Any) -> Any:
    """Returns the geometric mean of the probabilities of tokens, 0 to 1; 1 for no token.

    Args:
        score: float, any shape. Sum of their log-probabilities.
        tokens: int or float, like `score`. Number of tokens.
        library: Module with `exp` and `maximum`: NumPy or TensorFlow.
    """
    return library.exp(score / library.maximum(tokens, 1))


def cut(
    target_ids: np.ndarray,
    scores: np.ndarray,
    finished: np.ndarray,
    token_log_probs: np.ndarray,
    attention: np.ndarray | None = None,
    rankings: np.ndarray | None = None,
) -> list[list[Hypothesis]]:
    """Cuts the arrays of a search into the hypotheses of each row, the best first.

    Args:
        target_ids: int32, shape (batch, num_hypotheses, length), eos included, then zeros.
        scores: float32, shape (batch, num_hypotheses); below -5e8 means no hypothesis.
        finished: bool, shape (batch, num_hypotheses).
        token_log_probs: float32, shape (batch, num_hypotheses, length).
        attention: float32, shape (batch, num_hypotheses, length, memory_length), or None.
        rankings: float32, shape (batch, num_hypotheses), or None.
    Raises:
        ValueError: If the model returned NaN; names the step.
    """
    check_numbers(token_log_probs)
    result = []
    for row, kept in enumerate(scores > FORBIDDEN / 2):
        found = []
        for place in np.flatnonzero(kept):
            ids = target_ids[row, place]
            tokens = int((ids != PAD_ID).sum())
            hypothesis = Hypothesis(
                tuple(int(i) for i in ids[:tokens] if i != EOS_ID),
                float(scores[row, place]),
                bool(finished[row, place]),
                token_log_probs[row, place, :tokens],
                None if attention is None else attention[row, place, :tokens],
                None if rankings is None else float(rankings[row, place]),
            )
            found.append(hypothesis)
        result.append(found)
    return result


def cut_single(
    target_ids: np.ndarray,
    scores: np.ndarray,
    finished: np.ndarray,
    token_log_probs: np.ndarray,
    attention: np.ndarray | None = None,
) -> list[list[Hypothesis]]:
    """Cuts the arrays of a search that keeps one hypothesis, without that axis."""
    weights = None if attention is None else attention[:, None]
    return cut(
        target_ids[:, None], scores[:, None], finished[:, None], token_log_probs[:, None], weights
    )


class NoNumberError(ValueError):
    """A model returned NaN."""


@contextlib.contextmanager
def naming(origin: object) -> Iterator[None]:
    """Adds to the error of a model that returned NaN where the model came from, unless None."""
    try:
        yield
    except NoNumberError as error:
        if origin is None:
            raise
        raise NoNumberError(f"{error} Received: {origin}.") from None


def check_numbers(log_probs: np.ndarray, step: int | None = None) -> None:
    """Checks that a model returned no NaN.

    Args:
        log_probs: float, shape (..., steps), or of one step, any shape.
        step: The step, counted from 0; None finds it on the last axis.
    Raises:
        NoNumberError: If any is NaN; names the step, counted from 1.
    """
    wrong = np.isnan(log_probs)
    if not wrong.any():
        return
    if step is None:
        step = int(np.argwhere(wrong)[:, -1].min())
    raise NoNumberError(
        f"The model returned NaN at step {step + 1} of the decoder, and the search stopped. "
        "Check its weights: training that diverged leaves NaN in them."
    )
