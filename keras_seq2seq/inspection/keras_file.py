"""Inspects a .keras file: reads its configuration, but builds no model and runs no code."""

import collections
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_seq2seq.inspection.findings import Problem, Requirement, Signature, TensorSpec, counted
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.inspection.keras_weights import read_member, stored_weights

CONFIG_FILE, METADATA_FILE = "config.json", "metadata.json"
LIMIT = 64 * 2**20  # bytes of a configuration
OWN = "keras_seq2seq"
SEQ2SEQ = f"{OWN}>Seq2Seq"
LAMBDA = ("Lambda", "__lambda__")


def inspect_keras(path: Path) -> Inspection:
    """Inspects a .keras file.

    Args:
        path: The file.
    Raises:
        ImportError: If h5py is not installed; keras brings it.
        ValueError: If the file is not from Keras 3, is cut short or damaged, or states false sizes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = _json(archive, CONFIG_FILE)
            metadata = _json(archive, METADATA_FILE)
            tensors = stored_weights(archive)
            assets = [name for name in archive.namelist() if name.startswith("assets/")]
    except (ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        # zipfile raises NotImplementedError for a compression or a version that it does not know.
        raise ValueError(
            f"A .keras file must be a complete archive of Keras 3. Received: {path}: {error}."
        ) from None
    classes = list(_classes(config))
    version = str(metadata.get("keras_version") or "")
    return Inspection(
        path=str(path),
        format="keras",
        bytes=path.stat().st_size,
        facts={
            "keras_version": version,
            "date_saved": metadata.get("date_saved"),
            "class": config.get("registered_name") or config.get("class_name"),
            "config": _described(config),
            "assets": sorted(assets),
        },
        signatures=_signatures(config),
        operators=counted(collections.Counter((*key, None) for key in classes)),
        tensors=tensors,
        requirements=(_requirement(version),),
        problems=tuple(_problems(classes)),
    )


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    try:
        values = json.loads(read_member(archive, name, LIMIT))
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"{name} is not a JSON object")
    return values


def _classes(config: Any) -> Iterator[tuple[str, str]]:
    """Yields the package and name of each class in a configuration, outermost first."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            name = value.get("class_name")
            if isinstance(name, str):
                yield _package(value), name
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _package(value: dict[str, Any]) -> str:
    registered, module = value.get("registered_name"), value.get("module")
    if isinstance(registered, str) and ">" in registered:
        return registered.split(">")[0]
    return module.split(".")[0] if isinstance(module, str) and module else "builtins"


def _described(config: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the Seq2SeqConfig of a file; None for another model or custom parts."""
    if config.get("registered_name") != SEQ2SEQ:
        return None
    described = config.get("config")
    inner = described.get("config") if isinstance(described, dict) else None
    return inner if isinstance(inner, dict) else None


def _signatures(config: dict[str, Any]) -> tuple[Signature, ...]:
    if config.get("registered_name") == SEQ2SEQ:
        size = (_described(config) or {}).get("target_vocabulary_size")
        ids = (TensorSpec(name, "int32", (None, None)) for name in ("source_ids", "target_ids"))
        vocabulary = size if isinstance(size, int) else None
        logits = TensorSpec("logits", "float32", (None, None, vocabulary))
        return (Signature("fit", tuple(ids), (logits,)),)
    described = config.get("config")
    layers = described.get("layers") if isinstance(described, dict) else None
    found = [_input(layer) for layer in layers or () if isinstance(layer, dict)]
    inputs = tuple(spec for spec in found if spec is not None)
    return (Signature("call", inputs, ()),) if inputs else ()


def _input(layer: dict[str, Any]) -> TensorSpec | None:
    config = layer.get("config")
    if layer.get("class_name") != "InputLayer" or not isinstance(config, dict):
        return None
    given = config.get("batch_shape")
    shape = None
    if isinstance(given, list):
        shape = tuple(size if isinstance(size, int) else None for size in given)
    return TensorSpec(str(config.get("name")), str(config.get("dtype")), shape)


def _requirement(version: str) -> Requirement:
    reason = (
        "Keras promises that later releases of the same major version load the file; it promises "
        "nothing about earlier ones."
    )
    return Requirement("Keras", version or None, reason)


def _problems(classes: list[tuple[str, str]]) -> Iterator[Problem]:
    if found := sorted({name for _, name in classes if name in LAMBDA}):
        yield Problem(
            found[0],
            f"{found[0]} holds Python code, which Keras does not load in safe mode.",
            "Replace it with a registered layer or keras.ops; do not load code you do not trust.",
        )
    packages = {package for package, _ in classes} - {"keras", "builtins", OWN}
    for package in sorted(packages):
        names = sorted({name for owner, name in classes if owner == package})
        yield Problem(
            names[0],
            f"{', '.join(names)} of {package!r} is not part of Keras or {OWN}.",
            "Import the module that registers it before loading the file.",
        )
