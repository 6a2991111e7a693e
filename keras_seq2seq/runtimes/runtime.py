"""The one face of every runtime: encode, step, translate over NumPy arrays."""

import abc

import numpy as np

from keras_seq2seq.decoding.host import Arrays, Hypothesis
from keras_seq2seq.decoding.strategy import GREEDY, Strategy


class Runtime(abc.ABC):
    """Runs one artefact. Arrays in, arrays out; texts are the translator's business.

    Attributes:
        name: "keras", "saved_model", "litert" or "onnx".
        max_batch_size: Most rows of one call, or None for any number.
        strategy: What the search inside the artefact does.
    """

    name: str
    max_batch_size: int | None = None
    strategy: Strategy = GREEDY

    @abc.abstractmethod
    def encode(self, source_ids: np.ndarray) -> Arrays:
        """Reads sources.

        Args:
            source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        Returns:
            What `step` takes, by name: source tensors and `state_i`, each (batch, ...).
        """

    @abc.abstractmethod
    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        """Takes one decoder step.

        Args:
            ids: int32, shape (batch,). The last token of each row; bos at first.
            state: What `encode` or the last `step` returned.
        Returns:
            log_probs: float32, shape (batch, target_vocabulary_size).
            state: The new state by name, with `attention`, float32, (batch, source_length),
                where the model attends.
        """

    @abc.abstractmethod
    def translate(self, source_ids: np.ndarray) -> list[Hypothesis]:
        """Translates by the search inside the artefact.

        Args:
            source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        Returns:
            One hypothesis for each row, without attention.
        """

    def n_best(self, source_ids: np.ndarray) -> list[list[Hypothesis]]:
        """Translates by the search inside the artefact.

        Args:
            source_ids: As of `translate`.
        Returns:
            For each row its hypotheses, the best first.
        """
        return [[hypothesis] for hypothesis in self.translate(source_ids)]
