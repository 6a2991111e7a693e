"""Sorts any number of pairs by length on the disk, in bounded memory."""

import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

from keras_seq2seq.training.batch_plan import LengthTable

LENGTH_TYPE = "<u4"
PART = 2**20  # numbers that are in memory at once


def read_numbers(path: pathlib.Path, kind: str) -> Iterator[np.ndarray]:
    """Yields the numbers of a file, part by part."""
    with path.open("rb") as file:
        while len(part := np.fromfile(file, kind, PART)):
            yield part


def write_edges(lengths: pathlib.Path, edges: pathlib.Path) -> None:
    """Writes where each row starts, and where the last one ends, int64, from their lengths."""
    with edges.open("wb") as file:
        end = np.zeros(1, "<i8")
        file.write(end.tobytes())
        for part in read_numbers(lengths, LENGTH_TYPE):
            ends = np.cumsum(part, dtype="<i8") + end
            file.write(ends.tobytes())
            end = ends[-1:]


def write_order(
    source_lengths: pathlib.Path, target_lengths: pathlib.Path, longest: int, order: pathlib.Path
) -> tuple[LengthTable, str]:
    """Writes the order of `EncodedPairs`: by the longer side, then the shorter, then the place.

    Two counting sorts, first by the shorter side; each reads from the front to the end and writes
    a run for each length.

    Args:
        source_lengths, target_lengths: Files with the number of tokens of each side.
        longest: int > 0. No side has more tokens.
        order: The file to write. Files beside it, named like it, are used and removed.
    Returns:
        The table of the lengths, and the type of the numbers in the file.
    """
    table, shorter_counts, pairs = _counted(source_lengths, target_lengths, longest)
    kind = "<u4" if pairs < 2**32 else "<i8"
    by_shorter = [order.with_name(f"{order.name}.{name}") for name in ("places", "longer")]
    with by_shorter[0].open("wb") as places, by_shorter[1].open("wb") as longer:
        parts = _numbered(source_lengths, target_lengths, kind)
        _distribute(parts, shorter_counts, [places, longer])
    with order.open("wb") as file:
        types = (kind, LENGTH_TYPE)
        read = [read_numbers(path, one) for path, one in zip(by_shorter, types, strict=True)]
        rows = ((keys, [numbers]) for numbers, keys in zip(*read, strict=True))
        _distribute(rows, table.counts, [file])
    for path in by_shorter:
        path.unlink()
    return table, kind


def _counted(
    source: pathlib.Path, target: pathlib.Path, longest: int
) -> tuple[LengthTable, np.ndarray, int]:
    """Returns the table, the numbers of pairs by their shorter side, and the number of pairs."""
    none = np.zeros(0, "int64")
    table, shorter, pairs = LengthTable.of(none, none, longest), np.zeros(longest + 1, "int64"), 0
    for sides in _sides(source, target):
        table += LengthTable.of(*sides, longest)
        shorter += np.bincount(np.minimum(*sides), minlength=longest + 1)
        pairs += len(sides[0])
    return table, shorter, pairs


def _sides(source: pathlib.Path, target: pathlib.Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    read = (read_numbers(path, LENGTH_TYPE) for path in (source, target))
    for one, other in zip(*read, strict=True):
        yield one.astype("int64"), other.astype("int64")


def _numbered(
    source: pathlib.Path, target: pathlib.Path, kind: str
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Yields the shorter side of each pair; and its place and its longer side."""
    start = 0
    for sides in _sides(source, target):
        places = np.arange(start, start + len(sides[0])).astype(kind)
        yield np.minimum(*sides), [places, np.maximum(*sides).astype(LENGTH_TYPE)]
        start += len(places)


def _distribute(
    parts: Iterable[tuple[np.ndarray, list[np.ndarray]]],
    counts: np.ndarray,
    files: Sequence[BinaryIO],
) -> None:
    """Writes numbers in the order of their keys; those of equal keys stay in their order.

    Args:
        parts: Keys, int >= 0, and with each the number for each file.
        counts: int64, shape (keys,). How often each key comes.
        files: What is written.
    """
    place = np.cumsum(counts) - counts
    for keys, columns in parts:
        order = np.argsort(keys, kind="stable")
        sizes = np.bincount(keys, minlength=len(counts))
        ends = np.cumsum(sizes)
        for column, file in zip(columns, files, strict=True):
            ordered = column[order]
            for key in np.flatnonzero(sizes):
                file.seek(int(place[key]) * column.itemsize)
                file.write(ordered[ends[key] - sizes[key] : ends[key]].tobytes())
        place += sizes
