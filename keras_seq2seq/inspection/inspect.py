"""The function `inspect`: what a bundle, a model file or a SavedModel holds and needs."""

import os
from pathlib import Path

from keras_seq2seq.bundles.manifest import MANIFEST_FILE
from keras_seq2seq.formats import FORMATS, GRAPH_FILE, resolved
from keras_seq2seq.inspection.bundle_folder import inspect_bundle
from keras_seq2seq.inspection.inspection import Inspection

ACCEPTED = "a bundle, a SavedModel folder, or a .tflite, .onnx or .keras file"


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Reads what a file or folder holds and what it needs to load, without running it.

    LiteRT, ONNX and `.keras` files are read without TensorFlow. A SavedModel, or a bundle with
    one, needs TensorFlow to parse its messages.

    Args:
        path: A bundle, a SavedModel folder (or a folder of its versions; the newest is read), or a
            .tflite, .onnx or .keras file.
    Returns:
        The signatures, operators and stored tensors, the oldest runtimes that load the file, and
        what stock runtimes reject. `print` shows it as text; `to_dict()` gives values for JSON.
    Raises:
        FileNotFoundError: If `path` does not exist.
        ValueError: If `path` is none of these, or the file is cut short or damaged.
        ImportError: If the package that reads it is not installed; the message names it.
    Example:
        >>> inspect("model.tflite")
        Traceback (most recent call last):
        FileNotFoundError: `path` does not exist: model.tflite.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` does not exist: {path}.")
    if path.is_dir():
        return _inspect_folder(path)
    for row in FORMATS.values():
        if path.suffix == row.place:
            return resolved(row.inspector)(path)
    raise ValueError(f"`path` must be {ACCEPTED}. Received: {path}.")


def _inspect_folder(folder: Path) -> Inspection:
    if (folder / MANIFEST_FILE).is_file():
        return inspect_bundle(folder, inspect)
    versions = (path for path in folder.iterdir() if path.name.isdecimal())
    for version in (folder, *sorted(versions, key=lambda path: -int(path.name))):
        for row in FORMATS.values():
            if (version / row.place).is_file():
                return resolved(row.inspector)(version)
    raise ValueError(
        f"`path` must be {ACCEPTED}. Received: {folder} with neither {MANIFEST_FILE} nor "
        f"{GRAPH_FILE}."
    )
