"""Runs a LiteRT file with ai-edge-litert only, without TensorFlow and Keras."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.installed import missing_package
from keras_seq2seq.runtimes.runtime import ArtefactFiles, Runtime
from keras_seq2seq.runtimes.signature import Signatures, Tensor, check_signature

FUNCTIONS = ("encode", "decode_step", "translate_greedy")


class LiteRTRuntime(Runtime):
    """Runs the signatures of a `.tflite` file, one source at a time, of any length.

    Threads may share it, but wait for each other, because an interpreter does one thing at a time;
    to run in parallel, make one runtime for each thread. No later call changes what a call
    returned.

    Args:
        path: The file.
        beam: The beam search of the signature `translate_beam`, or None.
        num_threads: int > 0. Threads of one operator.
        signatures: What the manifest states of its functions; None checks nothing.
    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If ai-edge-litert is not installed.
        ValueError: If the file cannot be read, misses a signature or has other tensors than
            `signatures`, or `num_threads` is not positive; in a call, if the file fails.
    """

    name = "litert"
    max_batch_size = 1

    def __init__(
        self,
        path: Path,
        *,
        beam: BeamSearch | None = None,
        num_threads: int = 1,
        signatures: Signatures | None = None,
    ) -> None:
        if num_threads < 1:
            raise ValueError(f"`num_threads` must be at least 1. Received: {num_threads}.")
        self.path = Path(path)
        self._lock = threading.Lock()
        self.beam = beam
        names = (*FUNCTIONS, "translate_beam") if beam else FUNCTIONS
        self._runners = _runners(self.path, names, num_threads)
        for name in names if signatures else ():
            runner = self._runners[name]
            try:
                details = runner.get_input_details(), runner.get_output_details()
                sides = [_tensors(side) for side in details]
            except (ValueError, RuntimeError, KeyError, TypeError) as error:
                raise ValueError(f"`{name}` of {self.path} is damaged: {error}") from error
            check_signature(self.path, name, signatures or {}, *sides)

    def encode(self, source_ids: np.ndarray) -> Arrays:
        return self._run("encode", {"source_ids": self._one_row(source_ids)})

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        # A beam search steps several hypotheses of its one source: one call for each.
        given = {**state, "target_ids": ids[:, None].astype("int32")}
        names = self._runners["decode_step"].get_input_details()
        steps = [
            self._run("decode_step", {name: given[name][row : row + 1] for name in names})
            for row in range(len(ids))
        ]
        outputs = {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}
        log_probs = outputs.pop("log_probs")
        return log_probs, {**state, **outputs}

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        function = "translate_beam" if strategy == self.beam else "translate_greedy"
        return self._run(function, {"source_ids": self._one_row(source_ids)})

    def _run(self, function: str, inputs: Arrays) -> Arrays:
        try:
            with self._lock:
                return self._runners[function](**inputs)
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"`{function}` of {self.path} failed, on ids that the model lacks or because the "
                f"file is damaged: {error}"
            ) from error

    def _one_row(self, ids: np.ndarray) -> np.ndarray:
        if ids.ndim != 2 or len(ids) != 1 or ids.size == 0:
            raise ValueError(
                "A LiteRT file translates one source at a time, of at least one id; call it once "
                f"for each row. Received: ids of shape {ids.shape}."
            )
        return ids.astype("int32")


def open_litert(artefact: ArtefactFiles) -> LiteRTRuntime:
    """Opens a LiteRT file of a bundle."""
    return LiteRTRuntime(
        artefact.file,
        beam=artefact.beam,
        num_threads=artefact.num_threads,
        signatures=artefact.signatures,
    )


def _tensors(details: dict[str, Any]) -> list[Tensor]:
    return [
        Tensor(
            name,
            np.dtype(one["dtype"]).name,
            [None if size < 0 else int(size) for size in one["shape_signature"]],
        )
        for name, one in details.items()
    ]


def _runners(path: Path, names: Sequence[str], num_threads: int) -> dict[str, Any]:
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise missing_package("LiteRT needs ai-edge-litert", "litert", error) from error
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Export the model to LiteRT again.")
    try:
        # XNNPACK, the default delegate of ai-edge-litert 2.3, translates some sentences to garbage
        # in an interpreter that met another length before; see docs/bundle.md.
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(
            str(path), num_threads=num_threads, experimental_op_resolver_type=plain
        )
        return {name: interpreter.get_signature_runner(name) for name in names}
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} cannot be read as a LiteRT file with the signatures {names}: {error}. "
            "Export the model to LiteRT again."
        ) from error
