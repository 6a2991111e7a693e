"""The page of the keys of a recipe, made from the dataclasses that check them."""

import dataclasses
import json

from docstrings import arguments, cell

from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.training.recipe import VOCABULARY_KEYS
from keras_seq2seq.training.recipe_sections import SECTIONS

HEAD = """# Keys of a recipe

This page is made from [`recipe_sections.py`](../../keras_seq2seq/training/recipe_sections.py) and
[`config.py`](../../keras_seq2seq/models/config.py), which check the keys. Every key has a default,
so a recipe holds only what differs. An unknown key, a wrong type and a value out of its range are
errors, all told at once. `--set SECTION.KEY=VALUE` overrides a key for one run.
`keras-seq2seq init` writes a recipe with comments to start from: see
[training by recipe](../training.md).
"""
MODEL = """## [model]

The keys are the arguments of `Seq2SeqConfig`, without the sizes of the vocabularies, which come
from the tokenizers, and with `preset`: the name of an [architecture](../architectures.md), which
the other keys override.
"""


def page() -> str:
    """Returns the page."""
    parts = [HEAD]
    for name, kind in SECTIONS.items():
        if name == "training":
            parts.append(MODEL + _table(Seq2SeqConfig, leave_out=VOCABULARY_KEYS))
        parts.append(f"## [{name}]\n\n{(kind.__doc__ or '').splitlines()[0]}\n\n" + _table(kind))
    return "\n".join(parts)


def _table(kind: type, leave_out: tuple[str, ...] = ()) -> str:
    texts = arguments(kind)
    rows = ["| key | default | what it is |", "|---|---|---|"]
    for field in dataclasses.fields(kind):
        if field.name in leave_out:
            continue
        default = json.dumps(field.default)
        rows.append(f"| `{field.name}` | `{default}` | {cell(texts[field.name])} |")
    return "\n".join(rows) + "\n"
