"""The search that a model of Marian is used with by default."""

import pathlib
from typing import Any

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.pretrained.marian_file import load_yaml
from keras_seq2seq.text.vocabulary import UNK_ID

# What Marian's options are where a file does not give them; its beam is smaller here.
DEFAULTS: dict[str, Any] = {
    **{"beam-size": 4, "normalize": 1.0, "word-penalty": 0.0, "max-length-factor": 3.0},
    "allow-unk": False,
}


def read_search(model: pathlib.Path) -> BeamSearch:
    """Returns the search of the decoder's options beside a model, or else a beam of 4.

    Marian ranks hypotheses by log P / length ** normalize and never chooses unk. Its beam becomes
    narrower by one with each finished hypothesis, this one stops at as many finished ones.

    Args:
        model: The model file. Options are looked for in MODEL.decoder.yml, decoder.yml and
            config*.yml beside it.
    Raises:
        ValueError: If the options cannot be read, or ask for what this search does not have.
    """
    folder = model.parent
    candidates = [model.with_name(f"{model.name}.decoder.yml"), folder / "decoder.yml"]
    found = [path for path in (*candidates, *sorted(folder.glob("config*.yml"))) if path.is_file()]
    values = dict(DEFAULTS)
    if found:
        values |= _options(found[0])
    path = found[0] if found else model
    if values["word-penalty"]:
        raise ValueError(
            f"{path}: `word-penalty` must be 0: no search here has one. "
            f"Received: {values['word-penalty']!r}."
        )
    try:
        return BeamSearch(
            int(values["beam-size"]),
            length_penalty="average",
            alpha=float(values["normalize"]),
            max_length_factor=float(values["max-length-factor"]),
            suppress=() if values["allow-unk"] else (UNK_ID,),
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} describes a search that cannot be had: {error}") from None


def _options(path: pathlib.Path) -> dict[str, Any]:
    try:
        values = load_yaml(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as options of Marian: {error}.") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold options of Marian. Received: {values!r}.")
    # The others say where files are, and how many threads and sentences at once there are.
    return {name: values[name] for name in DEFAULTS if name in values}
