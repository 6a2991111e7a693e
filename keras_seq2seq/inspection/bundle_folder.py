"""Inspects a bundle: its manifest and every artefact that it lists."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.formats import FORMATS
from keras_seq2seq.inspection.findings import Problem
from keras_seq2seq.inspection.inspection import Inspection

FACTS = (
    *("format_version", "versions", "model", "limits", "languages", "beam", "tokenizer"),
    "quality",
)


def inspect_bundle(folder: Path, inspect_part: Callable[[Path], Inspection]) -> Inspection:
    """Inspects a bundle.

    Args:
        folder: The bundle.
        inspect_part: Function that inspects one artefact.
    Raises:
        ImportError: If a package that reads one of the artefacts is not installed.
        ValueError: If the folder is not a complete bundle, or an artefact is damaged.
    """
    bundle = Bundle.open(folder)
    parts = []
    for name in _artefacts(bundle):
        part = inspect_part(folder / name)
        parts.append(dataclasses.replace(part, path=name))
    facts = {key: bundle.manifest.get(key) for key in FACTS}
    parity = bundle.manifest.get("parity")
    facts["verified"] = parity.get("passed") if isinstance(parity, dict) else None
    return Inspection(
        path=str(folder),
        format="bundle",
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        facts=facts,
        parts=tuple(parts),
        problems=tuple(_problems(bundle)),
    )


def _problems(bundle: Bundle) -> Iterator[Problem]:
    if unlisted := bundle.unlisted_files():
        yield Problem(
            None,
            f"A bundle must hold only the files of its manifest. Received: {unlisted}.",
            "Move them elsewhere, or export the bundle again; it does not load with them.",
        )


def _artefacts(bundle: Bundle) -> list[str]:
    """Returns the paths of the artefacts that the manifest lists."""
    places = {row.place for row in FORMATS.values()}
    found = []
    for name in bundle.manifest["files"]:
        path = PurePosixPath(name)
        if path.name in places:
            found.append(str(path.parent))
        elif path.suffix in places:
            found.append(name)
    return sorted(found)
