"""Reads the lexical shortlists of Marian: lex.bin."""

import pathlib
import struct
from collections.abc import Mapping

import numpy as np

from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID

MAGIC = 0xF11A48D5013417F5
_HEADER = struct.Struct("<6Q")  # magic, checksum, first, best, numbers of offsets and of ids
_GOLDEN, _MASK = 0x9E3779B9, (1 << 64) - 1


def read_marian_shortlist(
    path: pathlib.Path,
    source_ids: Mapping[int, int],
    target_ids: Mapping[int, int],
    sizes: tuple[int, int],
    *,
    joint: bool,
) -> Shortlist:
    """Returns the shortlist of a file lex.bin in the ids of an imported model.

    Marian fills up the candidates of a sentence to a multiple of 8 with the most frequent ids; here
    they are not.

    Args:
        path: The file.
        source_ids: The new id of each old source id.
        target_ids: The new id of each old target id.
        sizes: Numbers of new source and target ids.
        joint: Whether both sides have one vocabulary; each source id is then its own candidate.
    Raises:
        ValueError: If the file is damaged, or of another vocabulary; names the file.
    """
    data = path.read_bytes()
    try:
        first, offsets, found = _read(data)
        return _shortlist(first, offsets, found, source_ids, target_ids, sizes, joint)
    except (ValueError, KeyError, struct.error) as error:
        raise ValueError(
            f"{path} cannot be read as the shortlist of this model: {error}. Take the lex.bin that "
            "belongs to it."
        ) from None


def _read(data: bytes) -> tuple[int, np.ndarray, np.ndarray]:
    magic, checksum, first, _, num_offsets, num_ids = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ValueError("it does not begin as one")
    if len(data) != _HEADER.size + 8 * num_offsets + 4 * num_ids:
        raise ValueError(f"it has {len(data)} bytes for {num_offsets} offsets and {num_ids} ids")
    if checksum != hashed(data[16:]):
        raise ValueError("its checksum differs")
    offsets = np.frombuffer(data, "<u8", num_offsets, _HEADER.size).astype("int64")
    ids = np.frombuffer(data, "<u4", num_ids, _HEADER.size + 8 * num_offsets).astype("int64")
    rises = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == num_ids
    if not rises or (np.diff(offsets) < 0).any():
        raise ValueError("its offsets do not rise to the number of its ids")
    return first, offsets, ids


def hashed(data: bytes) -> int:
    """Returns the checksum of Marian over whole groups of 8 bytes."""
    seed = 0
    for (word,) in struct.iter_unpack("<Q", data[: len(data) // 8 * 8]):
        seed ^= (word + _GOLDEN + (seed << 6 & _MASK) + (seed >> 2)) & _MASK
    return seed


def _shortlist(
    first: int,
    offsets: np.ndarray,
    found: np.ndarray,
    source_ids: Mapping[int, int],
    target_ids: Mapping[int, int],
    sizes: tuple[int, int],
    joint: bool,
) -> Shortlist:
    if len(offsets) - 1 > len(source_ids):
        raise ValueError(f"it is for {len(offsets) - 1} source ids, not {len(source_ids)}")
    always = {target_ids[old] for old in range(first)} | {UNK_ID, EOS_ID}
    longest = int(np.diff(offsets).max(initial=0)) + joint
    table = np.zeros((sizes[0], max(longest, 1)), "int32")
    for old in range(len(offsets) - 1):
        new = source_ids[old]
        row = [target_ids[i] for i in found[offsets[old] : offsets[old + 1]].tolist()]
        row += [new] if joint else []
        row = [i for i in row if i not in (PAD_ID, BOS_ID)]
        table[new, : len(row)] = row
    return Shortlist(np.array(sorted(always - {PAD_ID, BOS_ID}), "int32"), table, sizes[1])
