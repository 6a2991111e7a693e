"""The rows of Parquet files and of Hugging Face datasets on disk, read by pyarrow."""

import glob
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from keras_seq2seq.installed import missing_package
from keras_seq2seq.text.pairs import NESTED
from keras_seq2seq.training.corpus_report import CorpusError, Faults
from keras_seq2seq.training.pair_stream import Row

FilePath = str | os.PathLike[str]
ROWS = 10_000  # that are decoded at once
STATE, PARTS = "state.json", "dataset_dict.json"


def parquet_rows(
    path: FilePath, source_field: str, target_field: str, faults: Faults
) -> Iterator[Row]:
    """Yields two columns of Parquet files; see `corpus.read_parquet`."""
    _pyarrow()
    import pyarrow
    import pyarrow.parquet

    for file in parquet_files(path):
        try:
            with pyarrow.parquet.ParquetFile(file, memory_map=True) as table:
                wanted = _columns(table.schema_arrow, (source_field, target_field), file)
                names = [place[0] for place in wanted]
                batches = table.iter_batches(ROWS, columns=list(dict.fromkeys(names)))
                yield from _rows(batches, wanted, file)
        except (pyarrow.ArrowException, OSError) as error:
            raise _unreadable(file, error) from None


def dataset_rows(
    folder: FilePath, source_field: str, target_field: str, faults: Faults
) -> Iterator[Row]:
    """Yields two columns of a dataset that `save_to_disk` wrote; see `corpus.read_dataset`."""
    _pyarrow()
    import pyarrow

    for file in dataset_files(folder):
        try:
            with pyarrow.memory_map(str(file)) as source, pyarrow.ipc.open_stream(source) as table:
                wanted = _columns(table.schema, (source_field, target_field), file)
                yield from _rows(table, wanted, file)
        except (pyarrow.ArrowException, OSError) as error:
            raise _unreadable(file, error) from None


def parquet_files(path: FilePath) -> list[pathlib.Path]:
    """Returns the files that a name stands for: a file, a folder of them, or a pattern.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return [path]
    pattern = path / "*.parquet" if path.is_dir() else path
    found = sorted(name for name in glob.glob(str(pattern)) if os.path.isfile(name))
    if not found:
        raise FileNotFoundError(f"Corpus files do not exist: {pattern}.")
    return list(map(pathlib.Path, found))


def dataset_files(folder: FilePath) -> list[pathlib.Path]:
    """Returns the Arrow files of a dataset, in their order.

    Raises:
        CorpusError: If the folder holds several parts, or its list of files cannot be read.
        FileNotFoundError: If it is no dataset, or files of it are missing.
    """
    folder = pathlib.Path(folder)
    if (folder / PARTS).is_file():
        parts = sorted(path.parent.name for path in folder.glob(f"*/{STATE}"))
        raise CorpusError(
            f"A dataset of several parts is read part by part. Received: {folder}; name one of "
            f"{', '.join(str(folder / part) for part in parts)}."
        )
    if not (folder / STATE).is_file():
        raise FileNotFoundError(
            f"{folder} is no dataset that `save_to_disk` wrote: {STATE} does not exist there."
        )
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        files = [folder / str(one["filename"]) for one in state["_data_files"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unreadable(folder / STATE, error) from None
    if state.get("_indices_data_files"):
        raise CorpusError(
            f"{folder} holds a selection of the rows of its files, as early releases of datasets "
            "saved them. Save it again with `flatten_indices().save_to_disk(...)`."
        )
    if missing := [str(file) for file in files if not file.is_file()]:
        raise FileNotFoundError(f"Corpus files do not exist: {', '.join(missing)}.")
    return files


def _pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise missing_package("Parquet and Arrow files need pyarrow", "parquet") from None


def _columns(schema: Any, fields: tuple[str, str], file: pathlib.Path) -> list[tuple[str, ...]]:
    """Returns where both texts are: (column,), or (column, field) inside a struct."""
    if set(fields) <= set(schema.names):
        return [(name,) for name in fields]
    if NESTED in schema.names:
        kind = schema.field(NESTED).type
        inside = [kind.field(i).name for i in range(kind.num_fields)]
        if set(fields) <= set(inside):
            return [(NESTED, name) for name in fields]
        raise CorpusError(
            f"`source_field` and `target_field` must be in {NESTED!r}. Received: {list(fields)}, "
            f"but {file} has {inside!r:.200}."
        )
    raise CorpusError(
        f"`source_field` and `target_field` must name columns. Received: {list(fields)}, but "
        f"{file} has {schema.names!r:.200}."
    )


def _rows(batches: Any, wanted: list[tuple[str, ...]], file: pathlib.Path) -> Iterator[Row]:
    place = f"{file}: row "
    done = 0
    for batch in batches:
        sides = []
        for name, *inside in wanted:
            column = batch.column(batch.schema.get_field_index(name)).to_pylist()
            sides.append([row and row[inside[0]] for row in column] if inside else column)
        for number, (source, target) in enumerate(zip(*sides, strict=True), done + 1):
            yield place, place, number, source, target
        done += batch.num_rows


def _unreadable(file: pathlib.Path, error: Exception) -> CorpusError:
    return CorpusError(f"{file} cannot be read ({error}); copy or write it again.")
