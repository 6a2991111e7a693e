"""The page of the keys of a bundle's manifest, made from its JSON schema."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import keras_seq2seq

SCHEMA = pathlib.Path(keras_seq2seq.__file__).parent / "bundles" / "manifest.schema.json"
HEAD = """# Keys of the manifest

This page is made from
[`manifest.schema.json`](../../keras_seq2seq/bundles/manifest.schema.json) (JSON schema, draft
2020-12), which `keras_seq2seq.load` checks a manifest against.
[The bundle](../bundle.md#manifestjson) tells what each key means. `<name>` stands for any name,
`[]` for each entry of a list.

| key | must be there | what it may be |
|---|---|---|
"""


def page() -> str:
    """Returns the page."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    rows = [f"| `{key}` | {must} | {kind} |" for key, must, kind in _rows(schema, schema, "")]
    return HEAD + "\n".join(rows) + "\n\n" + _definitions(schema)


def _definitions(schema: dict[str, Any]) -> str:
    parts = []
    for name, part in schema.get("$defs", {}).items():
        rows = [f"| `{key}` | {must} | {kind} |" for key, must, kind in _rows(part, schema, "")]
        said = part.get("description", "")
        parts.append(f"## {name}\n\n{said}\n")
        if rows:
            parts += ["| key | must be there | what it may be |", "|---|---|---|", *rows, ""]
        else:
            parts.append(f"{_kind(part)}\n")
    return "\n".join(parts)


def _rows(
    part: dict[str, Any], schema: dict[str, Any], place: str
) -> Iterator[tuple[str, str, str]]:
    required = part.get("required", ())
    for name, value in part.get("properties", {}).items():
        key = f"{place}.{name}" if place else name
        yield key, "yes" if name in required else "", _kind(value)
        yield from _inside(value, schema, key)
    rest = part.get("additionalProperties")
    if isinstance(rest, dict):
        key = f"{place}.<name>" if place else "<name>"
        yield key, "", _kind(rest)
        yield from _inside(rest, schema, key)


def _inside(
    value: dict[str, Any], schema: dict[str, Any], key: str
) -> Iterator[tuple[str, str, str]]:
    if value.get("type") == "array":
        items = value.get("items", {})
        yield from _rows(items, schema, f"{key}[]")
    else:
        yield from _rows(value, schema, key)


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{json.dumps(v)}`" for v in value["enum"])
    for name in ("anyOf", "oneOf"):
        if name in value:
            return " or ".join(_kind(choice) for choice in value[name])
    kinds = value.get("type", "anything")
    said = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if value.get("type") == "array" and "items" in value:
        said += f" of {_kind(value['items'])}"
    limits = {"minimum": "at least", "maximum": "at most", "minLength": "of length at least"}
    said += "".join(f", {text} {value[name]}" for name, text in limits.items() if name in value)
    if "pattern" in value:
        pattern = value["pattern"].replace("|", "\\|")
        said += f", like `{pattern}`"
    return said
