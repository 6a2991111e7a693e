"""Which format a corpus has, from the number of its files and their names."""

import pathlib
from collections.abc import Sequence

INPUTS = ("parallel", "tsv", "jsonl", "parquet", "dataset")


def corpus_format(paths: Sequence[pathlib.Path], given: str | None, argument: str) -> str:
    """Returns the format of a corpus.

    Args:
        paths: Its files: two for "parallel", else one.
        given: What the user said; None looks at `paths`.
        argument: Name of the argument that holds `paths`, for the error.
    Raises:
        ValueError: If the number of files and their names tell nothing.
    """
    form = given
    if form is None and len(paths) == 2:
        form = "parallel"
    elif form is None:
        form = pathlib.Path(paths[0].name.removesuffix(".gz")).suffix.removeprefix(".")
    wanted = 2 if form == "parallel" else 1
    if form not in INPUTS or len(paths) != wanted:
        raise ValueError(
            f"`{argument}` must be two files, or one that ends in .tsv, .jsonl or .parquet. "
            f"Received: {len(paths)}, {paths[0]} ...; say with --format what it is."
        )
    return form
