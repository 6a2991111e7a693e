"""Reads a .keras file without building a model: its JSON, and the weights that it really holds."""

import contextlib
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_seq2seq.file_formats.float_bits import RULES, count_not_finite
from keras_seq2seq.file_formats.zip_members import check_complete

CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE = "config.json", "metadata.json", "model.weights.h5"
OPTIMIZER = "optimizer"
LIMIT = 16 * 2**20  # bytes of a configuration
# Weights hardly compress: a larger member that grows more is meant to fill the disk.
LARGE, EXPANSION = 2**20, 20


class StoredWeight(NamedTuple):
    """A weight of the archive.

    Args:
        name: Its last name, mostly a number.
        layer: Path of names that the model gave to its layers; "" if it has none.
        dtype: As NumPy spells it, or "bfloat16".
        shape: Its shape.
        bytes: Its size.
        not_finite: How many of its numbers are NaN or infinite; 0 if they were not read.
    """

    name: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    not_finite: int = 0


@contextlib.contextmanager
def opened_archive(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """Opens a .keras file.

    Raises:
        ValueError: If it is not from Keras 3, is cut short or damaged, or states false sizes, also
            from inside the block; names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_complete(archive)
            yield archive
    except FileNotFoundError:
        raise
    # The parsers of zip, JSON and HDF5 raise a dozen kinds of errors for damaged files.
    except Exception as error:
        told = error if isinstance(error, ValueError) else repr(error)
        raise ValueError(
            "A .keras file must be a complete archive of Keras 3. "
            f"Received: {os.fspath(path)}: {told}."
        ) from None


def read_json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Returns a JSON object of the archive.

    Raises:
        ValueError: If it is missing, damaged, too large, or something else.
    """
    check_size(archive, name, limit=LIMIT)
    content = _read(archive, name)
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{name} is not a JSON object")
    return values


def check_size(archive: zipfile.ZipFile, name: str, *, limit: int | None = None) -> None:
    """Checks that a member is there, and what it would grow to.

    Raises:
        ValueError: If it is missing, larger than `limit` bytes, or without a limit grows more than
            weights can.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{name} is missing") from None
    if limit is None and info.file_size > max(LARGE, EXPANSION * info.compress_size):
        raise ValueError(f"{name} would grow from {info.compress_size} to {info.file_size} bytes")
    if limit is not None and info.file_size > limit:
        raise ValueError(f"{name} has {info.file_size} bytes, more than {limit}")


def check_members(archive: zipfile.ZipFile) -> None:
    """Reads all members to their ends, which checks their checksums.

    Raises:
        ValueError: If one is damaged, or grows more than weights can.
    """
    for name in archive.namelist():
        check_size(archive, name, limit=LIMIT if name.endswith(".json") else None)
        if name != WEIGHTS_FILE:  # `stored_weights` reads it
            _read(archive, name)


def stored_weights(
    archive: zipfile.ZipFile, *, read_numbers: bool = False
) -> tuple[StoredWeight, ...]:
    """Returns the weights of the archive, named after their layers, without their values.

    Args:
        archive: The archive.
        read_numbers: Read the numbers too, one weight at a time, to count those that are not
            finite.
    Raises:
        ValueError: If the weights file is missing or damaged, does not hold a whole weight, or has
            a link out of it.
    """
    import h5py

    check_size(archive, WEIGHTS_FILE)
    with tempfile.TemporaryFile() as file:
        try:
            # Reading to the end also checks the checksum.
            with archive.open(WEIGHTS_FILE) as member:
                shutil.copyfileobj(member, file)
            size = file.tell()
            with h5py.File(file, "r") as weights_file:
                return tuple(_stored(weights_file, size, read_numbers))
        except _RefusedError:
            raise
        except Exception as error:
            raise ValueError(f"{WEIGHTS_FILE} is damaged: {error!r}") from None


class _RefusedError(ValueError):
    """The weights file is well-formed, but not what Keras writes."""


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    # zipfile raises NotImplementedError and RuntimeError for what it does not know.
    except Exception as error:
        raise ValueError(f"{name} is damaged: {error}") from None


def _stored(file: Any, size: int, read_numbers: bool) -> Iterator[StoredWeight]:
    import h5py

    datasets: list[tuple[str, Any]] = []
    links: list[str] = []

    def visit(name: str, item: Any) -> None:
        # `visititems` does not follow links out of the file.
        if isinstance(item, h5py.Dataset):
            datasets.append((name, item))

    def visit_link(name: str, link: Any) -> None:
        if not isinstance(link, h5py.HardLink):
            links.append(name)

    file.visititems(visit)
    file.visititems_links(visit_link)
    if links:
        raise _RefusedError(f"{links[0]} is a link to weights elsewhere; Keras writes none")
    for name, dataset in datasets:
        shape = tuple(map(int, dataset.shape or ()))
        stored = math.prod(shape) * dataset.dtype.itemsize
        if dataset.external or dataset.is_virtual or stored > size:
            raise _RefusedError(f"the weight {name} of {stored} bytes is not stored in the file")
        # HDF5 lacks bfloat16: Keras stores it as another dtype and names it in this attribute.
        given = dataset.attrs.get("dtype")
        dtype = given if given == "bfloat16" else str(dataset.dtype)
        numbers = _content(dataset) if read_numbers and dtype in RULES else b""
        bad = count_not_finite(dtype, numbers)
        yield StoredWeight(name.split("/")[-1], _layer(file, name), dtype, shape, stored, bad)


def _content(dataset: Any) -> bytes:
    """Returns the numbers of a weight, little-endian."""
    values = dataset[()]
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


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
    return "/".join(names)


def described_objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yields every object of a configuration that names its class.

    Args:
        config: Content of `config.json`, of any shape and depth.
    """
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            if isinstance(value.get("class_name"), str):
                yield value
