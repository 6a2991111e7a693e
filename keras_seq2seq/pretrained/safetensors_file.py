"""Reads .safetensors files: a JSON header, then the bytes of each tensor."""

import json
import math
import pathlib
import struct
from typing import Any

import numpy as np

LARGEST_HEADER = 100 * 2**20  # bytes, as the format's own readers accept
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"},
}


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a file by name; bfloat16 becomes float32.

    The arrays are views of the mapped file, which is read when they are used.

    Args:
        path: The file.
    Raises:
        ValueError: If the file is cut or damaged, or has a type that NumPy lacks; names the file.
    """
    try:
        return _read(path)
    # json raises RecursionError for deep nesting.
    except (ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise ValueError(
            f"{path} cannot be read as safetensors: {error}. Copy or download the file again."
        ) from None


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    size = path.stat().st_size
    if size < 8:
        raise ValueError(f"it has {size} bytes")
    data = np.memmap(path, "u1", "r")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    if length > min(LARGEST_HEADER, size - 8):
        raise ValueError(f"its header would have {length:,} bytes of {size:,}")
    header = json.loads(data[8 : 8 + length].tobytes().decode())
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    header.pop("__metadata__", None)
    values = data[8 + length :]
    ends = [entry["data_offsets"][1] for entry in header.values()]
    if max(ends, default=0) != len(values):
        raise ValueError(f"its tensors end at {max(ends, default=0):,} of {len(values):,} bytes")
    return {name: _tensor(values, name, entry) for name, entry in header.items()}


def _tensor(values: np.ndarray, name: str, entry: dict[str, Any]) -> np.ndarray:
    kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if kind not in _DTYPES:
        raise ValueError(f"{name} is of the type {kind!r}, not one of {', '.join(_DTYPES)}")
    if not all(isinstance(size, int) and size >= 0 for size in (*shape, first, last)):
        raise ValueError(f"{name} has the shape {shape} from {first!r} to {last!r}")
    dtype = np.dtype(_DTYPES[kind])
    if not first <= last <= len(values) or last - first != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} of shape {shape} lies from byte {first} to {last}")
    array = np.frombuffer(values[first:last], dtype).reshape(shape)
    return widened(array) if kind == "BF16" else array


def widened(bits: np.ndarray) -> np.ndarray:
    """Returns bfloat16 numbers, given as uint16, as float32."""
    return (bits.astype("<u4") << 16).view("<f4")
