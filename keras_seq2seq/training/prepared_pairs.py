"""Pairs that `prepare` has written: ids in files that are mapped into memory."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np

from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.batch_plan import LengthTable
from keras_seq2seq.training.encoded_pairs import EncodedPairs
from keras_seq2seq.training.ragged import Ragged
from keras_seq2seq.whole_file import whole_file

FORMAT_VERSION = 1
META = "prepared.json"
SIDES = ("source", "target")
PARTS = ("validation", "test")
READ_AT_ONCE = 2**22

Pair = tuple[str, str]


class PreparedError(ValueError):
    """A prepared folder that is damaged, or made for something else."""


@final
class PreparedPairs:
    """The pairs of a prepared folder; `PairBatches` takes them in place of texts.

    Opening reads a few kilobytes, however many pairs there are; a batch reads its own rows. Files
    whose size or time has changed since they were written are compared with their checksums.

    Args:
        folder: What `prepare` has written.
    Raises:
        FileNotFoundError: If there is no prepared folder.
        PreparedError: If it is damaged or of a later release; the message names the file.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = pathlib.Path(folder)
        self._meta = _read_meta(self.folder / META)
        for name, facts in self._meta["files"].items():
            _check_file(self.folder / name, facts)
        self.max_length: int = self._meta["max_length"]
        self.num_dropped: int = self._meta["dropped"]
        self.longest: int = self._meta["longest"]
        self.report: str = self._meta["report"]
        self.given: Mapping[str, Any] = self._meta["given"]
        self.settings: Mapping[str, Any] = self.given["settings"]
        self.tokenizers = TokenizerPair.load(self.folder)

    def __len__(self) -> int:
        return int(self._meta["pairs"])

    def __getitem__(self, index: int) -> Pair:
        """Returns the texts of a pair as the model gets them: normalised."""
        if not 0 <= index < len(self):
            raise IndexError(f"A pair must be in [0, {len(self)}). Received: {index}.")
        sides, tokenizers = self.encoded, self.tokenizers
        source = tokenizers.source.decode(sides.source[index].tolist())
        return source, tokenizers.target.decode(sides.target[index].tolist())

    def __iter__(self) -> Iterator[Pair]:
        return (self[index] for index in range(len(self)))

    def __reduce__(self) -> tuple[type["PreparedPairs"], tuple[pathlib.Path]]:
        return PreparedPairs, (self.folder,)

    def __repr__(self) -> str:
        return f"PreparedPairs({str(self.folder)!r}, {len(self)} pairs)"

    @functools.cached_property
    def encoded(self) -> EncodedPairs:
        """The ids, on the disk."""
        meta = self._meta
        source, target = (
            Ragged(
                mapped(self.folder / f"{side}.ids", meta["types"][f"{side}.ids"]),
                mapped(self.folder / f"{side}.edges", "<i8"),
            )
            for side in SIDES
        )
        order = mapped(self.folder / "order", meta["types"]["order"])
        counts, longest_source, longest_target = np.array(meta["lengths"], "int64")
        table = LengthTable(counts, longest_source, longest_target)
        encoded = EncodedPairs(source, target, order, table)
        vars(encoded)["digest"] = meta["digest"]  # known since it was written
        return encoded

    def texts(self, part: str) -> tuple[Pair, ...]:
        """Returns the pairs of a part that is not trained on: "validation" or "test"."""
        return read_texts(self.folder, part)

    def check_used_with(self, tokenizers: TokenizerPair, max_length: int | None) -> None:
        """Checks what batches are made with.

        Raises:
            ValueError: If the pairs were prepared with other tokenizers, or another `max_length`.
        """
        if tokenizers != self.tokenizers:
            raise ValueError(
                "`tokenizers` must be those that the pairs were prepared with, "
                f"`PreparedPairs(...).tokenizers`. Received: others than those of {self.folder}."
            )
        if max_length not in (None, self.max_length):
            raise ValueError(
                f"`max_length` must be {self.max_length}, as {self.folder} was prepared. "
                f"Received: {max_length}; leave it out, or prepare the pairs again."
            )

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Checks that a recipe has the settings that the pairs were prepared with.

        Raises:
            PreparedError: If not; lists all that differ.
        """
        faults = [
            f"{name}: {self.settings.get(name)!r} there, {value!r} in the recipe"
            for name, value in settings.items()
            if self.settings.get(name) != value
        ]
        if faults:
            raise PreparedError(
                "A prepared folder must be made for the data and the tokenizer of the recipe. "
                f"Received: {self.folder} with other values. Prepare it again (prepare --force), "
                "or name another folder:\n- " + "\n- ".join(faults)
            )


def read_texts(folder: pathlib.Path, part: str) -> tuple[Pair, ...]:
    """Returns the pairs of a part of a folder, which may not be finished."""
    lines = (folder / f"{part}.jsonl").read_text("utf-8").splitlines()
    return tuple((source, target) for source, target in map(json.loads, lines))


def mapped(path: pathlib.Path, kind: str, mode: Any = "r") -> np.ndarray:
    """Returns the numbers of a file, mapped into memory."""
    if path.stat().st_size == 0:
        return np.zeros(0, kind)
    # As a plain array: each slice of a memmap is slower, and it is the same memory.
    return np.asarray(np.memmap(path, kind, mode))


def file_facts(path: pathlib.Path) -> dict[str, Any]:
    """Returns what is kept of a file that has been written: size, time, checksum."""
    status = path.stat()
    return {
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "sha256": _checksum(path),
    }


def write_meta(folder: pathlib.Path, values: Mapping[str, Any]) -> None:
    """Writes the file that makes a folder a prepared one."""
    with whole_file(folder / META) as partial:
        signed = {"format_version": FORMAT_VERSION, **values}
        partial.write_text(json.dumps({**signed, "sha256": _signature(signed)}, indent=1), "utf-8")


def _read_meta(path: pathlib.Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
        signature = values.pop("sha256")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path.parent} holds no prepared pairs: {path.name} does not exist. Prepare them "
            "with `keras-seq2seq prepare RECIPE`."
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise PreparedError(
            f"{path} cannot be read ({error!r}); prepare the pairs again."
        ) from None
    if values.get("format_version") != FORMAT_VERSION:
        raise PreparedError(
            f"Prepared pairs must have format version {FORMAT_VERSION}. Received: "
            f"{values.get('format_version')!r} in {path}; prepare them with this release."
        )
    if signature != _signature(values):
        raise PreparedError(f"{path} was changed or damaged; prepare the pairs again.")
    return dict(values)


def _check_file(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        if status.st_size == facts["bytes"]:
            is_as_written = status.st_mtime_ns == facts["modified_ns"]
            if is_as_written or _checksum(path) == facts["sha256"]:
                return
    what = "is damaged" if path.exists() else "does not exist"
    raise PreparedError(f"{path} {what}: copy the prepared folder, or prepare the pairs, again.")


def _checksum(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(READ_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def _signature(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
