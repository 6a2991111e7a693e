"""Reads pairs of source and target texts, and reports every error by file and line."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, final

from keras_seq2seq.text.lines import read_lines
from keras_seq2seq.text.pairs import NESTED, Columns, as_pair
from keras_seq2seq.training.corpus_notices import Notices, is_invisible, notices

UNEQUAL_LENGTHS = "unequal lengths"
UNDECODABLE = "undecodable bytes"
MALFORMED = "malformed rows"
EMPTY = "empty sides"
NUL = "NUL characters"
OVER_LONG = "over-long pairs"
EXAMPLES_PER_KIND = 20
ENCODING_HINT = "a file in UTF-16 looks like this: convert it with `iconv -f UTF-16 -t UTF-8`"

_SURROGATE = re.compile("[\ud800-\udfff]")

Policy = Literal["refuse", "drop"]
FilePath = str | os.PathLike[str]


@final
@dataclass(frozen=True)
class CorpusReport:
    """How many pairs a reader kept and which errors it found; `str` makes it readable.

    Args:
        kept: int >= 0. Number of pairs without errors.
        counts: Number of errors per kind; a pair counts once, for its first error.
        examples: "file:line: error" for the first 20 errors per kind.
        notices: Kinds of kept pairs that look wrong, such as repeated or swapped ones: how many,
            and where the first three are.
    """

    kept: int
    counts: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    notices: Notices = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"CorpusReport(kept={self.kept}, counts={dict(self.counts)})"

    def __str__(self) -> str:
        lines = [f"{self.kept} pairs kept, {sum(self.counts.values())} errors"]
        for kind, count in self.counts.items():
            lines.append(f"  {kind}: {count}")
            lines += [f"    {example}" for example in self.examples[kind]]
            if count > len(self.examples[kind]):
                lines.append(f"    and {count - len(self.examples[kind])} more")
        for kind, (count, wheres) in self.notices.items():
            lines.append(f"  kept, but look: {count} {kind}, first {', '.join(wheres)}")
        return "\n".join(lines)


@final
@dataclass(frozen=True)
class Corpus:
    """Pairs of texts and the report on reading them.

    Args:
        pairs: At least one pair (source_text, target_text).
        report: CorpusReport.
    """

    pairs: tuple[tuple[str, str], ...]
    report: CorpusReport

    def __repr__(self) -> str:
        return f"Corpus({len(self.pairs)} pairs, {sum(self.report.counts.values())} errors)"


@final
class CorpusError(ValueError):
    """The corpus has errors; the message lists all of them at once.

    Args:
        message: str.
        report: CorpusReport, or None if reading stopped before the end.
    """

    def __init__(self, message: str, report: CorpusReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def read_parallel(
    source_path: FilePath,
    target_path: FilePath,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
) -> Corpus:
    r"""Reads two files in which lines with the same number form a pair.

    Files are UTF-8, plain or .gz, read line by line. Only \n ends a line. Files with different
    numbers of lines are refused under both policies, because nobody knows which line is missing.

    Args:
        source_path, target_path: The two files.
        policy: "refuse" raises if there is any error, "drop" leaves out the pairs with errors.
            Errors are bytes that are not UTF-8, a NUL, a side with nothing visible, a side above
            `max_characters`. Pairs that only look wrong are kept and counted in the report.
        max_characters: int > 0. Maximum characters per side; None means no limit.
    Returns:
        The pairs, in the order of the files, and the report.
    Raises:
        FileNotFoundError: If files are missing; the message lists all of them.
        CorpusError: If there are errors or no pair is left; all errors are reported at once.
    """
    _check_files(source_path, target_path)
    collector = _Collector(policy, max_characters)
    counts = [0, 0]
    lines = zip_longest(_numbered_lines(source_path), _numbered_lines(target_path))
    for source, target in lines:
        counts[0] += source is not None
        counts[1] += target is not None
        if source and target:
            collector.add(source, target)
    if counts[0] != counts[1]:
        what = f"{source_path} has {counts[0]} lines, {target_path} has {counts[1]}"
        collector.fault(UNEQUAL_LENGTHS, what)
    return collector.corpus()


def read_tsv(
    path: FilePath,
    source_column: int | str | None = None,
    target_column: int | str | None = None,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
) -> Corpus:
    """Reads a file of tab-separated columns, without quoting.

    A row is malformed if it has more or fewer columns than the first row.

    Args:
        path: UTF-8, plain or .gz.
        source_column, target_column: int >= 0, counted from 0, or names in the first row, which is
            then no pair. None takes the columns 0 and 1, unless one of them only numbers the
            rows of a wider file, as in an export of Tatoeba (id, text, id, text).
        policy, max_characters: As for `read_parallel`.
    Returns, raises: As `read_parallel`.
    """
    given = (source_column, target_column)
    is_default = given == (None, None)
    source_column, target_column = (i if place is None else place for i, place in enumerate(given))
    columns = (source_column, target_column)
    _check_columns(columns)
    _check_files(path)
    collector = _Collector(policy, max_characters)
    expected = 0
    names = [name for name in columns if isinstance(name, str)]
    places = [place for place in columns if isinstance(place, int)]
    for where, line in _numbered_lines(path):
        text = collector.decoded(where, line)
        if text is None:
            continue
        row = text.split("\t")
        if not expected:
            if names:
                places = _named_places(row, names, where)
            expected = max(len(row), *(place + 1 for place in places))
            if names:
                continue
        if len(row) != expected:
            collector.fault(MALFORMED, f"{where}: {len(row)} columns, expected {expected}")
        else:
            collector.add(*((where, row[place]) for place in places))
    if is_default and expected > len(places):
        _check_no_numbers(path, collector.pairs, expected)
    return collector.corpus()


def read_jsonl(
    path: FilePath,
    source_field: str,
    target_field: str,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
) -> Corpus:
    """Reads a file of one JSON object per line.

    A line is malformed if it is not an object, lacks a field, or a field is not a str.

    Args:
        path: UTF-8, plain or .gz.
        source_field, target_field: Names of the two fields, of the row itself or of an object in
            its field "translation", where Hugging Face keeps them.
        policy, max_characters: As for `read_parallel`.
    Returns, raises: As `read_parallel`.
    """
    _check_files(path)
    collector = _Collector(policy, max_characters)
    for where, line in _numbered_lines(path):
        text = collector.decoded(where, line)
        if text is None:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            collector.fault(MALFORMED, f"{where}: not JSON ({error})")
            continue
        if not isinstance(row, dict):
            collector.fault(MALFORMED, f"{where}: {type(row).__name__}, expected an object")
            continue
        nested = row.get(NESTED)
        if isinstance(nested, dict) and not {source_field, target_field} <= set(row):
            row = nested
        missing = [name for name in (source_field, target_field) if name not in row]
        if missing:
            named = f"{', '.join(missing)}, only {list(row)!r:.100}"
            collector.fault(MALFORMED, f"{where}: no field {named}")
        else:
            collector.add((where, row[source_field]), (where, row[target_field]))
    return collector.corpus()


def from_pairs(
    pairs: Iterable[Any],
    *,
    columns: Columns | None = None,
    policy: Policy = "refuse",
    max_characters: int | None = None,
) -> Corpus:
    """Checks pairs in memory; an error in the first of them is reported as "pair 1".

    Args:
        pairs: Iterable of (source_text, target_text), or of mappings with `columns`.
        columns: Names of the source and of the target column of mappings, such as the rows of
            csv.DictReader or of a Hugging Face dataset.
        policy, max_characters: As for `read_parallel`.
    Returns, raises: As `read_parallel`.
    """
    collector = _Collector(policy, max_characters)
    for number, pair in enumerate(pairs, 1):
        where = f"pair {number}"
        try:
            source, target = as_pair(pair, columns, where)
        except TypeError as error:
            collector.fault(MALFORMED, f"{where}: {pair!r:.60}, expected a pair. {error}")
        else:
            collector.add((where, source), (where, target))
    return collector.corpus()


@final
@dataclass
class _Collector:
    policy: Policy
    max_characters: int | None
    pairs: list[tuple[str, str]] = field(default_factory=list)
    wheres: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.policy not in ("refuse", "drop"):
            raise ValueError(f'`policy` must be "refuse" or "drop". Received: {self.policy!r}.')
        if self.max_characters is not None and self.max_characters < 1:
            raise ValueError(
                f"`max_characters` must be at least 1. Received: {self.max_characters}."
            )

    def fault(self, kind: str, example: str) -> None:
        self.counts[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES_PER_KIND:
            examples.append(example)

    def decoded(self, where: str, line: bytes) -> str | None:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            what = f"{where}: byte 0x{line[error.start]:02x} at position {error.start}"
            self.fault(UNDECODABLE, what)
            return None

    def checked(self, where: str, text: object) -> str | None:
        if isinstance(text, bytes):
            text = self.decoded(where, text)
            if text is None:
                return None
        if not isinstance(text, str):
            self.fault(MALFORMED, f"{where}: {type(text).__name__}, expected a string")
        elif is_invisible(text):
            self.fault(EMPTY, f"{where}: blank")
        elif surrogate := _SURROGATE.search(text):
            self.fault(UNDECODABLE, f"{where}: lone surrogate at position {surrogate.start()}")
        elif "\0" in text:
            self.fault(NUL, f"{where}: at position {text.index(chr(0))}; {ENCODING_HINT}")
        elif self.max_characters is not None and len(text) > self.max_characters:
            what = f"{where}: {len(text)} characters, at most {self.max_characters}"
            self.fault(OVER_LONG, what)
        else:
            return text
        return None

    def add(self, source_side: tuple[str, object], target_side: tuple[str, object]) -> None:
        """Adds one pair, or counts its first error; a side is (where, text)."""
        source = self.checked(*source_side)
        if source is not None:
            target = self.checked(*target_side)
            if target is not None:
                self.pairs.append((source, target))
                self.wheres.append(source_side[0])

    def corpus(self) -> Corpus:
        report = CorpusReport(
            len(self.pairs),
            dict(self.counts),
            {kind: tuple(found) for kind, found in self.examples.items()},
            notices(self.pairs, self.wheres),
        )
        if UNEQUAL_LENGTHS in self.counts:
            raise CorpusError(
                "Parallel files must have the same number of lines. Nobody knows which line is "
                f'missing, so policy="drop" does not help: fix the files.\n{report}',
                report,
            )
        if self.counts and self.policy == "refuse":
            raise CorpusError(
                'The corpus has errors. Fix them, or pass policy="drop" to leave out the pairs '
                f"with errors.\n{report}",
                report,
            )
        if not self.pairs:
            raise CorpusError(f"A corpus must hold at least one pair.\n{report}", report)
        return Corpus(tuple(self.pairs), report)


def _check_columns(given: tuple[int | str, int | str]) -> None:
    numbers = [place for place in given if isinstance(place, int)]
    if min(numbers, default=0) < 0 or len({type(place) for place in given}) > 1:
        raise ValueError(
            "`source_column` and `target_column` must be at least 0, or two names of the first "
            f"row. Received: {given[0]!r}, {given[1]!r}."
        )


def _named_places(row: list[str], names: Sequence[Any], where: str) -> list[int]:
    if missing := [name for name in names if name not in row]:
        raise CorpusError(
            "`source_column` and `target_column` must be in the first row. "
            f"Received: {missing}, but {where} has {row!r:.200}."
        )
    return [row.index(name) for name in names]


def _check_no_numbers(path: FilePath, pairs: list[tuple[str, str]], width: int) -> None:
    for column in (0, 1):
        numbers = [pair[column] for pair in pairs if pair[column].strip().isdecimal()]
        if len(numbers) * 2 > len(pairs):
            raise CorpusError(
                f"Column {column} of {os.fspath(path)} holds nothing but a number in "
                f"{len(numbers)} of {len(pairs)} rows of {width} columns, such as {numbers[0]!r}. "
                "Say which columns are the texts, counted from 0: source_column=1, target_column=3 "
                'for an export of Tatoeba; in a recipe data.columns = ["1", "3"].'
            )


def _check_files(*paths: FilePath) -> None:
    missing = [os.fspath(path) for path in paths if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"Corpus files do not exist: {', '.join(missing)}.")


def _numbered_lines(path: FilePath) -> Iterator[tuple[str, bytes]]:
    try:
        for number, line in enumerate(read_lines(path), 1):
            yield f"{os.fspath(path)}:{number}", line
    except ValueError as error:
        raise CorpusError(str(error)) from None
