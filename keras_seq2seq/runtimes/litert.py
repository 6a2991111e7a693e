"""Runs LiteRT files with ai-edge-litert only, without TensorFlow and Keras."""

import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.installed import missing_package
from keras_seq2seq.runtimes.compiled_functions import can_share_weights, compiled_functions
from keras_seq2seq.runtimes.runtime import ArtefactFiles, Runtime
from keras_seq2seq.runtimes.signature import Signatures, Tensor, check_signature
from keras_seq2seq.text.tokenizer import unpadded_length
from keras_seq2seq.text.vocabulary import EOS_ID

REMEDY = "Export the model to LiteRT again."
# A batch takes about as long as this part of its rows does one by one: 1 / 2.
SPARSEST = 2
STEP_FUNCTIONS = ("encode", "decode_step")
LARGE = 16 << 20  # bytes of a file, whose functions are kept from holding its weights each


class LiteRTRuntime(Runtime):
    """Runs the signatures of `.tflite` files, one source at a time or in batches.

    On Linux the functions of a file above 16 MB share the weights that XNNPACK packs, which else
    take several times the file. Without XNNPACK, those of such a file are in memory one at a time.

    Threads may share it, but wait for each other, because an interpreter does one thing at a time;
    to run in parallel, make one runtime for each thread. No later call changes what a call
    returned.

    Args:
        path: The file with the searches.
        steps_path: The file with `encode` and `decode_step`, for any source length; None if `path`
            has them, as in bundles of format version 3. It is opened on first use.
        source_lengths: Source lengths of the searches, each a signature of its own; () if they take
            any length, as in bundles of format version 3.
        batch_path: The file that searches for several sources at once, opened on first use; None
            searches for one after the other.
        batch_size: int > 0. The rows of that file; fewer are filled up.
        beam: The beam search inside the files, or None.
        num_threads: int > 0. Threads of one operator.
        signatures: What the manifest states of the functions; None checks nothing.
        xnnpack: Whether searches of fixed length use the kernels of XNNPACK, as they do on phones.
            They are two to three times as fast as LiteRT's own; sums may differ in the last bits,
            and int8 rounds otherwise.
    Raises:
        FileNotFoundError: If a file does not exist.
        ImportError: If ai-edge-litert is not installed.
        ValueError: If a file cannot be read, misses a signature or has other tensors than
            `signatures`, or `num_threads` is not positive; in a call, if a file fails.
    """

    name = "litert"

    def __init__(
        self,
        path: Path,
        *,
        steps_path: Path | None = None,
        source_lengths: Sequence[int] = (),
        batch_path: Path | None = None,
        batch_size: int = 1,
        beam: BeamSearch | None = None,
        num_threads: int = 1,
        signatures: Signatures | None = None,
        xnnpack: bool = True,
    ) -> None:
        if num_threads < 1:
            raise ValueError(f"`num_threads` must be at least 1. Received: {num_threads}.")
        self.beam = beam
        self.source_lengths = tuple(sorted(source_lengths))
        # Functions of open lengths, which would set XNNPACK up anew at each call, do without it.
        self.xnnpack = xnnpack and bool(source_lengths)
        searches = ["translate_greedy", *(["translate_beam"] if beam else [])]
        names = [f"{name}_{n}" for name in searches for n in self.source_lengths] or searches
        self._rows = batch_size if batch_path else 1
        self.max_batch_size = self._rows
        options: dict[str, Any] = {"num_threads": num_threads, "signatures": signatures or {}}
        if steps_path is None:
            self._searches = _File(path, (*names, *STEP_FUNCTIONS), xnnpack=self.xnnpack, **options)
            self._steps = self._searches
        else:
            self._searches = _File(
                path, names, xnnpack=self.xnnpack, one_at_a_time=not self.xnnpack, **options
            )
            self._steps = _File(steps_path, STEP_FUNCTIONS, xnnpack=False, **options)
        self._batches: _File | None = None
        if batch_path is not None:
            in_batches = [f"translate_greedy_{batch_size}x{n}" for n in source_lengths]
            self._batches = _File(batch_path, in_batches, xnnpack=self.xnnpack, **options)
        self._alone = functools.partial(
            LiteRTRuntime,
            path,
            steps_path=steps_path,
            source_lengths=source_lengths,
            beam=beam,
            **options,
        )
        self._searches.open()

    def variants(self) -> dict[str, Runtime]:
        return self._variants

    def release(self) -> None:
        for file in (self._searches, self._steps, self._batches):
            if file is not None:
                file.close()
        for variant in vars(self).get("_variants", {}).values():
            variant.release()

    @functools.cached_property
    def _variants(self) -> dict[str, Runtime]:
        found: dict[str, Runtime] = {}
        if self._rows > 1:
            found["one by one"] = self._alone(xnnpack=self.xnnpack)
        if self.xnnpack:
            found["without XNNPACK"] = self._alone(xnnpack=False)
        return found

    def encode(self, source_ids: np.ndarray) -> Arrays:
        given = self._checked(source_ids)
        found = [self._steps.run("encode", {"source_ids": row[None]}) for row in given]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        # A beam search steps several hypotheses of its one source: one call for each.
        given = {**state, "target_ids": ids[:, None].astype("int32")}
        names = self._steps.inputs("decode_step")
        steps = [
            self._steps.run("decode_step", {name: given[name][row : row + 1] for name in names})
            for row in range(len(ids))
        ]
        outputs = {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}
        log_probs = outputs.pop("log_probs")
        return log_probs, {**state, **outputs}

    def holds(self, source_ids: np.ndarray) -> bool:
        longest = max(self.source_lengths, default=None)
        return longest is None or unpadded_length(source_ids) <= longest

    def search(self, source_ids: np.ndarray, strategy: Strategy = GREEDY) -> list[list[Hypothesis]]:
        self._checked(source_ids)
        if not self.holds(source_ids):
            received = unpadded_length(source_ids)
            raise ValueError(
                f"The searches in {self._searches.path} take sources of at most "
                f"{max(self.source_lengths)} tokens. Received: {received}; search on the host, or "
                "export with a larger max_source_length."
            )
        return super().search(source_ids, strategy)

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        function = "translate_beam" if strategy == self.beam else "translate_greedy"
        if not self.source_lengths:
            return self._searches.run(function, {"source_ids": source_ids})
        # A beam is a batch by itself; with more rows its caches are read from further away.
        if strategy != self.beam and len(source_ids) * SPARSEST > self._rows > 1:
            filled = np.zeros((self._rows, source_ids.shape[1]), "int32")
            filled[:, 0] = EOS_ID  # an empty source ends at once
            filled[: len(source_ids)] = source_ids
            assert self._batches is not None  # it has the rows
            found = self._of_length(self._batches, f"{function}_{self._rows}x", filled)
            return {name: array[: len(source_ids)] for name, array in found.items()}
        rows = [self._of_length(self._searches, f"{function}_", row[None]) for row in source_ids]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def _of_length(self, file: "_File", prefix: str, source_ids: np.ndarray) -> Arrays:
        """Runs the search for the shortest length that holds the sources."""
        given, real = source_ids.shape[1], max(1, unpadded_length(source_ids))
        length = next(length for length in self.source_lengths if length >= real)
        padded = _resized(source_ids[:, :real], length)
        found = file.run(f"{prefix}{length}", {"source_ids": padded})
        found["finished"] = found["finished"].astype(bool)
        if "attention" in found and found["attention"].shape[-1] == length:
            found["attention"] = _resized(found["attention"], given)
        return found

    def _checked(self, source_ids: np.ndarray) -> np.ndarray:
        rows = self._rows
        if source_ids.ndim != 2 or source_ids.size == 0 or len(source_ids) > rows:
            many = "one source" if rows == 1 else f"{rows} sources"
            raise ValueError(
                f"These LiteRT files translate {many} at a time, of at least one id; call them "
                f"again for others. Received: ids of shape {source_ids.shape}."
            )
        return source_ids.astype("int32")


