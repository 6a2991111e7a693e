"""Runs the ONNX files of a bundle with onnxruntime, without TensorFlow and Keras."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays
from keras_seq2seq.decoding.strategy import BeamSearch, Strategy
from keras_seq2seq.runtimes.runtime import Runtime

# An output that is the next value of the input `state_0` is called `next_state_0`.
NEXT_PREFIX = "next_"
REMEDY = "Export the model to ONNX again."


class OnnxRuntime(Runtime):
    """Runs ONNX files on the CPU, each read when it is first used.

    Args:
        files: The file of each function: `encode`, `decode_step`, `translate_greedy` and, with
            `beam`, `translate_beam`.
        beam: What `translate_beam` searches for, or None.
        num_threads: int > 0. Threads of one operator.
    Raises:
        ImportError: If onnxruntime is not installed.
        FileNotFoundError: On first use, if a file is missing.
        ValueError: If `num_threads` is not positive; on first use, if a file is damaged.
    """

    name = "onnx"

    def __init__(
        self,
        files: Mapping[str, pathlib.Path],
        *,
        beam: BeamSearch | None = None,
        num_threads: int = 1,
    ) -> None:
        _onnxruntime()
        if num_threads < 1:
            raise ValueError(f"`num_threads` must be at least 1. Received: {num_threads}.")
        self.num_threads = num_threads
        self._files = {function: _File(path, num_threads) for function, path in files.items()}
        self.beam = beam if "translate_beam" in files else None

    def encode(self, source_ids: np.ndarray) -> Arrays:
        return self._files["encode"].run({"source_ids": source_ids.astype("int32", copy=False)})

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        inputs = {**state, "target_ids": ids[:, None].astype("int32", copy=False)}
        outputs = self._files["decode_step"].run(inputs)
        log_probs = outputs.pop("log_probs")
        new = {name.removeprefix(NEXT_PREFIX): value for name, value in outputs.items()}
        return log_probs, {**state, **new}

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        function = "translate_beam" if strategy == self.beam else "translate_greedy"
        return self._files[function].run({"source_ids": source_ids})


class _File:
    """One ONNX file, opened on first use."""

    def __init__(self, path: pathlib.Path, num_threads: int) -> None:
        self.path = pathlib.Path(path)
        self.num_threads = num_threads
        self._session: Any = None

    def run(self, inputs: Arrays) -> Arrays:
        """Returns all outputs by name; takes of the inputs those that the file has."""
        if self._session is None:
            self._session = _open(self.path, self.num_threads)
            self._inputs = [value.name for value in self._session.get_inputs()]
            self._outputs = [value.name for value in self._session.get_outputs()]
        values = self._session.run(self._outputs, {name: inputs[name] for name in self._inputs})
        return dict(zip(self._outputs, values, strict=True))


def _open(path: pathlib.Path, num_threads: int) -> Any:
    onnxruntime = _onnxruntime()
    if not path.is_file():
        raise FileNotFoundError(f"An ONNX file of the bundle is missing: {path}. {REMEDY}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; warnings speak of the optimizer's own work
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime has a family of errors without a public base class.
    except Exception as error:
        raise ValueError(f"Not a readable ONNX file: {path}. {REMEDY} {error}") from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "Running ONNX files needs the package onnxruntime. "
            'Install it with: pip install "keras_seq2seq[onnx]"'
        ) from error
    return onnxruntime
