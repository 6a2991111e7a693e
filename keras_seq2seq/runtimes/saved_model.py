"""Runs a SavedModel in TensorFlow, without Keras."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import FORBIDDEN, Arrays
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.formats import GRAPH_FILE
from keras_seq2seq.installed import missing_package
from keras_seq2seq.runtimes.process import check_started_here, started
from keras_seq2seq.runtimes.runtime import ArtefactFiles, Runtime, TextAnswer
from keras_seq2seq.runtimes.signature import Signatures, Tensor, check_signature
from keras_seq2seq.text.lines import Text, clean_text

TEXT_OPERATOR = b"SentencepieceTokenizeOp"
SIZES = ("beam_size", "num_hypotheses", "alpha")


class SavedModelRuntime(Runtime):
    """Runs the signatures of a SavedModel; threads may share it.

    A SavedModel is a program: load one only from where you would run a program from.

    Args:
        folder: One version, or a folder of numbered versions, whose latest is used.
        beam: The beam search of the signatures `translate` and `translate_ids`; they take its
            `beam_size`, `num_hypotheses` and `alpha` with each call. None leaves it unused.
        signatures: What the manifest states of its signatures; None checks nothing.
    Raises:
        FileNotFoundError: If the folder holds no SavedModel.
        ImportError: If tensorflow is not installed, or tensorflow-text for one that takes texts.
        ValueError: If the SavedModel cannot be read, misses a signature or has other tensors than
            `signatures`; in a call, if it fails.
        RuntimeError: If the process was forked after TensorFlow had loaded a model, here or in any
            later call.
    """

    name = "saved_model"

    def __init__(
        self,
        folder: Path,
        *,
        beam: BeamSearch | None = None,
        signatures: Signatures | None = None,
    ) -> None:
        self.folder = _version(Path(folder))
        self._tensorflow, self._loaded = _load(self.folder)
        self._signatures = self._loaded.signatures
        self.beam = beam
        for name, one in self._signatures.items():
            sides = one.structured_input_signature[1], one.structured_outputs
            check_signature(self.folder, name, signatures or {}, *map(_tensors, sides))
        function = self._signatures["decode_step"]
        self._step_names = sorted(function.structured_input_signature[1])

    def encode(self, source_ids: np.ndarray) -> Arrays:
        return self._run("encode", {"source_ids": source_ids.astype("int32")})

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        given = {**state, "target_ids": ids[:, None].astype("int32")}
        outputs = self._run("decode_step", {name: given[name] for name in self._step_names})
        log_probs = outputs.pop("log_probs")
        return log_probs, {**state, **outputs}

    def has(self, strategy: Strategy) -> bool:
        if not isinstance(strategy, BeamSearch) or self.beam is None:
            return strategy == GREEDY
        return self.beam == dataclasses.replace(
            strategy, **{name: getattr(self.beam, name) for name in SIZES}
        )

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        if not isinstance(strategy, BeamSearch):
            return self._run("translate_greedy", {"source_ids": source_ids})
        sizes = {name: getattr(strategy, name) for name in SIZES}
        return self._run("translate_ids", {"source_ids": source_ids, **sizes})

    def translate_texts(self, texts: Sequence[Text]) -> list[str]:
        """Translates texts with the tokenizers and the default search inside the SavedModel.

        Raises:
            ValueError: If the SavedModel was written without tokenizers.
        """
        return [best.text for best, *_ in self.answer_texts(texts)]

    def answer_texts(
        self, texts: Sequence[Text], *, n_best: bool = False
    ) -> list[list[TextAnswer]]:
        """Returns one or several translations of each text by the SavedModel, the best first.

        Args:
            texts: The texts.
            n_best: True asks the signature `translate`, with the sizes of `beam`, for all
                hypotheses; False asks the default search for one.
        Raises:
            ValueError: If the SavedModel was written without tokenizers, or `n_best` without
                `beam`.
        """
        if "text" not in self._signatures["serving_default"].structured_input_signature[1]:
            raise ValueError(
                "Texts need a SavedModel that was written with tokenizers; call `search` with "
                f"ids. Received: {self.folder}."
            )
        encoded = np.array([clean_text(text).encode() for text in texts], dtype=object)
        if not n_best:
            found = self._run("serving_default", {"text": encoded})
            answers = zip(found["translation"], found["score"], strict=True)
            return [[TextAnswer(text.decode(), float(score))] for text, score in answers]
        if self.beam is None:
            raise ValueError("N-best texts need `beam`. Received: beam=None.")
        sizes = {name: getattr(self.beam, name) for name in SIZES}
        found = self._run("translate", {"text": encoded, **sizes})
        rows = zip(found["translations"], found["scores"], found["rankings"], strict=True)
        return [
            [
                TextAnswer(text.decode(), float(score), float(ranking))
                for text, score, ranking in zip(*row, strict=True)
                if score > FORBIDDEN / 2
            ]
            for row in rows
        ]

    def answers_by_text(
        self, texts: Sequence[str], strategy: Strategy, default: Strategy
    ) -> dict[str, list[list[TextAnswer]]]:
        if strategy != default:
            return {}
        answers = {"text": self.answer_texts(texts)}
        if strategy != GREEDY:
            answers["beam text"] = self.answer_texts(texts, n_best=True)
        return answers

    def _run(self, signature: str, inputs: dict[str, Any]) -> Arrays:
        check_started_here("tensorflow", str(self.folder))
        tensors = {n: self._tensorflow.convert_to_tensor(value) for n, value in inputs.items()}
        errors = self._tensorflow.errors
        try:
            outputs = self._signatures[signature](**tensors)
        except (errors.ResourceExhaustedError, errors.CancelledError):
            raise
        except (errors.OpError, TypeError) as error:
            raise ValueError(
                f"`{signature}` of {self.folder} failed, on ids that the model lacks or because "
                f"the SavedModel is damaged: {error}"
            ) from error
        return {name: tensor.numpy() for name, tensor in outputs.items()}


def open_saved_model(artefact: ArtefactFiles) -> SavedModelRuntime:
    """Opens a SavedModel of a bundle."""
    return SavedModelRuntime(artefact.file, beam=artefact.beam, signatures=artefact.signatures)


def _tensors(specs: Mapping[str, Any]) -> list[Tensor]:
    return [
        Tensor(name, one.dtype.name, None if one.shape.rank is None else one.shape.as_list())
        for name, one in specs.items()
    ]


def _version(folder: Path) -> Path:
    """Returns the folder itself if it is a version, else the latest version in it."""
    if (folder / GRAPH_FILE).is_file():
        return folder
    versions = [p for p in (folder.iterdir() if folder.is_dir() else ()) if p.name.isdecimal()]
    chosen = max(versions, key=lambda path: int(path.name), default=folder)
    if not (chosen / GRAPH_FILE).is_file():
        raise FileNotFoundError(f"No {GRAPH_FILE} in {chosen}.")
    return chosen


@contextlib.contextmanager
def _plain_path(folder: Path) -> Iterator[Path]:
    """Yields a path to a folder without the characters that TensorFlow takes for a pattern."""
    if not set(str(folder)) & set("*?[]{}\\"):
        yield folder
        return
    with tempfile.TemporaryDirectory() as room:
        link = Path(room, "model")
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield link


def _load(folder: Path) -> tuple[Any, Any]:
    """Returns TensorFlow and the SavedModel."""
    takes_texts = TEXT_OPERATOR in (folder / GRAPH_FILE).read_bytes()
    try:
        if takes_texts:
            import tensorflow_text  # noqa: F401  registers the operators
        import tensorflow as tf
    except ImportError as error:
        raise missing_package(f"{folder} needs TensorFlow", "tensorflow", error) from error
    check_started_here("tensorflow", "A model on TensorFlow")
    started("tensorflow")
    wanted = {"serving_default", "translate_greedy", "translate_ids", "encode", "decode_step"}
    try:
        with _plain_path(folder) as plain:
            loaded = tf.saved_model.load(str(plain))
    except Exception as error:
        raise ValueError(f"{folder} cannot be read as a SavedModel: {error}.") from error
    if missing := sorted(wanted - set(loaded.signatures)):
        raise ValueError(f"{folder} must have the signatures {sorted(wanted)}. Missing: {missing}.")
    return tf, loaded
