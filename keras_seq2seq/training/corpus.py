"""Reads pairs of source and target texts, and reports every error by file and line.

Each `read_` function has a sibling `stream_`, which reads the pairs one by one and keeps none.
"""

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_seq2seq.text.pairs import Columns
from keras_seq2seq.training.corpus_report import EXAMPLES_PER_KIND as EXAMPLES_PER_KIND
from keras_seq2seq.training.corpus_report import Corpus as Corpus
from keras_seq2seq.training.corpus_report import CorpusError as CorpusError
from keras_seq2seq.training.corpus_report import CorpusReport as CorpusReport
from keras_seq2seq.training.corpus_rows import (
    FilePath,
    jsonl_rows,
    memory_rows,
    parallel_rows,
    tsv_rows,
)
from keras_seq2seq.training.corpus_tables import (
    dataset_files,
    dataset_rows,
    parquet_files,
    parquet_rows,
)
from keras_seq2seq.training.pair_stream import PairStream, Policy


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
    return stream_parallel(
        source_path, target_path, policy=policy, max_characters=max_characters
    ).corpus()


def stream_parallel(
    source_path: FilePath,
    target_path: FilePath,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
    notices: bool = True,
) -> PairStream:
    """Returns the pairs of `read_parallel` as a stream, in bounded memory.

    Args:
        source_path, target_path, policy, max_characters: As for `read_parallel`; the errors are
            raised at the end of the first loop.
        notices: Count the pairs that only look wrong.
    Raises:
        FileNotFoundError: If files are missing.
    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name, text in {"a.en": "a dog\\nred", "a.fr": "un chien\\n "}.items():
        ...     _ = (folder / name).write_text(text)
        >>> stream = stream_parallel(folder / "a.en", folder / "a.fr", policy="drop")
        >>> list(stream), stream.report
        ([('a dog', 'un chien')], CorpusReport(kept=1, counts={'empty sides': 1}))
    """
    _check_files(source_path, target_path)
    rows = functools.partial(parallel_rows, source_path, target_path)
    return PairStream(rows, policy, max_characters, notices=notices)


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
    columns = source_column, target_column
    return stream_tsv(path, *columns, policy=policy, max_characters=max_characters).corpus()


def stream_tsv(
    path: FilePath,
    source_column: int | str | None = None,
    target_column: int | str | None = None,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
    notices: bool = True,
) -> PairStream:
    """Returns the pairs of `read_tsv` as a stream; see `stream_parallel`."""
    given = (source_column, target_column)
    columns = tuple(i if place is None else place for i, place in enumerate(given))
    _check_columns(columns)
    _check_files(path)
    rows = functools.partial(tsv_rows, path, columns, given == (None, None))
    return PairStream(rows, policy, max_characters, notices=notices)


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
    fields = source_field, target_field
    return stream_jsonl(path, *fields, policy=policy, max_characters=max_characters).corpus()


def stream_jsonl(
    path: FilePath,
    source_field: str,
    target_field: str,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
    notices: bool = True,
) -> PairStream:
    """Returns the pairs of `read_jsonl` as a stream; see `stream_parallel`."""
    _check_files(path)
    rows = functools.partial(jsonl_rows, path, source_field, target_field)
    return PairStream(rows, policy, max_characters, notices=notices)


def read_parquet(
    path: FilePath,
    source_field: str,
    target_field: str,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
) -> Corpus:
    """Reads two columns of Parquet files. Needs pyarrow.

    A row is malformed if one of the two is not a string.

    Args:
        path: A file, a folder of `.parquet` files, or a pattern such as "data/train-*.parquet";
            several files are read in the order of their names.
        source_field, target_field: Names of the two columns, or of two fields of a column
            "translation", where Hugging Face keeps them.
        policy, max_characters: As for `read_parallel`.
    Returns, raises: As `read_parallel`.
        ImportError: If pyarrow is not installed.
    """
    fields = source_field, target_field
    return stream_parquet(path, *fields, policy=policy, max_characters=max_characters).corpus()


def stream_parquet(
    path: FilePath,
    source_field: str,
    target_field: str,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
    notices: bool = True,
) -> PairStream:
    """Returns the pairs of `read_parquet` as a stream; see `stream_parallel`."""
    parquet_files(path)
    rows = functools.partial(parquet_rows, path, source_field, target_field)
    return PairStream(rows, policy, max_characters, notices=notices)


def read_dataset(
    folder: FilePath,
    source_field: str,
    target_field: str,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
) -> Corpus:
    """Reads a dataset that `save_to_disk` of Hugging Face's datasets wrote. Needs pyarrow alone.

    Args:
        folder: The folder of one dataset; of a `DatasetDict`, that of one of its parts.
        source_field, target_field, policy, max_characters: As for `read_parquet`.
    Returns, raises: As `read_parquet`.
    """
    fields = source_field, target_field
    return stream_dataset(folder, *fields, policy=policy, max_characters=max_characters).corpus()


def stream_dataset(
    folder: FilePath,
    source_field: str,
    target_field: str,
    *,
    policy: Policy = "refuse",
    max_characters: int | None = None,
    notices: bool = True,
) -> PairStream:
    """Returns the pairs of `read_dataset` as a stream; see `stream_parallel`."""
    dataset_files(folder)
    rows = functools.partial(dataset_rows, folder, source_field, target_field)
    return PairStream(rows, policy, max_characters, notices=notices)


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
    return PairStream(
        functools.partial(memory_rows, pairs, columns), policy, max_characters
    ).corpus()


def _check_columns(given: tuple[int | str, ...]) -> None:
    numbers = [place for place in given if isinstance(place, int)]
    if min(numbers, default=0) < 0 or len({type(place) for place in given}) > 1:
        raise ValueError(
            "`source_column` and `target_column` must be at least 0, or two names of the first "
            f"row. Received: {given[0]!r}, {given[1]!r}."
        )


def _check_files(*paths: FilePath) -> None:
    missing = [os.fspath(path) for path in paths if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"Corpus files do not exist: {', '.join(missing)}.")
