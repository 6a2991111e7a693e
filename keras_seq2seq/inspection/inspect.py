"""inspect: says what a bundle, a model file or a SavedModel holds and needs."""

import os
from pathlib import Path

from keras_seq2seq.inspection.inspection import Inspection

MANIFEST_FILE, GRAPH_FILE = "manifest.json", "saved_model.pb"
ACCEPTED = "a bundle, a SavedModel folder, or a .tflite, .onnx or .keras file"


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Reads what a file or folder holds and what it needs to be loaded; runs nothing of it.

    LiteRT and ONNX files and `.keras` files are read without TensorFlow; a SavedModel, and with
    it a bundle that holds one, needs TensorFlow to parse its messages.

    Args:
        path: A bundle, a SavedModel folder (or the folder of its versions, of which the newest is
            taken), or a .tflite, .onnx or .keras file.
    Returns:
        Signatures, operators, stored tensors, the oldest runtimes and what they would refuse:
        `print` it, or take `to_dict()` for JSON.
    Raises:
        FileNotFoundError: If there is no such path.
        ValueError: If it is none of these, or is cut short or damaged.
        ImportError: If the package that reads it is not installed; the message names it.
    Example:
        >>> inspect("model.tflite")
        Traceback (most recent call last):
        FileNotFoundError: `path` must be there. Received: model.tflite.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must be there. Received: {path}.")
    if path.is_dir():
        return _inspect_folder(path)
    if path.suffix == ".tflite":
        from keras_seq2seq.inspection.litert_file import inspect_litert

        return inspect_litert(path)
    if path.suffix == ".onnx":
        from keras_seq2seq.inspection.onnx_file import inspect_onnx

        return inspect_onnx(path)
    if path.suffix == ".keras":
        from keras_seq2seq.inspection.keras_file import inspect_keras

        return inspect_keras(path)
    raise ValueError(f"`path` must be {ACCEPTED}. Received: {path}.")


def _inspect_folder(folder: Path) -> Inspection:
    if (folder / MANIFEST_FILE).is_file():
        from keras_seq2seq.inspection.bundle_folder import inspect_bundle

        return inspect_bundle(folder, inspect)
    versions = (path for path in folder.iterdir() if path.name.isdecimal())
    for version in (folder, *sorted(versions, key=lambda path: -int(path.name))):
        if (version / GRAPH_FILE).is_file():
            from keras_seq2seq.inspection.saved_model_folder import inspect_saved_model

            return inspect_saved_model(version)
    raise ValueError(
        f"`path` must be {ACCEPTED}. Received: {folder} with neither {MANIFEST_FILE} nor "
        f"{GRAPH_FILE}."
    )
