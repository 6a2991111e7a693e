"""The public names of the package, and which of them the pages of the reference leave out."""

import re
from collections.abc import Iterable

import keras_seq2seq

# Public outside of the package's own face.
OTHERS = ("bulk.FrameTranslator", "bulk.translate_frames", "phrasebook.generate")


def missing(texts: Iterable[str]) -> list[str]:
    """Returns the public names for which no page has its line `::: keras_seq2seq.NAME`."""
    shown = {n for text in texts for n in re.findall(r"^::: keras_seq2seq\.(\S+)", text, re.M)}
    names = {name for name in keras_seq2seq.__all__ if not name.startswith("__")}
    return sorted({*names, *OTHERS} - shown)
