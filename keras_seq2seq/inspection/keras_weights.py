"""Reads the names and shapes of the weights in a .keras file, without their values."""

import math
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from keras_seq2seq.inspection.findings import NO_LAYER, StoredTensor, weights

WEIGHTS_FILE = "model.weights.h5"
OPTIMIZER = "optimizer"
# What zipfile and h5py raise for damaged files.
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, TypeError, KeyError)
EXPANSION = 20  # weights hardly compress: a member that grows more is meant to fill the disk


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Returns a small member of an archive.

    Raises:
        ValueError: If it is missing, damaged, or larger than `limit` bytes.
    """
    _check_size(archive, name, limit)
    try:
        return archive.read(name)
    except DAMAGE as error:
        raise ValueError(f"{name} is damaged: {error}") from None


def stored_weights(archive: zipfile.ZipFile) -> tuple[StoredTensor, ...]:
    """Returns the weights of an archive, named after their layers.

    Raises:
        ValueError: If the weights file is missing or damaged, or does not hold a whole weight.
    """
    import h5py

    _check_size(archive, WEIGHTS_FILE, None)
    with tempfile.TemporaryFile() as file:
        try:
            # Reading to the end also checks the checksum.
            with archive.open(WEIGHTS_FILE) as member:
                shutil.copyfileobj(member, file)
            size = file.tell()
            with h5py.File(file, "r") as weights_file:
                return tuple(_stored(weights_file, size))
        except DAMAGE as error:
            raise ValueError(f"{WEIGHTS_FILE} is damaged: {error}") from None


def _check_size(archive: zipfile.ZipFile, name: str, limit: int | None) -> None:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{name} is missing") from None
    if info.file_size > EXPANSION * info.compress_size + 4096:
        raise ValueError(f"{name} would grow from {info.compress_size} to {info.file_size} bytes")
    if limit is not None and info.file_size > limit:
        raise ValueError(f"{name} has {info.file_size} bytes, more than {limit}")


def _stored(file: Any, size: int) -> Iterator[StoredTensor]:
    import h5py

    datasets: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        # `visititems` does not follow links out of the file.
        if isinstance(item, h5py.Dataset):
            datasets.append((name, item))

    file.visititems(visit)
    for name, dataset in datasets:
        shape = tuple(map(int, dataset.shape or ()))
        stored = math.prod(shape) * dataset.dtype.itemsize
        if dataset.external or dataset.is_virtual or stored > size:
            raise ValueError(f"the weight {name} of {stored} bytes is not stored in the file")
        layer = _layer(file, name)
        # HDF5 lacks bfloat16: Keras stores it as another dtype and names it in this attribute.
        given = dataset.attrs.get("dtype")
        dtype = given if given == "bfloat16" else str(dataset.dtype)
        count = 0 if layer == OPTIMIZER else weights(dtype, math.prod(shape))
        yield StoredTensor(f"{layer}/{name.split('/')[-1]}", layer, dtype, shape, count, stored)


def _layer(file: Any, name: str) -> str:
    """Returns the path to a weight, with the names that the model gave to its layers."""
    parts = name.split("/")[:-1]
    if parts and parts[0] == OPTIMIZER:
        return OPTIMIZER
    names = []
    for end in range(1, len(parts) + 1):
        if parts[end - 1] in ("layers", "vars"):
            continue
        variables = file.get("/".join([*parts[:end], "vars"]))
        given = variables.attrs.get("name") if variables is not None else None
        names.append(given if isinstance(given, str) else parts[end - 1])
    return "/".join(names) or NO_LAYER
