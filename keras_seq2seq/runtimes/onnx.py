"""Runs the ONNX files of a bundle with onnxruntime, without TensorFlow and Keras."""

import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.installed import missing_package
from keras_seq2seq.runtimes.runtime import ArtefactFiles, Runtime, TextAnswer
from keras_seq2seq.runtimes.signature import Signatures, Tensor, check_signature
from keras_seq2seq.text.lines import Text, clean_text

# Names are unique in an ONNX graph: the next value of the input `state_0` is `next_state_0`.
NEXT_PREFIX = "next_"
REMEDY = "Export the model to ONNX again."
TEXT_FUNCTION = "translate_text_greedy"
# Among the files of a quantization: the weights that all others read.
WEIGHTS_ENTRY = "weights"
DTYPES = {"float": "float32", "double": "float64"}


class OnnxRuntime(Runtime):
    """Runs ONNX files on the CPU, each read when it is first used.

    Args:
        files: The file of each function: `encode`, `decode_step`, `translate_greedy` and, with
            `beam`, `translate_beam`; `translate_text_greedy` for `translate_texts`.
        beam: The beam search of `translate_beam`, or None.
        num_threads: int > 0. Threads of one operator.
        signatures: What the manifest states of the functions; None checks nothing.
    Raises:
        ImportError: If onnxruntime is not installed.
        FileNotFoundError: On first use, if a file is missing.
        ValueError: If `num_threads` is not positive; on first use, if a file is damaged or has
            other tensors than `signatures`; in a call, if the file fails.
    """

    name = "onnx"

    def __init__(
        self,
        files: Mapping[str, pathlib.Path],
        *,
        beam: BeamSearch | None = None,
        num_threads: int = 1,
        signatures: Signatures | None = None,
    ) -> None:
        _onnxruntime()
        if num_threads < 1:
            raise ValueError(f"`num_threads` must be at least 1. Received: {num_threads}.")
        self.num_threads = num_threads
        self._files = {
            function: _File(path, num_threads, function, signatures or {})
            for function, path in files.items()
        }
        self.beam = beam if "translate_beam" in files else None

    def encode(self, source_ids: np.ndarray) -> Arrays:
        return self._files["encode"].run({"source_ids": source_ids.astype("int32", copy=False)})

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        inputs = {**state, "target_ids": ids[:, None].astype("int32", copy=False)}
        outputs = self._files["decode_step"].run(inputs)
        log_probs = outputs.pop("log_probs")
        new = {name.removeprefix(NEXT_PREFIX): value for name, value in outputs.items()}
        return log_probs, {**state, **new}

    def release(self) -> None:
        for file in self._files.values():
            file.close()

    @property
    def takes_texts(self) -> bool:
        """True if there is a file with the tokenizers inside."""
        return TEXT_FUNCTION in self._files

    def translate_texts(self, texts: Sequence[Text]) -> list[str]:
        """Returns the translations of `answer_texts`."""
        return [best.text for best, *_ in self.answer_texts(texts)]

    def answer_texts(self, texts: Sequence[Text]) -> list[list[TextAnswer]]:
        """Translates texts with the tokenizers and the greedy search inside a file.

        A translation ends before its first NUL, because onnxruntime-extensions cannot decode that.

        Args:
            texts: Source texts; all go into one call of the file.
        Raises:
            ValueError: If there is no such file.
            ImportError: If onnxruntime-extensions is not installed.
        """
        if not self.takes_texts:
            raise ValueError(
                f"Texts need the file of `{TEXT_FUNCTION}`; call `search` with ids, or export with "
                f"text_onnx=True (--text-onnx). Received: files of {list(self._files)}."
            )
        if not texts:
            return []
        given = np.array([clean_text(text) for text in texts], dtype=object)
        found = self._files[TEXT_FUNCTION].run({"text": given})
        answers = zip(found["translation"].tolist(), found["score"].tolist(), strict=True)
        return [[TextAnswer(text, score)] for text, score in answers]

    def answers_by_text(
        self, texts: Sequence[str], strategy: Strategy, default: Strategy
    ) -> dict[str, list[list[TextAnswer]]]:
        if not self.takes_texts or strategy != GREEDY:
            return {}
        return {"text": self.answer_texts(texts)}

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        function = "translate_beam" if strategy == self.beam else "translate_greedy"
        return self._files[function].run({"source_ids": source_ids})


