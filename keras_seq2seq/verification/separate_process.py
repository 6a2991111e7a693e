"""Runs an artefact in a process of its own, whose end gives all its memory back."""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.models.malloc import RETURNED, set_malloc
from keras_seq2seq.runtimes.runtime import Runtime, TextAnswer

SERVE = "from keras_seq2seq.verification.separate_process import serve; serve()"
# Attributes of a runtime that never change.
FACTS = ("name", "max_batch_size", "beam", "compiles_searches")
SHOWN = 2000  # characters of what a process that ended wrote to its standard error


class _Asked(Runtime):
    """A runtime in another process, or a variant of it, see `Runtime.variants`."""

    def __init__(self, channel: "_Channel", variant: str, facts: dict[str, Any]) -> None:
        self._channel = channel
        self._variant = variant
        for fact, value in facts.items():
            setattr(self, fact, value)

    def encode(self, source_ids: np.ndarray) -> Arrays:
        return self._ask("encode", source_ids)

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        return self._ask("step", ids, state)

    def has(self, strategy: Strategy) -> bool:
        return self._ask("has", strategy)

    def holds(self, source_ids: np.ndarray) -> bool:
        return self._ask("holds", source_ids)

    def search(self, source_ids: np.ndarray, strategy: Strategy = GREEDY) -> list[list[Hypothesis]]:
        return self._ask("search", source_ids, strategy)

    def answers_by_text(
        self, texts: Sequence[str], strategy: Strategy, default: Strategy
    ) -> dict[str, list[list[TextAnswer]]]:
        return self._ask("answers_by_text", texts, strategy, default)

    def release(self) -> None:
        self._ask("release")

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        return self._ask("_search", source_ids, strategy)

    def _ask(self, method: str, *args: Any) -> Any:
        self._channel.send((self._variant, method, args))
        return self._channel.answer()


class SeparateRuntime(_Asked):
    """The runtime of an artefact, in a process of its own.

    It gives what the runtime gives and raises what it raises.

    Args:
        bundle: A bundle; its manifest need not be on the disk.
        name, quantization: The artefact, see `Bundle.runtime`.
    Raises:
        ChildProcessError: If the process ends, then or in a later call.
        What `Bundle.runtime` raises.
    """

    def __init__(self, bundle: Bundle, name: str, quantization: str) -> None:
        channel = _Channel((bundle, name, quantization))
        facts = channel.answer()
        super().__init__(channel, "", facts.pop(""))
        self._variants: dict[str, Runtime] = {
            variant: _Asked(channel, variant, own) for variant, own in facts.items()
        }

    def variants(self) -> dict[str, Runtime]:
        return self._variants

    def close(self) -> None:
        """Ends the process."""
        self._channel.close()


class _Channel:
    """A started process that answers pickled requests, one after the other."""

    def __init__(self, first: Any) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._end = weakref.finalize(self, _end, self._process, self._errors)
        self.send(first)

    def send(self, request: Any) -> None:
        try:
            _write(self._process.stdin, request)
        except OSError as error:
            raise self._ended() from error

    def answer(self) -> Any:
        assert self._process.stdout is not None
        try:
            is_well, found = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if is_well:
            return found
        raise found

    def close(self) -> None:
        self._end()

    def _ended(self) -> ChildProcessError:
        status = self._process.wait()
        self._errors.seek(0)
        told = self._errors.read().decode(errors="replace")[-SHOWN:].strip()
        return ChildProcessError(
            f"The process that ran an artefact ended with status {status}; if it was killed, there "
            f"was too little memory. Its last words: {told or 'none'}"
        )


def _end(process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what is left to be sent to a process that ended
                pipe.close()
    process.terminate()
    process.wait()
    errors.close()


def _write(target: IO[bytes] | None, value: Any) -> None:
    assert target is not None
    pickle.dump(value, target, pickle.HIGHEST_PROTOCOL)
    target.flush()


def serve() -> None:
    """Answers the requests of a `SeparateRuntime` on standard input until it ends."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    set_malloc(RETURNED)
    engines: dict[str, Runtime] = {}

    def opened(bundle: Bundle, name: str, quantization: str) -> dict[str, Any]:
        engine = bundle.runtime(name, quantization)
        engines.update({"": engine, **engine.variants()})
        return {
            variant: {fact: getattr(one, fact) for fact in FACTS}
            for variant, one in engines.items()
        }

    def asked(variant: str, method: str, args: tuple[Any, ...]) -> Any:
        return getattr(engines[variant], method)(*args)

    while True:
        try:
            request = pickle.load(source)
        except EOFError:
            return
        try:
            answer = True, (asked if engines else opened)(*request)
        except Exception as error:
            answer = False, _portable(error)
        _write(target, answer)


def _portable(error: Exception) -> Exception:
    """Returns an error that can be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
