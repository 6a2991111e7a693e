"""Loads a SavedModel through TensorFlow's C API, as a server does: no Python TensorFlow.

Run as a program it reads requests, a JSON list of {signature, inputs, dtypes}, from standard input
and writes the list of {outputs} or {error, code} to standard output. Bytes are {"b64": ...}, as in
TensorFlow Serving's REST interface; `dtypes` sends inputs as another type than the signature's.
"""

import base64
import contextlib
import ctypes
import importlib.util
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Pointer = ctypes.c_void_p
STRING = 7
DTYPES = {1: "float32", 3: "int32", 10: "bool"}
STRING_SIZE = 24  # bytes of a TF_TString on a 64-bit machine

# Name: result, arguments. All of tensorflow/c/c_api.h, tf_tensor.h, tf_status.h and tf_tstring.h.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "TF_NewStatus": (Pointer,),
    "TF_GetCode": (ctypes.c_int, Pointer),
    "TF_Message": (ctypes.c_char_p, Pointer),
    "TF_DeleteStatus": (None, Pointer),
    "TF_LoadLibrary": (Pointer, ctypes.c_char_p, Pointer),
    "TF_NewGraph": (Pointer,),
    "TF_NewSessionOptions": (Pointer,),
    "TF_LoadSessionFromSavedModel": (
        *(Pointer, Pointer, Pointer, ctypes.c_char_p, Pointer, ctypes.c_int, Pointer),
        *(Pointer, Pointer),
    ),
    "TF_GraphOperationByName": (Pointer, Pointer, ctypes.c_char_p),
    "TF_SessionRun": (
        *(None, Pointer, Pointer, Pointer, Pointer, ctypes.c_int, Pointer, Pointer, ctypes.c_int),
        *(Pointer, ctypes.c_int, Pointer, Pointer),
    ),
    "TF_AllocateTensor": (Pointer, ctypes.c_int, Pointer, ctypes.c_int, ctypes.c_size_t),
    "TF_TensorData": (Pointer, Pointer),
    "TF_TensorByteSize": (ctypes.c_size_t, Pointer),
    "TF_TensorType": (ctypes.c_int, Pointer),
    "TF_NumDims": (ctypes.c_int, Pointer),
    "TF_Dim": (ctypes.c_int64, Pointer, ctypes.c_int),
    "TF_DeleteTensor": (None, Pointer),
    "TF_StringInit": (None, Pointer),
    "TF_StringCopy": (None, Pointer, ctypes.c_char_p, ctypes.c_size_t),
    "TF_StringDealloc": (None, Pointer),
    "TF_StringGetDataPointer": (Pointer, Pointer),
    "TF_StringGetSize": (ctypes.c_size_t, Pointer),
}


class Buffer(ctypes.Structure):
    _fields_ = [("data", Pointer), ("length", ctypes.c_size_t), ("deallocator", Pointer)]


class Output(ctypes.Structure):
    _fields_ = [("operation", Pointer), ("index", ctypes.c_int)]


