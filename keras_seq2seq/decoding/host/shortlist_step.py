"""Steps of the host search over the candidates of a shortlist."""

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays
from keras_seq2seq.decoding.strategy import HostStep

# Name of the mask among the state arrays of a search.
ALLOWED = "allowed_ids"


def shortlist_step(step: HostStep) -> HostStep:
    """Returns a step whose log-probabilities are over the allowed ids only, -inf elsewhere.

    Args:
        step: One step of the decoder; its state has `ALLOWED`, bool, (rows, vocabulary_size).
    """

    def allowed_step(ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        log_probs, new = step(ids, state)
        allowed = np.where(state[ALLOWED], log_probs, np.float32(-np.inf))
        highest = allowed.max(axis=1, keepdims=True)
        total = np.exp(allowed - highest).sum(axis=1, keepdims=True)
        return allowed - highest - np.log(total), {**new, ALLOWED: state[ALLOWED]}

    return allowed_step
