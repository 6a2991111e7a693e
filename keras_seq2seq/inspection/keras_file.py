"""Inspects a .keras file: reads its configuration, but builds no model and runs no code."""

import collections
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_seq2seq.file_formats.keras_archive import (
    CONFIG_FILE,
    METADATA_FILE,
    OPTIMIZER,
    StoredWeight,
    check_members,
    opened_archive,
    read_json,
    stored_weights,
)
from keras_seq2seq.inspection.findings import (
    NO_LAYER,
    Problem,
    Requirement,
    Signature,
    StoredTensor,
    TensorSpec,
    counted,
    weights,
)
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.inspection.keras_layers import layer_kinds
from keras_seq2seq.inspection.not_finite import not_finite_problems
from keras_seq2seq.inspection.risky_classes import risks

OWN = "keras_seq2seq"
SEQ2SEQ = f"{OWN}>Seq2Seq"


def inspect_keras(path: Path) -> Inspection:
    """Inspects a .keras file.

    Args:
        path: The file.
    Raises:
        ImportError: If h5py is not installed; keras brings it.
        ValueError: If the file is not from Keras 3, is cut short or damaged, or states false sizes.
    """
    with opened_archive(path) as archive:
        config = read_json(archive, CONFIG_FILE)
        metadata = read_json(archive, METADATA_FILE)
        tensors = tuple(_tensor(weight) for weight in stored_weights(archive, read_numbers=True))
        check_members(archive)
        assets = [name for name in archive.namelist() if name.startswith("assets/")]
    classes = list(_classes(config))
    kinds = layer_kinds(config.get("config"))
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
            **kinds._asdict(),
        },
        signatures=_signatures(config),
        operators=counted(collections.Counter((*key, None) for key in classes)),
        tensors=tensors,
        requirements=(_requirement(version),),
        notes=tuple(kinds.notes()),
        problems=(*not_finite_problems(tensors), *risks(config), *_problems(classes)),
    )


def _tensor(weight: StoredWeight) -> StoredTensor:
    layer = weight.layer or NO_LAYER
    is_state = weight.layer == OPTIMIZER
    count = 0 if is_state else weights(weight.dtype, math.prod(weight.shape))
    name = f"{layer}/{weight.name}"
    return StoredTensor(
        *(name, layer, weight.dtype, weight.shape, count, weight.bytes),
        not_finite=weight.not_finite,
    )


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
    packages = {package for package, _ in classes} - {"keras", "builtins", OWN}
    for package in sorted(packages):
        names = sorted({name for owner, name in classes if owner == package})
        yield Problem(
            names[0],
            f"{', '.join(names)} of {package!r} is not part of Keras or {OWN}.",
            "If you trust its author, import the module that registers it before loading the file.",
        )