class StatusError(RuntimeError):
    """What TensorFlow refused, with the code of tsl/protobuf/error_codes.proto (3: invalid)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Library:
    """The functions of the C API in the libraries of the wheel."""

    def __init__(self) -> None:
        folder = _wheel("tensorflow")
        names = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
        libraries = [ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL) for name in names]
        for name, (result, *arguments) in FUNCTIONS.items():
            home = next(library for library in libraries if hasattr(library, name))
            function = getattr(home, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        for path in sorted(_wheel("tensorflow_text").glob("python/ops/_*.so")):
            with self.status() as status:
                self.TF_LoadLibrary(os.fsencode(path), status)

    @contextlib.contextmanager
    def status(self) -> Iterator[int]:
        """Yields a status and raises what it holds at the end."""
        status = self.TF_NewStatus()
        try:
            yield status
            if code := self.TF_GetCode(status):
                raise StatusError(self.TF_Message(status).decode(errors="replace"), code)
        finally:
            self.TF_DeleteStatus(status)

    def tensor(self, values: Any, dtype: int) -> int:
        """Returns a new tensor of nested lists."""
        kind = object if dtype == STRING else DTYPES[dtype]
        array = np.asarray(values, dtype=kind, order="C")
        shape = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
        size = STRING_SIZE * array.size if dtype == STRING else array.nbytes
        tensor = self.TF_AllocateTensor(dtype, shape, array.ndim, size)
        data = self.TF_TensorData(tensor)
        if dtype != STRING:
            ctypes.memmove(data, array.ctypes.data, array.nbytes)
            return tensor
        for i, text in enumerate(array.ravel()):
            content = text if isinstance(text, bytes) else text.encode()
            self.TF_StringInit(data + STRING_SIZE * i)
            self.TF_StringCopy(data + STRING_SIZE * i, content, len(content))
        return tensor

    def delete_input(self, tensor: int) -> None:
        """Frees what `tensor` made; the library does not know that it may free the strings."""
        if self.TF_TensorType(tensor) == STRING:
            data = self.TF_TensorData(tensor) or 0
            size = self.TF_TensorByteSize(tensor)
            for place in range(data, data + size, STRING_SIZE):
                self.TF_StringDealloc(place)
        self.TF_DeleteTensor(tensor)

    def values(self, tensor: int) -> Any:
        """Returns a tensor as nested lists."""
        shape = [self.TF_Dim(tensor, axis) for axis in range(self.TF_NumDims(tensor))]
        data, dtype = self.TF_TensorData(tensor), self.TF_TensorType(tensor)
        if dtype == STRING:
            places = range(data or 0, (data or 0) + STRING_SIZE * int(np.prod(shape)), STRING_SIZE)
            return np.array([self._text(place) for place in places], object).reshape(shape).tolist()
        content = ctypes.string_at(data, self.TF_TensorByteSize(tensor)) if data else b""
        return np.frombuffer(content, DTYPES[dtype]).reshape(shape).tolist()

    def _text(self, place: int) -> str:
        data, size = self.TF_StringGetDataPointer(place), self.TF_StringGetSize(place)
        return ctypes.string_at(data, size).decode()


class SavedModelSession:
    """A session over a SavedModel's version folder."""

    def __init__(self, folder: Path) -> None:
        self.library = library = Library()
        self.graph = library.TF_NewGraph()
        description = Buffer()
        options, tags = library.TF_NewSessionOptions(), (ctypes.c_char_p * 1)(b"serve")
        with library.status() as status:
            self.session = library.TF_LoadSessionFromSavedModel(
                *(options, None, os.fsencode(folder), tags, 1, self.graph),
                *(ctypes.byref(description), status),
            )
        content = ctypes.string_at(description.data, description.length)
        self.signatures = _signatures(content)

    def run(
        self, signature: str, inputs: dict[str, Any], dtypes: dict[str, int] | None = None
    ) -> dict[str, Any]:
        """Runs a signature on nested lists by name; fills in defaults as TF Serving does.

        `dtypes` sends inputs, by name, as another type than the signature's.
        """
        takes, gives, defaults = self.signatures[signature]
        inputs = {**defaults, **inputs}
        if set(inputs) != set(takes):
            raise ValueError(f"{signature} takes {sorted(takes)}. Received: {sorted(inputs)}.")
        library, names = self.library, sorted(inputs)
        kinds = {**{name: takes[name][1] for name in names}, **(dtypes or {})}
        tensors = [library.tensor(inputs[name], kinds[name]) for name in names]
        results = (Pointer * len(gives))()
        places = (Output * len(names))(*(self._output(takes[name][0]) for name in names))
        wanted = (Output * len(gives))(*(self._output(gives[name][0]) for name in gives))
        try:
            with library.status() as status:
                library.TF_SessionRun(
                    *(self.session, None, places, (Pointer * len(names))(*tensors), len(names)),
                    *(wanted, results, len(gives), None, 0, None, status),
                )
            return {n: library.values(r) for n, r in zip(gives, results, strict=True)}
        finally:
            for tensor in tensors:
                library.delete_input(tensor)
            for tensor in filter(None, results):
                library.TF_DeleteTensor(tensor)

    def _output(self, name: str) -> Output:
        operation, _, index = name.partition(":")
        found = self.library.TF_GraphOperationByName(self.graph, operation.encode())
        return Output(found, int(index))


def _wheel(package: str) -> Path:
    # Does not import the package.
    return Path(importlib.util.find_spec(package).origin).parent


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yields number and value of a protocol buffer's fields."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        wire = key & 7
        if wire == 0:
            value, place = _varint(message, place)
        else:
            size, place = _varint(message, place) if wire == 2 else ({1: 8, 5: 4}[wire], place)
            value, place = message[place : place + size], place + size
        yield key >> 3, value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, place = message[place], place + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place


def _scalar(tensor: bytes) -> int | float:
    """Returns the value of a TensorProto of one int32 or float."""
    fields = dict(_fields(tensor))
    if 7 in fields:
        packed = fields[7]
        return packed if isinstance(packed, int) else _varint(packed, 0)[0]
    return struct.unpack("<f" if fields[1] == 1 else "<i", fields.get(5, fields.get(4)))[0]


def _signatures(meta_graph: bytes) -> dict[str, tuple[dict[str, Any], ...]]:
    """Returns {name: (inputs, outputs, defaults)} of a MetaGraphDef.

    Inputs and outputs are {name: (tensor name, dtype)}, defaults {name: value}.
    """
    signatures = {}
    for number, entry in _fields(meta_graph):
        if number == 5:
            pair = dict(_fields(entry))
            tensors: dict[int, dict[str, Any]] = {1: {}, 2: {}, 4: {}}
            for side, tensor in _fields(pair[2]):
                if side not in tensors:
                    continue
                named = dict(_fields(tensor))
                if side == 4:
                    tensors[4][named[1].decode()] = _scalar(named[2])
                else:
                    info = dict(_fields(named[2]))
                    if 2 in info:  # the initialiser, listed too, has no dtype
                        tensors[side][named[1].decode()] = (info[1].decode(), info[2])
            signatures[pair[1].decode()] = (tensors[1], tensors[2], tensors[4])
    return signatures


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b64"]) if set(value) == {"b64"} else value


def main(folder: str) -> int:
    session, answers = SavedModelSession(Path(folder)), []
    for request in json.load(sys.stdin, object_hook=_bytes):
        try:
            answers.append({"outputs": session.run(**request)})
        except StatusError as error:
            answers.append({"error": str(error), "code": error.code})
        except ValueError as error:
            answers.append({"error": str(error)})
    if "tensorflow" in sys.modules:
        raise RuntimeError("Python TensorFlow was imported.")
    json.dump(answers, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
