"""Leaves out what TensorFlow writes whenever it starts; everything else it writes comes through."""

import contextlib
import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Lines about how TensorFlow was built, and about a machine without a GPU.
GREETINGS = (
    "All log messages before absl::InitializeLog() is called",
    "oneDNN custom operations are on",
    "Could not find cuda drivers on your machine",
    "This TensorFlow binary is optimized to use available CPU instructions",
    "To enable the following instructions:",
    "oneDNN supports DT_BOOL only on platforms with AVX-512",
    "computation placer already registered",
    "Unable to register cuDNN factory",
    "Unable to register cuFFT factory",
    "Unable to register cuBLAS factory",
    "TF-TRT Warning: Could not find TensorRT",
    "failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
)
# A process of its own: what TensorFlow says when it aborts this one comes through too.
_FILTER = """
import signal, sys
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
for line in sys.stdin.buffer:
    if not any(part.encode() in line for part in sys.argv[1:]):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
"""


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Leaves out TensorFlow's greetings if it is imported for the first time within the block.

    With TF_CPP_MIN_LOG_LEVEL=0, nothing is left out.
    """
    if os.environ.setdefault(LEVEL, "1") == "0" or "tensorflow" in sys.modules:
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as Python does, and has it start quietly."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Runs TensorFlow, up to its first operation, with the greetings left out."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        with _filtered_standard_error():
            self._loader.exec_module(module)
            # What they cannot do, the first operation of the command cannot do either, and says so.
            with contextlib.suppress(Exception):
                # Not on a GPU: TensorFlow would take its memory, also from another backend.
                if not module.config.list_physical_devices("GPU"):
                    module.transpose([[True]])


@contextlib.contextmanager
def _filtered_standard_error() -> Iterator[None]:
    sys.stderr.flush()
    command = [sys.executable, "-I", "-S", "-c", _FILTER, *GREETINGS]
    try:
        saved = os.dup(2)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    except OSError:  # no standard error, or no further process: nothing is left out
        yield
        return
    assert process.stdin is not None
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