def open_onnx(artefact: ArtefactFiles) -> OnnxRuntime:
    """Opens the ONNX files of a bundle."""
    assert isinstance(artefact.files, Mapping)
    files = {
        function: artefact.path / name
        for function, name in artefact.files.items()
        if function != WEIGHTS_ENTRY
    }
    return OnnxRuntime(
        files,
        beam=artefact.beam,
        num_threads=artefact.num_threads,
        signatures=artefact.signatures,
    )


class _File:
    """One ONNX file, opened on first use."""

    def __init__(
        self, path: pathlib.Path, num_threads: int, function: str, signatures: Signatures
    ) -> None:
        self.path = pathlib.Path(path)
        self.function = function
        self.num_threads = num_threads
        self._signatures = signatures
        self._session: Any = None

    def close(self) -> None:
        """Frees the memory of the file until it is used again."""
        self._session = None

    def run(self, inputs: Arrays) -> Arrays:
        """Returns all outputs by name; ignores inputs that the file does not have."""
        if self._session is None:
            session = _open(self.path, self.num_threads, self.function == TEXT_FUNCTION)
            sides = session.get_inputs(), session.get_outputs()
            check_signature(self.path, self.function, self._signatures, *map(_tensors, sides))
            self._inputs, self._outputs = ([value.name for value in side] for side in sides)
            self._session = session
        if missing := sorted(set(self._inputs) - set(inputs)):
            raise ValueError(
                f"{self.path} must take {sorted(inputs)}. Received: an ONNX file that also takes "
                f"{missing}. {REMEDY}"
            )
        given = {name: inputs[name] for name in self._inputs}
        # Without a row, onnxruntime's GRU and LSTM end the whole process.
        if not all(map(len, given.values())):
            shapes = {name: value.shape for name, value in given.items()}
            raise ValueError(f"An ONNX file needs at least one row. Received: {shapes}.")
        try:
            values = self._session.run(self._outputs, given)
        # onnxruntime has a family of errors without a public base class.
        except Exception as error:
            raise ValueError(
                f"{self.path} failed, on ids that the model lacks or because the file is damaged: "
                f"{error}"
            ) from error
        return dict(zip(self._outputs, values, strict=True))


def _tensors(values: Sequence[Any]) -> list[Tensor]:
    found = []
    for value in values:
        kind = value.type.removeprefix("tensor(").removesuffix(")")
        shape = [size if isinstance(size, int) else None for size in value.shape]
        found.append(Tensor(value.name, DTYPES.get(kind, kind), shape))
    return found


def _open(path: pathlib.Path, num_threads: int, has_texts: bool) -> Any:
    onnxruntime = _onnxruntime()
    if not path.is_file():
        raise FileNotFoundError(f"An ONNX file of the bundle is missing: {path}. {REMEDY}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings are about the optimizer's own work
    if has_texts:
        options.register_custom_ops_library(_text_operators())
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime has a family of errors without a public base class.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as an ONNX file: it is damaged, or needs a later onnxruntime "
            f"than {onnxruntime.__version__}, see `keras-seq2seq inspect`. {REMEDY} For an older "
            f"onnxruntime, pass a lower onnx_opset (--onnx-opset). {error}"
        ) from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package("ONNX files need onnxruntime", "onnx-runtime", error) from error
    return onnxruntime


def _text_operators() -> str:
    """Returns the path of the library that has the operators for texts.

    TensorFlow exposes its symbols to every library that is loaded after it. Some have the same
    names as symbols of the extension, which then crashes; loaded here, the extension prefers its
    own.
    """
    flags = sys.getdlopenflags() if hasattr(sys, "getdlopenflags") else None
    try:
        if flags is not None:
            sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
        import onnxruntime_extensions
    except ImportError as error:
        what = "Texts in an ONNX file need onnxruntime-extensions"
        raise missing_package(what, "onnx-text", error) from error
    finally:
        if flags is not None:
            sys.setdlopenflags(flags)
    return onnxruntime_extensions.get_library_path()
