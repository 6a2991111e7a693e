"""Opens the artefacts of a bundle, all at once or one after the other."""

import functools
import gc
from collections.abc import Callable

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.formats import EXACT, REFERENCE
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.verification.separate_process import SeparateRuntime

# Bytes of a model from which on only one artefact is open at a time.
LARGE = 100_000_000


def opened(bundle: Bundle) -> Callable[[str, str], Runtime]:
    """Returns a function that gives the runtime of an artefact by its name and quantization.

    It opens each artefact once. Of a large model it keeps only the last one, in a process of its
    own, so that the memory of a verification does not grow with the number of artefacts: neither
    TensorFlow nor a freed heap give memory back.
    """
    return _LastOpened(bundle) if is_large(bundle) else functools.cache(bundle.runtime)


def is_large(bundle: Bundle) -> bool:
    """Returns True if a runtime should free what it read before another one is used."""
    return bundle.size(REFERENCE, EXACT) >= LARGE


class _LastOpened:
    """Gives one artefact at a time, in a process of its own."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._key: tuple[str, str] | None = None
        self._runtime: Runtime | None = None

    def __call__(self, name: str, quantization: str) -> Runtime:
        if self._runtime is None or self._key != (name, quantization):
            if isinstance(self._runtime, SeparateRuntime):
                self._runtime.close()
            self._runtime = None
            gc.collect()  # models of Keras and TensorFlow hold themselves
            self._key = name, quantization
            self._runtime = self._opened(name, quantization)
        return self._runtime

    def _opened(self, name: str, quantization: str) -> Runtime:
        try:
            return SeparateRuntime(self._bundle, name, quantization)
        except (TypeError, ValueError):
            # Keras knows somebody's own layers only where they are registered: here.
            if name != REFERENCE:
                raise
        return self._bundle.runtime(name, quantization)
