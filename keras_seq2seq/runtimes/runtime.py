"""The interface of every runtime: encode, step and search over NumPy arrays."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis, cut, cut_single
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.runtimes.signature import Signatures


@dataclasses.dataclass(frozen=True)
class TextAnswer:
    """One translation from an artefact that takes texts.

    Args:
        text: The translation.
        score: Sum of the log-probabilities of its tokens, in nats.
        ranking: What a beam search sorts by; None from a greedy search.
    """

    text: str
    score: float
    ranking: float | None = None


@dataclasses.dataclass(frozen=True)
class ArtefactFiles:
    """The files of one artefact of a bundle, from which its runtime is opened.

    Args:
        path: The folder of the format in the bundle, or its one file.
        files: Entry of the quantization in the manifest: a file name below `path`, a file name for
            each function, or "" if `path` is the file.
        beam: The beam search inside the files, or None.
        num_threads: int > 0. Threads of one operator, if the runtime has a choice.
        max_length: int > 0. Longest translation in tokens, for a search that is not inside a file.
        shortlist: Candidates of such a search; with None it chooses from all ids.
        signatures: Inputs and outputs of each function, as the manifest states them.
        source_lengths: Source lengths that the files have searches for; () if they take any.
        batch_size: int > 0. Sources that a file for batches translates at once; 1 without one.
        xnnpack: Whether LiteRT uses the kernels of XNNPACK.
    """

    path: pathlib.Path
    files: str | Mapping[str, str]
    beam: BeamSearch | None
    num_threads: int
    max_length: int
    shortlist: Shortlist | None
    signatures: Signatures = dataclasses.field(default_factory=dict)
    source_lengths: Sequence[int] = ()
    batch_size: int = 1
    xnnpack: bool = True

    @property
    def file(self) -> pathlib.Path:
        """The one file or folder of the artefact."""
        return self.path / str(self.files)


class Runtime(abc.ABC):
    """Runs one artefact: arrays in, arrays out; `Translator` adds texts.

    Attributes:
        name: "keras", "saved_model", "litert" or "onnx".
        max_batch_size: Largest number of rows in one call; None means any number.
        beam: The beam search inside the artefact, or None.
        compiles_searches: True if `search` compiles each strategy that it has not met before.
    """

    name: str
    max_batch_size: int | None = None
    beam: BeamSearch | None = None
    compiles_searches: bool = False

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

    def has(self, strategy: Strategy) -> bool:
        """Returns True if the artefact has exactly this search inside."""
        return strategy in (GREEDY, self.beam)

    def holds(self, source_ids: np.ndarray) -> bool:
        """Returns True if the searches inside the artefact take sources of this length."""
        return True

    def variants(self) -> dict[str, "Runtime"]:
        """Returns other ways to run the same files, by what is different about them."""
        return {}

    def release(self) -> None:  # noqa: B027  most have nothing to free
        """Frees what was read of its files; the next call that needs one reads it again."""

    def search(self, source_ids: np.ndarray, strategy: Strategy = GREEDY) -> list[list[Hypothesis]]:
        """Translates with a search inside the artefact.

        Args:
            source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
            strategy: One that the artefact has.
        Returns:
            For each row its hypotheses, the best first.
        Raises:
            ValueError: If the artefact does not have it, or the model returns NaN.
        """
        if not self.has(strategy):
            inside = [GREEDY, *([self.beam] if self.beam else [])]
            raise ValueError(
                f"A search inside this {self.name} artefact must be one of {inside}. "
                f"Received: {strategy}; search on the host, or export with beam=BeamSearch(...)."
            )
        found = self._search(source_ids.astype("int32", copy=False), strategy)
        return cut(**found) if found["target_ids"].ndim == 3 else cut_single(**found)

    def answers_by_text(
        self, texts: Sequence[str], strategy: Strategy, default: Strategy
    ) -> dict[str, list[list[TextAnswer]]]:
        """Translates texts with the tokenizers inside the artefact, where it has them.

        Args:
            texts: Source texts.
            strategy: The search that is asked for.
            default: The search of a bundle where nobody asks for one.
        Returns:
            The answers by the name of each way that has this search: "text" for one translation
            of each text, "beam text" for all hypotheses.
        """
        return {}

    @abc.abstractmethod
    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        """Returns the arrays of a search that the artefact has, by name."""
