"""Writes pairs of texts to files, line by line; each file is whole or not there."""

import contextlib
import gzip
import io
import json
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from keras_seq2seq.training.corpus_notices import has_breaks
from keras_seq2seq.whole_file import whole_file


def check_pair_files(paths: Sequence[pathlib.Path], *, force: bool = False) -> None:
    """Checks the files that `write_pairs` is to write.

    Args:
        paths: Two files of texts, or one that ends in .tsv or .jsonl; .gz may follow.
        force: Whether files that exist are replaced.
    Raises:
        FileExistsError: If a file exists and is not to be replaced.
        FileNotFoundError: If the folder of a file does not exist.
        ValueError: If the names do not say what to write.
    """
    if len(paths) not in (1, 2) or len(set(paths)) < len(paths):
        raise ValueError(
            "`output` must be two files, for sources and targets, or one. "
            f"Received: {[str(path) for path in paths]}."
        )
    if len(paths) == 1 and _kind(paths[0]) not in (".tsv", ".jsonl"):
        raise ValueError(
            "`output` of both sides must end in .tsv or .jsonl (.gz may follow). "
            f"Received: {paths[0]}; or name two files, for sources and targets."
        )
    for path in paths:
        if path.exists() and not force:
            raise FileExistsError(
                f"{path} exists. Pass --force (force=True) to write over it, or name another file."
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path.parent} does not exist; make that folder first.")


def write_pairs(pairs: Iterable[tuple[str, str]], paths: Sequence[pathlib.Path]) -> int:
    """Writes pairs to one or two files; returns their number.

    Args:
        pairs: Pairs (source_text, target_text).
        paths: As for `check_pair_files`. JSON has the fields "source" and "target".
    Raises:
        ValueError: If a text has a tab or the end of a line inside, which only JSON can hold.
    """
    count = 0
    kind = _kind(paths[0]) if len(paths) == 1 else ""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(_opened(path)) for path in paths]
        for count, (source, target) in enumerate(pairs, 1):
            if kind == ".jsonl":
                row = {"source": source, "target": target}
                files[0].write(json.dumps(row, ensure_ascii=False) + "\n")
                continue
            if has_breaks(source) or has_breaks(target):
                raise ValueError(
                    "Lines cannot hold a tab or the end of a line. Received: pair "
                    f"{count}, {source!r:.60} / {target!r:.60}; leave such pairs out (rule breaks) "
                    "or write .jsonl."
                )
            if kind == ".tsv":
                files[0].write(f"{source}\t{target}\n")
            else:
                files[0].write(f"{source}\n")
                files[1].write(f"{target}\n")
    return count


def _kind(path: pathlib.Path) -> str:
    return pathlib.Path(path.name.removesuffix(".gz")).suffix


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[TextIO]:
    with whole_file(path) as partial, partial.open("wb") as raw:
        if path.suffix != ".gz":
            with io.TextIOWrapper(raw, "utf-8", newline="\n") as file:
                yield file
            return
        # Without name and time: the same pairs give the same bytes.
        with (
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
            io.TextIOWrapper(packed, "utf-8", newline="\n") as file,
        ):
            yield file
