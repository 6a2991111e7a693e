"""Rows of ids of different lengths as one array, padded on the right."""

from collections.abc import Sequence

import numpy as np

from keras_seq2seq.text.vocabulary import PAD_ID


def pad_batch(sequences: Sequence[Sequence[int]], length: int | None = None) -> np.ndarray:
    """Stacks sequences of ids as rows of one array, padded on the right with pad.

    Args:
        sequences: Ids of each row.
        length: int >= 0 or None. Number of columns; None takes that of the longest sequence.
    Returns:
        ids: int32, shape (batch, length), padded with 0.
    Raises:
        ValueError: If a sequence is longer than `length`.
    """
    longest = max(map(len, sequences), default=0)
    if length is None:
        length = longest
    if longest > length:
        raise ValueError(
            f"`length` must be at least the longest sequence, {longest}. Received: {length}."
        )
    batch = np.full((len(sequences), length), PAD_ID, np.int32)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence)] = sequence
    return batch


def unpadded_length(ids: np.ndarray) -> int:
    """Returns the number of columns up to the last that is not padding in every row."""
    columns = np.nonzero(ids != PAD_ID)[1]
    return int(columns.max()) + 1 if columns.size else 0
