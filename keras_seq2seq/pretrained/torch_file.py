"""Reads pytorch_model.bin without torch: what a state dict is made of, and not one call more."""

import collections
import dataclasses
import io
import math
import pathlib
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

from keras_seq2seq.file_formats.zip_members import check_complete
from keras_seq2seq.pretrained.safetensors_file import widened

# The first three pickles of the files that torch wrote until 2020.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_BFLOAT16 = "bfloat16"
_STORAGES = {
    **{"DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2"},
    **{"BFloat16Storage": _BFLOAT16, "LongStorage": "<i8", "IntStorage": "<i4"},
    **{"ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"},
}


def read_torch_file(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dict that torch saved, by name; bfloat16 becomes float32.

    A pickle may name any function and have it called. Here nothing is imported and nothing is
    called: a file that names anything but tensors and dicts is refused.

    Args:
        path: A file of `torch.save`: a zip archive, or of the form before torch 1.6.
    Raises:
        ValueError: If the file is no state dict, is damaged or asks for a call; names the file.
    """
    try:
        return _from_zip(path) if zipfile.is_zipfile(path) else _from_pickles(path)
    # Unpickling damaged bytes, zipfile and zlib raise a dozen kinds of errors.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as the weights of a PyTorch model: {error}. Take the model as "
            "safetensors, or copy the file again."
        ) from None


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Numbers that tensors share: their type, their key in the file, and how many there are."""

    dtype: str
    key: str
    count: int

    @property
    def itemsize(self) -> int:
        return 2 if self.dtype == _BFLOAT16 else np.dtype(self.dtype).itemsize

    def numbers(self, raw: bytes) -> np.ndarray:
        """Returns the numbers, shape (count,)."""
        if len(raw) != self.count * self.itemsize:
            raise ValueError(f"storage {self.key} has {len(raw)} bytes for {self.count} numbers")
        if self.dtype == _BFLOAT16:
            return widened(np.frombuffer(raw, "<u2"))
        return np.frombuffer(raw, self.dtype)


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor as a pickle describes it: a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: np.ndarray) -> np.ndarray:
        """Returns a copy of its numbers out of those of its storage."""
        counts = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(_is_count(n) for n in counts):
            raise ValueError(f"a tensor has the shape {self.shape} and the strides {self.strides}")
        if math.prod(self.shape) == 0:
            return np.zeros(self.shape, numbers.dtype)
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((size - 1) * stride for size, stride in steps)
        # Sizes above 1 with a stride of 0 would make gigabytes out of one number.
        if last >= len(numbers) or math.prod(self.shape) > len(numbers):
            raise ValueError(f"a tensor of shape {self.shape} goes beyond its storage")
        size = numbers.itemsize
        strides = tuple(stride * size for stride in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class _RebuildTensor:
    """What stands for the function of torch; without attributes that a pickle could set."""

    __slots__ = ()

    def __call__(
        self, storage: Any, offset: Any, shape: Any, strides: Any, *others: Any
    ) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor has no storage")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _RebuildParameter:
    """The same for a parameter, which is its tensor."""

    __slots__ = ()

    def __call__(self, tensor: Any, *others: Any) -> Any:
        return tensor


class _Unpickler(pickle.Unpickler):
    """Unpickles what a state dict is made of."""

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
            ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
        }
        if (module, name) in allowed:
            return allowed[module, name]
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise ValueError(f"it asks for {module}.{name}, which no state dict needs")

    def persistent_load(self, saved: Any) -> _Storage:
        kind, dtype, key, _, count, *view = saved
        if kind != "storage" or dtype not in _STORAGES.values() or not isinstance(key, str):
            raise ValueError("it refers to something that is no storage")
        if not _is_count(count) or any(part is not None for part in view):
            raise ValueError(f"storage {key} is a view of another one")
        return _Storage(dtype, key, count)


def _from_zip(path: pathlib.Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        check_complete(archive)
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("a member is compressed, which torch never does")
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError(f"it has {len(names)} members data.pkl, not one")
        root = names[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order).strip() != b"little":
            raise ValueError("its numbers are not little endian")
        state = _checked(_Unpickler(io.BytesIO(archive.read(names[0]))).load())

        def read(storage: _Storage) -> bytes:
            info = archive.getinfo(f"{root}data/{storage.key}")
            if info.file_size != storage.count * storage.itemsize:
                raise ValueError(f"storage {storage.key} has {info.file_size} bytes")
            return archive.read(info)

        return _arrays(state, read)


def _from_pickles(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the form before torch 1.6: five pickles, then the storages."""
    with path.open("rb") as file:
        if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
            raise ValueError("it does not begin as a file of torch")
        system = _Unpickler(file).load()
        if not (isinstance(system, dict) and system.get("little_endian") is True):
            raise ValueError("its numbers are not little endian")
        state = _checked(_Unpickler(file).load())
        by_key = {tensor.storage.key: tensor.storage for tensor in state.values()}
        found = {}
        for key in _Unpickler(file).load():
            found[key] = _legacy_storage(file, by_key[key])
        if file.read(1):
            raise ValueError("bytes follow its last storage")
    return _arrays(state, lambda storage: found[storage.key])


def _legacy_storage(file: BinaryIO, storage: _Storage) -> bytes:
    (count,) = struct.unpack("<q", file.read(8))
    if count != storage.count:
        raise ValueError(f"storage {storage.key} has {count} numbers, not {storage.count}")
    # A file cannot hold more than it has bytes: `read` allocates what it is asked for.
    size, here = storage.count * storage.itemsize, file.tell()
    if size > file.seek(0, io.SEEK_END) - here:
        raise ValueError("it is cut")
    file.seek(here)
    return file.read(size)


def _checked(state: Any) -> dict[str, _Tensor]:
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in state.items()
    ):
        raise ValueError("it holds something else than a dict of tensors")
    return state


def _arrays(
    state: Mapping[str, _Tensor], read: Callable[[_Storage], bytes]
) -> dict[str, np.ndarray]:
    numbers: dict[_Storage, np.ndarray] = {}
    found = {}
    for name, tensor in state.items():
        if tensor.storage not in numbers:
            numbers[tensor.storage] = tensor.storage.numbers(read(tensor.storage))
        found[name] = tensor.array(numbers[tensor.storage])
    return found
