"""The one face of every runtime: encode, step, translate over NumPy arrays."""

import abc

import numpy as np

from keras_seq2seq.decoding.host import Arrays, Hypothesis
from keras_seq2seq.decoding.host_beam import n_best
from keras_seq2seq.decoding.strategy import BeamSearch


class Runtime(abc.ABC):
    """Runs one artefact. Arrays in, arrays out; texts are the translator's business.

    Attributes:
        name: "keras", "saved_model", "litert" or "onnx".
        max_batch_size: Most rows of one call, or None for any number.
        beam: What `translate_beam` searches for, or None if the artefact has no beam search.
    """

    name: str
    max_batch_size: int | None = None
    beam: BeamSearch | None = None

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
        """Translates by the greedy search inside the artefact.

        Args:
            source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        Returns:
            One hypothesis for each row, without attention.
        """

    def translate_beam(self, source_ids: np.ndarray) -> list[list[Hypothesis]]:
        """Translates by the beam search inside the artefact.

        Args:
            source_ids: As of `translate`.
        Returns:
            For each row its hypotheses, the best first.
        Raises:
            ValueError: If the artefact has none.
        """
        if self.beam is None:
            raise ValueError(
                f"This {self.name} artefact has no beam search inside; export it with "
                "beam=BeamSearch(...), or search on the host."
            )
        return n_best(**self._translate_beam(source_ids))

    @abc.abstractmethod
    def _translate_beam(self, source_ids: np.ndarray) -> Arrays:
        """Returns what the artefact's function `translate_beam` returns."""
