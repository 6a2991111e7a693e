"""Imports a model that another project trained, whatever its family and layout."""

import os
import pathlib
from collections.abc import Sequence

from keras_seq2seq.models.config import MAX_LENGTH
from keras_seq2seq.pretrained import hub
from keras_seq2seq.pretrained.hf_marian import CONFIG, read_hf_marian
from keras_seq2seq.pretrained.marian import read_marian
from keras_seq2seq.pretrained.options import POSITIONS, read_json
from keras_seq2seq.pretrained.pretrained import Pretrained

# What keeps other families of Transformers from being imported.
MISSING = {
    "m2m_100": "its positions begin at 2 at Marian's rates, and the target begins with a language",
    "mbart": "its positions are learned and begin at 2, and embeddings are normalized",
    "bart": "its positions are learned and begin at 2, and embeddings are normalized",
    "pegasus": "its encoder and decoder end with a normalization, and its ids are shifted by 103",
    "nllb-moe": "its layers are mixtures of experts, and its positions begin at 2",
    "fsmt": "its positions begin at 2 at Marian's rates, and its texts are split by Moses and BPE",
    "t5": "its positions are relative, its norms have no mean, its layers no bias",
    "mt5": "its positions are relative, its norms have no mean, its layers no bias",
    "umt5": "its positions are relative, its norms have no mean, its layers no bias",
}


def import_pretrained(
    path: str | os.PathLike[str],
    *,
    max_length: int = 128,
    positions: str | None = None,
    vocabularies: Sequence[str | os.PathLike[str]] = (),
) -> Pretrained:
    """Imports a translation model that Marian or Transformers' MarianMTModel was trained with.

    The model gives the numbers of the program that it came from. It trains, exports and translates
    like any other. Nothing is guessed: an option that is unknown, or a tensor without a place in
    the model, is refused by its name. Pickles are read without calling anything.

    Args:
        path: A folder of Hugging Face Marian (config.json; model.safetensors or pytorch_model.bin;
            source.spm, target.spm and vocab.json); a model.npz or model.bin of Marian with its
            vocabularies beside it, as of Firefox, or a folder with one; or "hf:OWNER/MODEL" for a
            model of the Hugging Face Hub.
        max_length: int, 1 to 65,536. Longest translation in tokens, eos included.
        positions: Rates of the sinusoidal positions: "marian", 10000^(-i/(d/2-1)), which Marian
            trains with, or "sinusoidal", 10000^(-i/(d/2)), which Transformers computes for the same
            models. None takes those of the program that the files are of.
        vocabularies: For files of Marian, one SentencePiece model or that of the source and that of
            the target; empty looks for them beside the model.
    Returns:
        The model with its tokenizers, the search that its own program uses, and perhaps a
        shortlist.
    Raises:
        FileNotFoundError: If there is no such model, or a file of it is missing.
        ImportError: If PyYAML or huggingface_hub is needed and not installed.
        ValueError: If it is of another family, a file is damaged, or an option is not supported;
            lists every such option.
    Example:
        imported = keras_seq2seq.import_pretrained("opus-mt-en-fr")
        imported.model.translate("They are watching.", strategy=imported.strategy)
    """
    if not 1 <= max_length <= MAX_LENGTH:
        raise ValueError(f"`max_length` must be 1 to {MAX_LENGTH:,}. Received: {max_length}.")
    if positions not in (None, *POSITIONS):
        raise ValueError(
            f"`positions` must be one of {POSITIONS}, or None. Received: {positions!r}."
        )
    name = os.fspath(path)
    found = hub.folder_of(name) if name.startswith(hub.PREFIX) else pathlib.Path(name)
    if not found.exists():
        raise FileNotFoundError(
            f"{found} does not exist; a model of the Hub is named hf:OWNER/MODEL."
        )
    if (found / CONFIG).is_file():
        if vocabularies:
            raise ValueError(
                "`vocabularies` is for files of Marian. "
                f"Received: {found}, whose own source.spm and target.spm are read."
            )
        _check_family(found / CONFIG)
        return read_hf_marian(found, max_length=max_length, positions=positions)
    return read_marian(
        _model_file(found) if found.is_dir() else found,
        max_length=max_length,
        positions=positions,
        vocabularies=[pathlib.Path(one) for one in vocabularies],
    )


def _check_family(path: pathlib.Path) -> None:
    family = read_json(path).get("model_type")
    if family != "marian":
        why = MISSING.get(str(family), "no reader is known for it")
        raise ValueError(
            'A model of Transformers must be of the type "marian". '
            f"Received: {family!r} in {path}: {why}."
        )


def _model_file(folder: pathlib.Path) -> pathlib.Path:
    """Returns the only model of Marian in a folder."""
    found = [
        path
        for path in sorted([*folder.glob("*.npz"), *folder.glob("*.bin")])
        if not path.name.startswith(("lex", "shortlist"))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no model: config.json with its weights, or a model.npz or model.bin "
            "of Marian. Unpack files that end in .gz first."
        )
    raise ValueError(
        "It must be clear which file is the model. Received: "
        f"{', '.join(path.name for path in found)} in {folder}; name the file itself."
    )
