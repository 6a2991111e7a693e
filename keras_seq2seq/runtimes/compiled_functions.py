"""Functions of a LiteRT file that share the weights which XNNPACK packs."""

import ctypes
import functools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays
from keras_seq2seq.runtimes.silence import silence

# XNNPACK keeps its weights in a file without a name.
_WITHOUT_A_NAME = ":memory"
_NO_FOLDER = "/nonexistent"  # without one, LiteRT looks for GPUs and NPUs beside its package


def can_share_weights() -> bool:
    """Tells whether XNNPACK may keep its weights in a file without a name, which only Linux has.

    Under a limit for the size of files it would end the process.
    """
    if sys.platform != "linux":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def compiled_functions(
    path: Path, names: Iterable[str], num_threads: int
) -> dict[str, "CompiledFunction"]:
    """Compiles a file for the CPU; all its functions take packed weights from one place.

    An `Interpreter` packs them once for each loop of each function, several times the file. What
    LiteRT tells of the accelerators that it looks for is hidden, but not what it tells of them when
    the process ends.

    Args:
        path: The file.
        names: Signatures whose tensors have fixed shapes. An open one would be taken for a length
            of 1, and memory past its end be written to.
        num_threads: int > 0. Threads of one operator.
    Raises:
        RuntimeError: If LiteRT cannot compile the file.
    """
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.cpu_options import CpuOptions
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import Options

    cpu = CpuOptions(num_threads=num_threads, xnnpack_weight_cache_path=_WITHOUT_A_NAME)
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
    with silence():
        model = CompiledModel.from_file(str(path), environment=_environment(), options=options)
    return {name: CompiledFunction(model, name) for name in names}


class CompiledFunction:
    """Runs one signature of a compiled file.

    Args:
        model: The CompiledModel.
        name: The name of the signature.
    """

    def __init__(self, model: Any, name: str) -> None:
        self._model = model
        self._index = model.get_signature_index(name)
        self._names = model.get_signature_list()[name]
        self._inputs = model.get_input_tensor_details(name)
        self._outputs = model.get_output_tensor_details(name)

    def __call__(self, **inputs: np.ndarray) -> Arrays:
        """Returns the outputs by name, in arrays of their own.

        Raises:
            ValueError: If an input has another shape.
            RuntimeError: If the file fails.
        """
        given, found = self._buffers
        for name, buffer in zip(self._names["inputs"], given, strict=True):
            array, shape = inputs[name], self._inputs[name]["shape"]
            if list(array.shape) != shape:  # a part of the buffer would stay as it was
                raise ValueError(f"`{name}` must have the shape {shape}. Received: {array.shape}.")
            buffer.write(array.astype(self._inputs[name]["dtype"], copy=False))
        self._model.run_by_index(self._index, given, found)
        return {
            name: _read(buffer, **self._outputs[name])
            for name, buffer in zip(self._names["outputs"], found, strict=True)
        }

    @functools.cached_property
    def _buffers(self) -> tuple[list[Any], list[Any]]:
        with silence():
            given = self._model.create_input_buffers(self._index)
            for name, buffer in zip(self._names["inputs"], given, strict=True):
                shape, dtype = (self._inputs[name][fact] for fact in ("shape", "dtype"))
                buffer.write(np.zeros(shape, dtype))
        return given, self._model.create_output_buffers(self._index)


def _read(buffer: Any, *, shape: list[int], dtype: str, **_: Any) -> np.ndarray:
    return buffer.read(int(np.prod(shape)), np.dtype(dtype)).reshape(shape)


@functools.cache
def _environment() -> Any:
    from ai_edge_litert.environment import Environment, EnvironmentOptions

    nowhere = EnvironmentOptions(_NO_FOLDER, _NO_FOLDER, _NO_FOLDER)
    environment = Environment.create(options=nowhere)
    # It is never freed, and so tells nothing when the process ends.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(environment))
    return environment
