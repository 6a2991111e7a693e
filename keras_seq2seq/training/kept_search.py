"""The search that a run keeps of an imported model, as JSON."""

import json
import pathlib

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.whole_file import whole_file

SEARCH_FILE = "search.json"


def write_search(run: pathlib.Path, search: BeamSearch) -> None:
    """Writes a search into a run folder."""
    with whole_file(run / SEARCH_FILE) as partial:
        partial.write_text(json.dumps(search.to_dict(), indent=2) + "\n", "utf-8")


def read_search(run: pathlib.Path) -> BeamSearch | None:
    """Returns the search that a run folder keeps, or None.

    Raises:
        ValueError: If its file is no search; names it.
    """
    path = run / SEARCH_FILE
    if not path.is_file():
        return None
    try:
        return BeamSearch.from_dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as a beam search: {error}") from None
