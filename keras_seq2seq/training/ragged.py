"""Rows of ids of different lengths in one flat array, in memory or on disk."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from keras_seq2seq.text.vocabulary import PAD_ID


@dataclasses.dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of ids, one after the other.

    Args:
        ids: int of any size, shape (tokens,). The ids of all rows.
        edges: int64, shape (rows + 1,). Where each row starts in `ids`, and where the last ends.
    """

    ids: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], dtype: str = "int32") -> "Ragged":
        """Returns rows that are given one by one."""
        kept = list(rows)
        edges = np.zeros(len(kept) + 1, "int64")
        np.cumsum(np.fromiter(map(len, kept), "int64", len(kept)), out=edges[1:])
        return cls(np.fromiter(itertools.chain.from_iterable(kept), dtype, edges[-1]), edges)

    @classmethod
    def joined(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """Returns the rows of all parts, of which there is at least one."""
        lengths = [np.zeros(1, "int64"), *(part.lengths for part in parts)]
        return cls(np.concatenate([part.ids for part in parts]), np.cumsum(np.concatenate(lengths)))

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __repr__(self) -> str:
        return f"Ragged({len(self)} rows, {self.edges[-1] - self.edges[0]} ids)"

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns the ids of one row."""
        return self.ids[self.edges[index] : self.edges[index + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Number of ids of each row: int64, shape (rows,)."""
        return np.diff(self.edges)

    def rows(self, members: np.ndarray) -> "Ragged":
        """Returns some rows, in the order of `members`: int, shape (rows,)."""
        starts = self.edges[members]
        lengths = self.edges[members + 1] - starts
        edges = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(edges[-1]) + np.repeat(starts - edges[:-1], lengths)
        return Ragged(self.ids[places], edges)

    def without_last(self) -> "Ragged":
        """Returns the rows without their last ids; no row may be empty."""
        return Ragged(
            np.delete(self.ids, self.edges[1:] - 1), self.edges - np.arange(len(self) + 1)
        )

    def with_last(self, token_id: int) -> "Ragged":
        """Returns the rows with one more id at the end of each."""
        return Ragged(
            np.insert(self.ids, self.edges[1:], token_id), self.edges + np.arange(len(self) + 1)
        )

    def replaced(self, members: np.ndarray, others: "Ragged") -> "Ragged":
        """Returns the rows with others in place of those at `members`."""
        places = np.arange(len(self))
        places[members] = len(self) + np.arange(len(members))
        return Ragged.joined([self, others]).rows(places)

    def padded(self, num_rows: int, length: int) -> np.ndarray:
        """Returns int32, shape (num_rows, length): the rows, padded on the right with 0.

        Args:
            num_rows: int. At least as many as there are; rows of padding follow.
            length: int. At least that of the longest row.
        """
        batch = np.full((num_rows, length), PAD_ID, "int32")
        batch[: len(self)][np.arange(length) < self.lengths[:, None]] = self.ids
        return batch
