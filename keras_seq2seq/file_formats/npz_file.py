"""Reads .npz files from anywhere: whole, without pickles, or an error that names the file."""

import os
import zipfile
from collections.abc import Collection

import numpy as np

from keras_seq2seq.file_formats.zip_members import check_complete

LARGE, EXPANSION = 256 * 2**20, 20  # bytes; an array above may not be compressed more than this


def read_npz(
    path: str | os.PathLike[str], names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Returns arrays of an .npz file by name.

    Args:
        path: The file.
        names: The arrays to read; None reads all.
    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, an array is missing, or one is not what its header
            says; names the file.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                check_complete(archive)
                held = [name.removesuffix(".npy") for name in archive.namelist()]
                return {name: _array(archive, name) for name in (names or held)}
        # zipfile, zlib and NumPy, which evaluates a header as a Python literal, raise a dozen
        # kinds of errors, tokenize.TokenError among them.
        except Exception as error:
            raise ValueError(f"{os.fspath(path)} cannot be read as .npz: {error!r}") from None


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > max(LARGE, EXPANSION * info.compress_size):
        raise ValueError(f"{name} would grow from {info.compress_size} to {info.file_size} bytes")
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        # Reading to the end also checks the checksum.
        if member.read(1):
            raise ValueError(f"{name} has more bytes than its shape says")
    return array
