"""The JSON schema of a manifest, and a checker for the part of JSON Schema that it uses."""

import functools
import hashlib
import json
import math
import pathlib
import re
import reprlib
from collections.abc import Iterator
from typing import Any, NamedTuple

FORMAT_VERSION = 4
# Version 3 has one LiteRT file for each quantization, of any source length.
READABLE_VERSIONS = (3, FORMAT_VERSION)
MANIFEST_FILE = "manifest.json"
SCHEMA_FILE = pathlib.Path(__file__).with_name("manifest.schema.json")
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": (int, float),
    "number": (int, float),
}
# `faults` ignores any other keyword; a test checks that our schema has none.
KEYWORDS = {
    *("type", "const", "enum", "minimum", "pattern", "items", "$ref"),
    *("properties", "required", "additionalProperties", "propertyNames"),
}


class Fault(NamedTuple):
    """An error at one place of a manifest; `str` gives a sentence.

    Args:
        path: Keys and indices from the top.
        rule: The rule that is broken, and what was received.
    """

    path: tuple[str | int, ...]
    rule: str

    def __str__(self) -> str:
        name = ""
        for key in self.path:
            plain = isinstance(key, str) and key.isidentifier()
            name += f".{key}" if plain else f"[{json.dumps(key)}]"
        return f"`{name.removeprefix('.') or 'manifest'}` {self.rule}"


@functools.cache
def schema() -> dict[str, Any]:
    """Returns the JSON schema, draft 2020-12, of a manifest; do not change it."""
    return json.loads(SCHEMA_FILE.read_text("utf-8"))


def faults(manifest: Any) -> list[Fault]:
    """Returns every place where a manifest, as parsed from JSON, breaks the schema."""
    return list(_faults(manifest, schema(), ()))


def new_manifest(folder: pathlib.Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Returns the manifest of a folder whose artefacts are written but not yet judged.

    Args:
        folder: The bundle being written; every file in it is listed with its checksum.
        facts: Entries about the model, limits and artefacts.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "format_version": FORMAT_VERSION,
        **facts,
        "files": {path.relative_to(folder).as_posix(): file_entry(path) for path in files},
        "quantization": [],
        "latencies": [],
        "parity": None,
    }


def write_manifest(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    """Writes `manifest.json` into a bundle."""
    (folder / MANIFEST_FILE).write_text(dumps(manifest) + "\n", "utf-8")


def file_entry(path: pathlib.Path) -> dict[str, Any]:
    """Returns the entry of a file in a manifest."""
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dumps(value: Any) -> str:
    """Returns JSON that every reader takes: numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _faults(value: Any, rules: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[Fault]:
    if "$ref" in rules:
        rules = schema()["$defs"][rules["$ref"].removeprefix("#/$defs/")]
    received = f"Received: {reprlib.repr(value)}."
    given = rules.get("type", list(TYPES))
    kinds = [given] if isinstance(given, str) else given
    if not any(_is(value, kind) for kind in kinds):
        yield Fault(path, f"must be of the type {' or '.join(kinds)}. {received}")
        return
    allowed = [rules["const"]] if "const" in rules else rules.get("enum", [value])
    if not any(type(value) is type(one) and value == one for one in allowed):
        yield Fault(path, f"must be one of {allowed}. {received}")
    if "minimum" in rules and _is(value, "number") and not value >= rules["minimum"]:
        yield Fault(path, f"must be at least {rules['minimum']}. {received}")
    if "pattern" in rules and isinstance(value, str) and not re.search(rules["pattern"], value):
        yield Fault(path, f"{rules['description']} {received}")
    if isinstance(value, list):
        for place, child in enumerate(value):
            yield from _faults(child, rules.get("items", {}), (*path, place))
    if isinstance(value, dict):
        yield from _faults_of_object(value, rules, path)


def _faults_of_object(
    value: dict[str, Any], rules: dict[str, Any], path: tuple[str | int, ...]
) -> Iterator[Fault]:
    known = rules.get("properties", {})
    others = rules.get("additionalProperties", {})
    for key in rules.get("required", ()):
        if key not in value:
            yield Fault((*path, key), "is missing.")
    for key, child in value.items():
        yield from _faults(key, rules.get("propertyNames", {}), (*path, key))
        if key not in known and others is False:
            yield Fault(
                (*path, key),
                "is not a key of this format version; update keras_seq2seq to read it.",
            )
        else:
            yield from _faults(child, known.get(key, others or {}), (*path, key))


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number") and isinstance(value, bool):
        return False
    whole = kind != "integer" or isinstance(value, int) or getattr(value, "is_integer", bool)()
    return isinstance(value, TYPES[kind]) and whole
