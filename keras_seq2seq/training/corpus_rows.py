"""The rows of text files and of pairs in memory: where each is, and its two texts."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from keras_seq2seq.text.lines import read_lines
from keras_seq2seq.text.pairs import NESTED, Columns, as_pair
from keras_seq2seq.training.corpus_report import (
    MALFORMED,
    UNEQUAL_LENGTHS,
    CorpusError,
    Faults,
)
from keras_seq2seq.training.pair_stream import Row, decoded

FilePath = str | os.PathLike[str]


def parallel_rows(source_path: FilePath, target_path: FilePath, faults: Faults) -> Iterator[Row]:
    """Yields the lines of two files side by side."""
    places = f"{os.fspath(source_path)}:", f"{os.fspath(target_path)}:"
    number = 0
    ended: dict[int, int] = {}  # of the side that ends first, its number of lines
    for number, sides in enumerate(zip_longest(_lines(source_path), _lines(target_path)), 1):
        source, target = sides
        if source is None or target is None:
            ended.setdefault(int(target is None), number - 1)
        else:
            yield *places, number, source, target
    if ended:
        sources, targets = (ended.get(side, number) for side in (0, 1))
        what = f"{source_path} has {sources} lines, {target_path} has {targets}"
        faults.add(UNEQUAL_LENGTHS, what)


def tsv_rows(
    path: FilePath, columns: Sequence[int | str], is_default: bool, faults: Faults
) -> Iterator[Row]:
    """Yields two columns of the rows of a file; see `corpus.read_tsv`."""
    place = f"{os.fspath(path)}:"
    names = [name for name in columns if isinstance(name, str)]
    places = [column for column in columns if isinstance(column, int)]
    numerals = _Numerals(path)
    expected = 0
    for number, line in enumerate(_lines(path), 1):
        text = decoded(place, number, line, faults)
        if text is None:
            continue
        row = text.split("\t")
        if not expected:
            if names:
                places = _named_places(row, names, f"{place}{number}")
            expected = max(len(row), *(column + 1 for column in places))
            if names:
                continue
        if len(row) != expected:
            what = f"{len(row)} columns, expected {expected}"
            faults.add(MALFORMED, f"{place}{number}: {what}")
            continue
        source, target = row[places[0]], row[places[1]]
        if is_default and expected > len(places):
            numerals.add(source, target)
        yield place, place, number, source, target
    numerals.check(expected)


def jsonl_rows(
    path: FilePath, source_field: str, target_field: str, faults: Faults
) -> Iterator[Row]:
    """Yields two fields of the objects of a file; see `corpus.read_jsonl`."""
    place = f"{os.fspath(path)}:"
    for number, line in enumerate(_lines(path), 1):
        text = decoded(place, number, line, faults)
        if text is None:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            faults.add(MALFORMED, f"{place}{number}: not JSON ({error})")
            continue
        if not isinstance(row, dict):
            what = f"{type(row).__name__}, expected an object"
            faults.add(MALFORMED, f"{place}{number}: {what}")
            continue
        nested = row.get(NESTED)
        if isinstance(nested, dict) and not {source_field, target_field} <= set(row):
            row = nested
        missing = [name for name in (source_field, target_field) if name not in row]
        if missing:
            named = f"{', '.join(missing)}, only {list(row)!r:.100}"
            faults.add(MALFORMED, f"{place}{number}: no field {named}")
        else:
            yield place, place, number, row[source_field], row[target_field]


def memory_rows(pairs: Iterable[Any], columns: Columns | None, faults: Faults) -> Iterator[Row]:
    """Yields pairs in memory; see `corpus.from_pairs`."""
    place = "pair "
    for number, pair in enumerate(pairs, 1):
        try:
            source, target = as_pair(pair, columns, f"{place}{number}")
        except TypeError as error:
            what = f"{pair!r:.60}, expected a pair. {error}"
            faults.add(MALFORMED, f"{place}{number}: {what}")
        else:
            yield place, place, number, source, target


class _Numerals:
    """Counts numerals in two columns, which then are not the texts."""

    def __init__(self, path: FilePath) -> None:
        self.path = path
        self.rows = 0
        self.counts = [0, 0]
        self.examples = ["", ""]

    def add(self, *texts: str) -> None:
        self.rows += 1
        for column, text in enumerate(texts):
            if text.strip().isdecimal():
                self.counts[column] += 1
                self.examples[column] = self.examples[column] or text

    def check(self, width: int) -> None:
        for column, count in enumerate(self.counts):
            if count * 2 > self.rows:
                raise CorpusError(
                    f"Column {column} of {os.fspath(self.path)} holds nothing but a number in "
                    f"{count} of {self.rows} rows of {width} columns, such as "
                    f"{self.examples[column]!r}. Say which columns are the texts, counted from 0: "
                    "source_column=1, target_column=3 for an export of Tatoeba; in a recipe "
                    'data.columns = ["1", "3"].'
                )


def _named_places(row: list[str], names: Sequence[Any], where: str) -> list[int]:
    if missing := [name for name in names if name not in row]:
        raise CorpusError(
            "`source_column` and `target_column` must be in the first row. "
            f"Received: {missing}, but {where} has {row!r:.200}."
        )
    return [row.index(name) for name in names]


def _lines(path: FilePath) -> Iterator[bytes]:
    try:
        yield from read_lines(path)
    except ValueError as error:
        raise CorpusError(str(error)) from None
