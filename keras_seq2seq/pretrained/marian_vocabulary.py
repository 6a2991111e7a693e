"""Finds and reads the vocabularies beside a model of Marian."""

import pathlib
from collections.abc import Sequence

from keras_seq2seq.pretrained.marian_file import load_yaml
from keras_seq2seq.pretrained.tokenizers import (
    ZEROS,
    Side,
    read_sentencepiece,
    side_of_model,
    sides_of_table,
)

SPECIAL = {"unk": "<unk>", "eos": "</s>"}


def read_vocabularies(
    model: pathlib.Path, vocabularies: Sequence[pathlib.Path] = ()
) -> tuple[Side, Side]:
    """Returns the vocabulary of each side; with one for both, twice the same object.

    Args:
        model: The model file.
        vocabularies: SentencePiece models: one for both sides, or two. Empty looks beside the
            model: for srcvocab*.spm and trgvocab*.spm, for one vocab*.spm, or for one *vocab.yml
            with source.spm and target.spm.
    Raises:
        FileNotFoundError: If there are none.
        ValueError: If it is not clear which belong to the model, or one is damaged.
    """
    if len(vocabularies) > 2:
        raise ValueError(
            "`vocabularies` must name one SentencePiece model, or that of the source and that of "
            f"the target. Received: {len(vocabularies)}."
        )
    folder = model.parent
    if tables := [] if vocabularies else sorted(folder.glob("*vocab.yml")):
        return _of_table(folder, tables)
    paths = list(vocabularies) or _beside(folder)
    sides = [_side(path) for path in paths]
    return sides[0], sides[-1]


def _side(path: pathlib.Path) -> Side:
    try:
        return side_of_model(read_sentencepiece(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _beside(folder: pathlib.Path) -> list[pathlib.Path]:
    pairs = [sorted(folder.glob(f"{side}vocab*.spm")) for side in ("src", "trg")]
    if all(len(found) == 1 for found in pairs):
        return [pairs[0][0], pairs[1][0]]
    found = sorted(folder.glob("vocab*.spm"))
    if len(found) == 1:
        return found
    listed = ", ".join(path.name for path in [*found, *pairs[0], *pairs[1]])
    if not listed:
        raise FileNotFoundError(
            f"{folder} holds no vocabulary: vocab*.spm, srcvocab*.spm with trgvocab*.spm, or "
            "*vocab.yml with source.spm and target.spm. Unpack those that end in .gz, or name them "
            "with `vocabularies`."
        )
    raise ValueError(
        f"It must be clear which vocabularies belong to the model. Received: {listed} in {folder}; "
        "name one for both sides, or source and target, with `vocabularies`."
    )


def _of_table(folder: pathlib.Path, tables: Sequence[pathlib.Path]) -> tuple[Side, Side]:
    if len(tables) > 1:
        raise ValueError(
            f"{folder} must hold one *vocab.yml: a vocabulary for each side is not supported in "
            f"this form. Received: {', '.join(path.name for path in tables)}."
        )
    models = [read_sentencepiece(folder / f"{side}.spm") for side in ("source", "target")]
    path = tables[0]
    try:
        found = load_yaml(path.read_bytes(), as_texts=True)
        vocabulary = {token: int(number) for token, number in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read as a vocabulary: {error}.") from None
    if sorted(vocabulary.values()) != list(range(len(vocabulary))) or not (
        set(SPECIAL.values()) <= set(vocabulary)
    ):
        raise ValueError(
            f"{path} must have {' and '.join(SPECIAL.values())}, and the ids 0 to "
            f"{len(vocabulary) - 1}, each once. Received: others."
        )
    source, target = sides_of_table(vocabulary, models, SPECIAL, ZEROS)
    return source, target
