"""What translations are told to begin with: one prefix for all texts, or one for each."""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized

from keras_seq2seq.text.tokenizer import Tokenizer

Prefixes = str | Sequence[str | Sequence[int]] | None


def paired(texts: Iterable[str], prefixes: Prefixes) -> Iterator[tuple[str, str | Sequence[int]]]:
    """Returns each text with the prefix of its translation, "" where there is none.

    Raises:
        ValueError: If there is not one prefix for each text.
    """
    if prefixes is None or isinstance(prefixes, str):
        return zip(texts, itertools.repeat(prefixes or ""), strict=False)
    if isinstance(texts, Sized) and len(texts) != len(prefixes):
        raise ValueError(
            "There must be one prefix for each text. "
            f"Received: {len(prefixes)} prefixes, {len(texts)} texts."
        )
    return zip(texts, prefixes, strict=True)


def prefix_ids(
    prefixes: Sequence[str | Sequence[int]], tokenizer: Tokenizer
) -> list[list[int]] | None:
    """Returns the ids of prefixes; None if no translation has any."""
    encode = tokenizer.encode
    ids = [encode(p) if isinstance(p, str) else [int(i) for i in p] for p in prefixes]
    return ids if any(ids) else None
