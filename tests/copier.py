"""A runtime without a model: it says the source again."""

import numpy as np

from keras_seq2seq.decoding.host.single import single_search
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.text.tokenizer import pad_batch
from keras_seq2seq.text.vocabulary import EOS_ID


class Copier(Runtime):
    """Says the source again, a token a step, and writes down the shapes it is given."""

    name = "copier"

    def __init__(self, vocabulary_size, max_batch_size=None):
        self.vocabulary_size = vocabulary_size
        self.max_batch_size = max_batch_size
        self.shapes = []

    def encode(self, source_ids):
        self.shapes.append(source_ids.shape)
        return {"source_ids": source_ids, "state_0": np.zeros(len(source_ids), int)}

    def step(self, ids, state):
        at = np.minimum(state["state_0"], state["source_ids"].shape[1] - 1)
        rows = np.arange(len(ids))
        log_probs = np.full((len(ids), self.vocabulary_size), -9.0, "float32")
        log_probs[rows, np.maximum(state["source_ids"][rows, at], 1)] = -0.5
        return log_probs, {**state, "state_0": state["state_0"] + 1}

    def _search(self, source_ids, strategy):
        state = self.encode(source_ids)
        found = single_search(self.step, state, source_ids, strategy, max_length=20)
        ids = pad_batch([[*h.ids, EOS_ID] if h.token_log_probs.size else [] for (h,) in found], 20)
        return {
            "target_ids": ids,
            "scores": np.array([h.score for (h,) in found]),
            "finished": np.array([h.finished for (h,) in found]),
            "token_log_probs": np.where(ids > 0, -0.5, 0.0),
        }
