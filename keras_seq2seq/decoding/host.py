"""Greedy search in NumPy over a runtime's step: the readable reference for every graph."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID

Arrays = dict[str, np.ndarray]
Step = Callable[[np.ndarray, Arrays], tuple[np.ndarray, Arrays]]


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """One translation of one source.

    Args:
        ids: Target ids without bos, eos and padding.
        score: Sum of the log-probabilities of the tokens, eos included. At most 0.
        finished: False if the maximum length cut the translation.
        attention: float32, shape (tokens, source_length), weights of each token over the
            source, eos included; None where the search runs inside a file or nothing attends.
        ranking: What a beam search orders by: `score` over the length penalty. None of a search
            that keeps one hypothesis.
    """

    ids: tuple[int, ...]
    score: float
    finished: bool
    attention: np.ndarray | None = None
    ranking: float | None = None


def greedy_search(
    step: Step, state: Arrays, is_empty: np.ndarray, *, max_length: int
) -> list[Hypothesis]:
    """Takes the most probable token at each step until every row has ended.

    The rules are those of `keras_seq2seq.decoding.graph.greedy_search`.

    Args:
        step: The step contract: ids, int32, (batch,), and arrays by name give log_probs,
            float32, (batch, vocabulary_size), and the new arrays, `attention` among them where
            the model attends, (batch, source_length).
        state: Arrays by name, shape (batch, ...), after the source was read.
        is_empty: bool, shape (batch,). True gives an empty translation.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
    Returns:
        One hypothesis for each row.
    """
    batch = len(is_empty)
    finished = is_empty.copy()
    scores = np.zeros(batch, "float32")
    ids = np.where(is_empty, EOS_ID, BOS_ID).astype("int32")
    columns, weights = [], []
    for _ in range(max_length):
        if finished.all():
            break
        log_probs, state = step(ids, state)
        best, score = _best(log_probs)
        ids = np.where(finished, PAD_ID, best).astype("int32")
        scores += np.where(finished, 0, score).astype("float32")
        finished |= ids == EOS_ID
        columns.append(ids)
        if "attention" in state:
            weights.append(state["attention"])
    output = np.stack(columns, 1) if columns else np.zeros((batch, 0), "int32")
    attention = np.stack(weights, 1) if weights else None
    return hypotheses(output, scores, finished, attention)


def greedy_stream(
    step: Step, state: Arrays, is_empty: np.ndarray, *, max_length: int
) -> Iterator[int]:
    """Yields the ids that `greedy_search` finds for one row, each as soon as it is known.

    Args:
        step, state, is_empty, max_length: As of `greedy_search`, for a batch of one.
    """
    ids = np.array([BOS_ID], "int32")
    for _ in range(0 if is_empty.all() else max_length):
        log_probs, state = step(ids, state)
        ids = _best(log_probs)[0]
        if ids[0] == EOS_ID:
            return
        yield int(ids[0])


def hypotheses(
    target_ids: np.ndarray,
    scores: np.ndarray,
    finished: np.ndarray,
    attention: np.ndarray | None = None,
) -> list[Hypothesis]:
    """Cuts the rows of a search's arrays into hypotheses.

    Args:
        target_ids: int32, shape (batch, length), eos included, then zeros.
        scores: float32, shape (batch,).
        finished: bool, shape (batch,).
        attention: float32, shape (batch, length, source_length), or None.
    """
    result = []
    for row, ids in enumerate(target_ids):
        tokens = ids[ids != PAD_ID]
        words = tuple(int(i) for i in tokens if i != EOS_ID)
        kept = None if attention is None else attention[row, : len(tokens)]
        result.append(Hypothesis(words, float(scores[row]), bool(finished[row]), kept))
    return result


def is_empty_source(source_ids: np.ndarray) -> np.ndarray:
    """Returns True, shape (batch,), where a source holds nothing but padding and eos."""
    return ~((source_ids != PAD_ID) & (source_ids != EOS_ID)).any(axis=1)


def _best(log_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the most probable id of each row, int32, and its log-probability."""
    allowed = log_probs.copy()
    allowed[:, [PAD_ID, BOS_ID]] = -np.inf
    best = allowed.argmax(-1)
    return best.astype("int32"), allowed[np.arange(len(best)), best]