def open_litert(artefact: ArtefactFiles) -> LiteRTRuntime:
    """Opens the LiteRT files of an artefact."""
    options: dict[str, Any] = {
        "beam": artefact.beam,
        "num_threads": artefact.num_threads,
        "signatures": artefact.signatures,
        "xnnpack": artefact.xnnpack,
    }
    if not isinstance(artefact.files, Mapping):
        return LiteRTRuntime(artefact.file, **options)
    files = {part: artefact.path / name for part, name in artefact.files.items()}
    return LiteRTRuntime(
        files["translate"],
        steps_path=files["steps"],
        source_lengths=artefact.source_lengths,
        batch_path=files.get("batch"),
        batch_size=artefact.batch_size,
        **options,
    )


class _File:
    """One file, opened on first use.

    Args:
        path, num_threads, signatures, xnnpack: See `LiteRTRuntime`.
        names: The functions that it must have.
        one_at_a_time: Of a large file, free the memory of a function before another one runs.
            Without XNNPACK, each holds the weights of a float16 file in float32.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        *,
        num_threads: int,
        signatures: Signatures,
        xnnpack: bool,
        one_at_a_time: bool = False,
    ) -> None:
        self.path = Path(path)
        self._names = names
        self._num_threads = num_threads
        self._signatures = signatures
        self._xnnpack = xnnpack
        self._one_at_a_time = one_at_a_time
        self._lock = threading.RLock()
        self._runners: dict[str, Any] = {}
        self._last = names[0]
        self._is_large = False

    def open(self) -> None:
        """Reads the file; a function gets its memory on first use."""
        with self._lock:
            if self._runners:
                return
            runners = self._read()
            self._is_large = self.path.stat().st_size > LARGE
            for name, runner in runners.items():
                self._check(name, runner)
            self._runners = self._sharing_weights(runners)

    def close(self) -> None:
        """Frees the memory of the file until it is used again."""
        with self._lock:
            self._runners = {}

    def inputs(self, function: str) -> list[str]:
        """Returns the names of the inputs of a function."""
        self.open()
        with self._lock:
            return list(self._runners[function].get_input_details())

    def run(self, function: str, inputs: Arrays) -> Arrays:
        """Returns all outputs of a function by name.

        Raises:
            ValueError: If the file fails.
        """
        with self._lock:
            if self._one_at_a_time and self._is_large and function != self._last:
                self.close()
            self._last = function
            self.open()
            try:
                return self._runners[function](**inputs)
            except (ValueError, RuntimeError) as error:
                raise ValueError(
                    f"`{function}` of {self.path} failed, on ids that the model lacks or because "
                    f"the file is damaged: {error}"
                ) from error

    def _read(self) -> dict[str, Any]:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            raise missing_package("LiteRT needs ai-edge-litert", "litert", error) from error
        if not self.path.is_file():
            raise FileNotFoundError(
                f"{self.path} does not exist. Export the model to LiteRT again."
            )
        resolver = "AUTO" if self._xnnpack else "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
        try:
            interpreter = Interpreter(
                str(self.path),
                num_threads=self._num_threads,
                experimental_op_resolver_type=OpResolverType[resolver],
            )
            return {name: interpreter.get_signature_runner(name) for name in self._names}
        except (ValueError, RuntimeError) as error:
            raise self._unreadable(error) from error

    def _sharing_weights(self, runners: dict[str, Any]) -> dict[str, Any]:
        """Returns the same functions with less memory, where it matters and they can be had."""
        matters = self._xnnpack and self._is_large
        if not (matters and can_share_weights() and all(map(_has_fixed_shapes, runners.values()))):
            return runners
        try:
            return dict(compiled_functions(self.path, runners, self._num_threads))
        except RuntimeError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ValueError:
        return ValueError(
            f"{self.path} cannot be read as a LiteRT file with the signatures "
            f"{tuple(self._names)}: {error}. {REMEDY}"
        )

    def _check(self, name: str, runner: Any) -> None:
        if not self._signatures:
            return
        try:
            details = runner.get_input_details(), runner.get_output_details()
            sides = [_tensors(side) for side in details]
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ValueError(f"`{name}` of {self.path} is damaged: {error}") from error
        check_signature(self.path, name, self._signatures, *sides)


def _has_fixed_shapes(runner: Any) -> bool:
    sides = runner.get_input_details(), runner.get_output_details()
    return all(
        size >= 0 for side in sides for one in side.values() for size in one["shape_signature"]
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


def _resized(array: np.ndarray, length: int) -> np.ndarray:
    """Returns an array with a last axis of this length, cut or padded with zeros."""
    kept = array[..., :length]
    return np.pad(kept, [(0, 0)] * (array.ndim - 1) + [(0, length - kept.shape[-1])])
