"""A preparation at work: its folder, which gets its name at the end, and how far it is."""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from keras_seq2seq.bundles.whole_folder import put_folder
from keras_seq2seq.training.corpus_parts import Pairs
from keras_seq2seq.training.encoded_pairs import Block
from keras_seq2seq.training.length_order import LENGTH_TYPE
from keras_seq2seq.training.prepared_pairs import (
    PARTS,
    SIDES,
    PreparedError,
    PreparedPairs,
    read_texts,
)
from keras_seq2seq.whole_file import sync, whole_file

JOURNAL = "journal.json"
GROWING = tuple(f"{side}.{what}" for side in SIDES for what in ("ids", "lengths"))


@dataclasses.dataclass
class Progress:
    """How far a preparation is, kept in its folder.

    Args:
        given: What is prepared: settings, files, tokenizers. Another value starts over.
        report: Of the readers; None until all texts have been read once.
        has_tokenizers: Whether the tokenizers are there.
        read: int >= 0. Number of pairs whose ids are written, or that were left out.
        digest: Of the texts of these pairs.
        pairs: int >= 0. Number of pairs whose ids are written.
        dropped: int >= 0. Number of pairs that were left out.
        longest: int >= 0. Tokens of the longest side.
        sizes: Number of bytes written to each file.
    """

    given: Mapping[str, Any]
    report: str | None = None
    has_tokenizers: bool = False
    read: int = 0
    digest: str = ""
    pairs: int = 0
    dropped: int = 0
    longest: int = 0
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)


class Preparation:
    """The folder of a preparation at work. What is in it survives a kill; its name is no result.

    Args:
        folder: The folder that it becomes.
        given: See `Progress`.
    """

    def __init__(self, folder: pathlib.Path, given: Mapping[str, Any]) -> None:
        self.result = folder
        self.folder = folder.with_name(f".partial-{folder.name}")
        self.progress = self._kept(given) or Progress(given)
        self.is_complete = self._is_complete(given)
        if self.is_complete:
            return
        if not self.goes_on:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        for name in GROWING:
            # What was written after the journal is written again.
            with (self.folder / name).open("ab") as file:
                file.truncate(self.progress.sizes.get(name, 0))

    @property
    def goes_on(self) -> bool:
        """Whether an earlier start has left something to go on with."""
        return self.progress.report is not None

    def keep(self) -> None:
        """Writes how far it is, after all that is written is on the disk."""
        for name in GROWING:
            sync(self.folder / name)
            self.progress.sizes[name] = (self.folder / name).stat().st_size
        with whole_file(self.folder / JOURNAL) as partial:
            partial.write_text(json.dumps(dataclasses.asdict(self.progress)), "utf-8")

    def write_texts(self, parts: Mapping[str, Pairs]) -> None:
        """Writes the parts that are not trained on."""
        for name in PARTS:
            with (
                whole_file(self.folder / f"{name}.jsonl") as partial,
                partial.open("w", encoding="ascii") as file,
            ):
                file.writelines(f"{json.dumps(pair)}\n" for pair in parts[name])

    def texts(self) -> tuple[Pairs, Pairs]:
        """Returns what `write_texts` wrote: the validation and the test part."""
        validation, test = (read_texts(self.folder, part) for part in PARTS)
        return validation, test

    def append(self, block: Block) -> None:
        """Writes the ids of a block of pairs."""
        for side, rows in zip(SIDES, (block.source, block.target), strict=True):
            numbers = {"ids": rows.ids, "lengths": rows.lengths.astype(LENGTH_TYPE)}
            for what, values in numbers.items():
                with (self.folder / f"{side}.{what}").open("ab") as file:
                    file.write(values.tobytes())
        self.progress.read += len(block.kept) + block.dropped
        self.progress.pairs += len(block.kept)
        self.progress.dropped += block.dropped
        self.progress.longest = max(self.progress.longest, block.longest)

    def finish(self) -> None:
        """Gives the folder its name; one of that name is replaced."""
        for side in SIDES:
            (self.folder / f"{side}.lengths").unlink(missing_ok=True)
        (self.folder / JOURNAL).unlink(missing_ok=True)
        for path in self.folder.iterdir():
            sync(path)
        sync(self.folder)
        put_folder(self.folder, self.result)
        sync(self.result.parent)
        shutil.rmtree(self.folder, ignore_errors=True)  # of that name is now what was replaced

    def discard(self) -> None:
        """Deletes what was written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_complete(self, given: Mapping[str, Any]) -> bool:
        """Returns whether an earlier start was killed when only the name was left to give."""
        try:
            return PreparedPairs(self.folder).given == given
        except (PreparedError, FileNotFoundError):
            return False

    def _kept(self, given: Mapping[str, Any]) -> Progress | None:
        """Returns how far an earlier start with the same data came, if it can go on."""
        try:
            kept = Progress(**json.loads((self.folder / JOURNAL).read_text("utf-8")))
            sizes = {name: (self.folder / name).stat().st_size for name in kept.sizes}
        except (OSError, ValueError, TypeError):
            return None
        whole = all(size >= kept.sizes[name] for name, size in sizes.items())
        return kept if kept.given == given and whole else None


def identities(paths: list[pathlib.Path]) -> list[list[Any]]:
    """Returns name, size and time of files: other values tell that they were changed."""
    found = [(path, os.stat(path)) for path in paths]
    return [[str(path.resolve()), status.st_size, status.st_mtime_ns] for path, status in found]
