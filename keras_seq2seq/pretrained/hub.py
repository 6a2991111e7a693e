"""Fetches models of the Hugging Face Hub by name."""

import pathlib

from keras_seq2seq.installed import missing_package

PREFIX = "hf:"
# Every file that a reader looks at, and no other: a model may lie there in several forms.
FILES = ("*.json", "*.spm", "*.yml", "*.npz", "lex*.bin", "model*.bin")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def folder_of(name: str) -> pathlib.Path:
    """Returns the folder with a model of the Hub, downloaded unless it is in the cache.

    Args:
        name: "hf:" and the name of the model, such as "hf:Helsinki-NLP/opus-mt-en-fr", perhaps with
            a revision after "@". Where the cache lies, and whether the network may be used, say the
            environment variables of huggingface_hub: HF_HOME, HF_HUB_OFFLINE.
    Raises:
        FileNotFoundError: If it is neither there nor in the cache, or cannot be reached.
        ImportError: If huggingface_hub is not installed.
        ValueError: If the name is none.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        raise missing_package(
            "Names of the Hub need huggingface_hub", "pretrained", error
        ) from error
    model, _, revision = name.removeprefix(PREFIX).partition("@")

    def fetch(*patterns: str) -> pathlib.Path:
        found = snapshot_download(model, revision=revision or None, allow_patterns=list(patterns))
        return pathlib.Path(found)

    try:
        folder = fetch(*FILES, WEIGHTS[0])
        if not (folder / WEIGHTS[0]).exists() and (folder / "config.json").exists():
            folder = fetch(*FILES, *WEIGHTS)
    except HFValidationError as error:
        raise ValueError(
            f"A name of the Hub must read hf:OWNER/MODEL or hf:OWNER/MODEL@REVISION. "
            f"Received: {name!r} ({error})."
        ) from None
    # Its errors of the network, the server and the cache have no common base but this.
    except Exception as error:
        raise FileNotFoundError(
            f"{name} cannot be fetched from the Hugging Face Hub: {error}"
        ) from error
    return folder
