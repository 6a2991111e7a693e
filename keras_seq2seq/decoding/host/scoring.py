"""How probable a given translation is, by forcing it through a runtime's step."""

import dataclasses

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays, check_numbers
from keras_seq2seq.decoding.strategy import HostStep
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID


@dataclasses.dataclass(frozen=True, eq=False)
class Score:
    """The probability of one translation of one source.

    Args:
        token_log_probs: float32, shape (tokens,), log P(y_t | y_<t, x) of each token, eos
            included. At most 0.
    """

    token_log_probs: np.ndarray

    @property
    def log_prob(self) -> float:
        """Sum of the log-probabilities of the tokens, in nats."""
        return float(self.token_log_probs.sum(dtype="float32"))

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability of a token, 1 to the largest float32."""
        with np.errstate(over="ignore"):  # from 89 nats a token on
            perplexity = np.exp(-self.token_log_probs.mean(dtype="float32"))
        return float(np.minimum(perplexity, np.finfo("float32").max))

    def __repr__(self) -> str:
        return f"Score(log_prob={self.log_prob:.4f}, tokens={len(self.token_log_probs)})"


def score(step: HostStep, state: Arrays, target_ids: np.ndarray) -> list[Score]:
    """Forces translations through the steps.

    Args:
        step: One step of the decoder, see `Strategy.search_host`.
        state: Arrays by name, shape (batch, ...), after the source was read.
        target_ids: int32, shape (batch, length), eos at the end of each row, padded with 0.
    Returns:
        One score for each row.
    Raises:
        ValueError: If the model returns NaN; names the step. If the decoder keeps fewer positions
            than the longest translation has tokens.
    """
    _check_room(state, target_ids.shape[1])
    rows = np.arange(len(target_ids))
    ids = np.full(len(target_ids), BOS_ID, "int32")
    columns = []
    for position, wanted in enumerate(target_ids.T):
        log_probs, state = step(ids, state)
        check_numbers(log_probs[wanted != PAD_ID], position)
        columns.append(log_probs[rows, wanted])
        ids = wanted.astype("int32")
    forced = np.stack(columns, axis=1)
    return [Score(row[ids != PAD_ID]) for row, ids in zip(forced, target_ids, strict=True)]


def _check_room(state: Arrays, length: int) -> None:
    """Checks that the caches of a Transformer decoder, if it is one, hold `length` tokens.

    Beyond them some runtimes raise errors of their own and others compute garbage. The states are
    laid out as docs/bundle.md says: keys and values of each layer, and at last the position.
    """
    count = sum(name.startswith("state_") for name in state)
    last, values = state.get(f"state_{count - 1}"), state.get("state_1")
    if last is None or values is None or last.dtype.kind != "i" or values.ndim != 4:
        return
    room = values.shape[2]
    if length > room:
        raise ValueError(
            f"A translation to score must have at most {room} tokens, eos included: the caches of "
            f"the Transformer decoder hold no more. Received: {length} tokens; leave it out, or "
            "build the model with a larger max_length."
        )
