"""Checks what users pass as texts and as pairs of texts, at every door of the package."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Columns = tuple[str, str]
# Hugging Face datasets of translations keep both texts in one column of this name.
NESTED = "translation"


def checked_pairs(
    pairs: Iterable[Any], columns: Columns | None = None
) -> Iterator[tuple[Any, Any]]:
    """Yields pairs of texts, each str or bytes.

    Args:
        pairs: Each a tuple or list (source_text, target_text), or, with `columns`, a mapping: a row
            of csv.DictReader, of JSON, or of a Hugging Face dataset, where both columns may also
            lie in one named "translation".
        columns: Names of the source and of the target column of mappings.
    Raises:
        TypeError: If something is not a pair of texts; says which and why.
    """
    if isinstance(pairs, str | bytes | Mapping):
        raise TypeError(
            "`pairs` must be an iterable of (source_text, target_text). "
            f"Received: one {type(pairs).__name__}; pass a list of pairs, or zip two columns."
        )
    for number, pair in enumerate(pairs, 1):
        source, target = as_pair(pair, columns, f"pair {number}")
        for text in (source, target):
            if not isinstance(text, str | bytes):
                raise TypeError(
                    "Both sides of a pair must be texts, str or bytes. "
                    f"Received: pair {number} with {text!r:.60} ({type(text).__name__}); "
                    "leave such rows out."
                )
        yield source, target


def as_pair(pair: Any, columns: Columns | None, where: str) -> tuple[Any, Any]:
    """Returns both sides of a row, whatever they hold.

    Args:
        pair: See `checked_pairs`.
        columns: See `checked_pairs`.
        where: Names the row in an error.
    Raises:
        TypeError: If the row is no pair.
    """
    if isinstance(pair, Mapping):
        return _of_mapping(pair, columns, where)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        size = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
        raise TypeError(
            "A pair must be (source_text, target_text), or a mapping with `columns`. "
            f"Received: {where} is a {type(pair).__name__}{size}: {pair!r:.60}."
        )
    return pair[0], pair[1]


def checked_texts(texts: Iterable[Any], name: str) -> list[Any]:
    """Returns texts as a list, each str or bytes.

    Args:
        texts: What a user passed where several texts are expected.
        name: Of the argument, for errors.
    Raises:
        TypeError: If it is one text, or holds something else.
    """
    if isinstance(texts, str | bytes | Mapping):
        raise TypeError(
            f"`{name}` must be a list of texts. Received: one {type(texts).__name__}, "
            f"{texts!r:.60}; put it into a list."
        )
    found = list(texts)
    for number, text in enumerate(found, 1):
        if not isinstance(text, str | bytes):
            raise TypeError(
                f"`{name}` must hold texts, str or bytes. Received: {text!r:.60} "
                f"({type(text).__name__}) as text {number}."
            )
    return found


def _of_mapping(row: Mapping[str, Any], columns: Columns | None, where: str) -> tuple[Any, Any]:
    if isinstance(columns, str) or (columns is not None and len(columns) != 2):
        raise TypeError(f"`columns` must be two names, (source, target). Received: {columns!r}.")
    if columns is None:
        raise TypeError(
            "Rows with names need `columns`, the names of the source and of the target, such as "
            f"columns=('en', 'fr'). Received: {where} with the names {list(row)!r:.100}."
        )
    nested = row.get(NESTED)
    if isinstance(nested, Mapping) and not set(columns) <= set(row):
        row = nested
    if missing := [name for name in columns if name not in row]:
        raise TypeError(
            f"`columns` must name columns of every row. Received: {missing}, missing in {where} "
            f"with the names {list(row)!r:.100}."
        )
    return row[columns[0]], row[columns[1]]
