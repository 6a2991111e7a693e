"""Reads the model files of Marian: .npz, and .bin with the 8-bit weights of intgemm."""

import math
import pathlib
import struct
from typing import Any

import numpy as np

from keras_seq2seq.file_formats.npz_file import read_npz
from keras_seq2seq.installed import missing_package
from keras_seq2seq.pretrained.tensors import Tensors

OPTIONS = "special:model.yml"
VERSION = 1
INTGEMM8, INTGEMM16 = 0x4101, 0x4102
_TYPES = {
    **{0x0101: "i1", 0x0102: "<i2", 0x0104: "<i4", 0x0108: "<i8"},
    **{0x0201: "u1", 0x0202: "<u2", 0x0204: "<u4", 0x0208: "<u8"},
    **{0x0402: "<f2", 0x0404: "<f4", 0x0408: "<f8", INTGEMM8: "i1", INTGEMM16: "<i2"},
}
_HEADER = struct.Struct("<4Q")  # length of the name, type, rank, bytes


def read_marian_model(path: pathlib.Path) -> tuple[Tensors, dict[str, Any]]:
    """Returns the tensors of a model of Marian, and the options that it was trained with.

    Matrices of intgemm become float32: each number times the scale that the file has for it.

    Args:
        path: A file model.npz or model.bin, with its options inside (`special:model.yml`).
    Raises:
        ImportError: If PyYAML is not installed.
        ValueError: If the file is damaged, has no options, or is packed for one processor; names
            the file.
    """
    arrays = read_npz(path) if path.suffix == ".npz" else read_bin(path)
    if OPTIONS not in arrays:
        raise ValueError(
            f"{path} must hold the options of its model ({OPTIONS}), as Marian writes them since "
            "version 1.2. Received: none; have marian-conv write it again with its model.npz.yml."
        )
    options = _options(path, arrays.pop(OPTIONS))
    return Tensors(path, arrays), options


def read_bin(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a .bin file by name, those of intgemm as float32.

    Raises:
        ValueError: If the file is cut, or packed for one processor; names the file.
    """
    data = path.read_bytes()
    try:
        return _arrays(data)
    except (ValueError, struct.error) as error:
        raise ValueError(
            f"{path} cannot be read as a model of Marian: {error}. Copy or download it again."
        ) from None


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    version, count = struct.unpack_from("<2Q", data)
    if version != VERSION:
        raise ValueError(f"it is of version {version}, not {VERSION}")
    at = 16
    if count * _HEADER.size > len(data):
        raise ValueError("it is cut")
    headers = list(_HEADER.iter_unpack(data[at : at + count * _HEADER.size]))
    at += count * _HEADER.size
    names = []
    for length, *_ in headers:
        names.append(data[at : at + length].rstrip(b"\0").decode())
        at += length
    shapes = []
    for _, _, rank, _ in headers:
        if rank * 4 > len(data):
            raise ValueError("it is cut")
        shapes.append(struct.unpack_from(f"<{rank}i", data, at))
        at += rank * 4
    (padding,) = struct.unpack_from("<Q", data, at)
    at += 8 + padding
    found = {}
    for name, shape, (_, kind, _, size) in zip(names, shapes, headers, strict=True):
        if at + size > len(data):
            raise ValueError(f"it is cut within {name}")
        found[name] = _array(name, shape, kind, data[at : at + size])
        at += size
    if at != len(data) or len(found) != count:
        raise ValueError("bytes follow its last tensor, or two tensors have one name")
    return found


def _array(name: str, shape: tuple[int, ...], kind: int, data: bytes) -> np.ndarray:
    if kind not in _TYPES:
        raise ValueError(
            f"{name} is of the type {kind:#x}, packed for one kind of processor; take the .npz of "
            "the model, or its .bin of intgemm8"
        )
    dtype, count = np.dtype(_TYPES[kind]), math.prod(shape)
    is_packed = kind in (INTGEMM8, INTGEMM16)
    if min(shape, default=1) < 0 or count * dtype.itemsize + 4 * is_packed > len(data):
        raise ValueError(f"{name} of shape {shape} has {len(data)} bytes")
    numbers = np.frombuffer(data, dtype, count)
    if not is_packed:
        return numbers.reshape(shape)
    (multiplier,) = struct.unpack_from("<f", data, count * dtype.itemsize)
    if not (math.isfinite(multiplier) and multiplier > 0):
        raise ValueError(f"{name} has the scale {multiplier}")
    values = numbers.astype("float32") * np.float32(1 / np.float32(multiplier))
    # Tables of embeddings lie row by row; every other matrix transposed, under its own shape.
    if "Wemb" in name or len(shape) != 2:
        return values.reshape(shape)
    return np.ascontiguousarray(values.reshape(shape[::-1]).T)


def _options(path: pathlib.Path, stored: np.ndarray) -> dict[str, Any]:
    text = stored.astype("u1").tobytes().rstrip(b"\0")
    try:
        found = load_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: the options of the model cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: the options of the model must be a table. Received: {found!r}.")
    return found


def load_yaml(text: bytes, *, as_texts: bool = False) -> Any:
    """Returns what YAML describes: plain values only.

    Args:
        text: The YAML.
        as_texts: Read every value as a text: a token `no` is not False.
    Raises:
        ImportError: If PyYAML is not installed.
        ValueError: If it is no YAML.
    """
    try:
        import yaml
    except ImportError as error:
        raise missing_package("Models of Marian need PyYAML", "pretrained", error) from error
    name = "BaseLoader" if as_texts else "SafeLoader"
    loader = getattr(yaml, f"C{name}", getattr(yaml, name))
    try:
        return yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
