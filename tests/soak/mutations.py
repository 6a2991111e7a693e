"""Damages the content of a file, by rules for its kind and a generator of random numbers."""

import io
import json
import pathlib
import random
import re
import zipfile
from typing import Any

HUGE = (0, -1, 2**31, 2**63, 10**30, 1e308, 0.5, -(2**40))
ODD = (None, True, "", "x" * 5000, "../../etc/passwd", "\x1b[2J", [], {}, [[]], {"a": {"b": []}})


def mutated(path: pathlib.Path, draw: random.Random) -> tuple[bytes, bool]:
    """Returns the content of a file after one or more mutations, and if a checksum shows them."""
    content = path.read_bytes()
    kinds = [flipped, flipped, cut, swapped, repeated, filled]
    if zipfile.is_zipfile(path):
        kinds += [zip_edited, zip_edited, zip_edited]
    if path.suffix in (".json", ".toml"):
        kinds += [grown]
    if path.suffix == ".json":
        kinds += [json_edited] * 8
    shown = True
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        kind = draw.choice(kinds)
        try:
            content = kind(content, draw)
            shown &= kind is not zip_edited
        except Exception:
            content = flipped(content, draw)  # an earlier mutation made it unreadable
    return content, shown


def flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 20))):
        if changed:
            changed[_place(content, draw)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _place(content: bytes, draw: random.Random) -> int:
    """Returns a place, as often near an end, where formats keep their tables, as elsewhere."""
    near = min(len(content), 400)
    start = draw.choice((0, len(content) - near, draw.randrange(len(content))))
    return min(len(content) - 1, start + draw.randrange(near))


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def swapped(content: bytes, draw: random.Random) -> bytes:
    a, b, c = sorted(draw.randrange(len(content) + 1) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def repeated(content: bytes, draw: random.Random) -> bytes:
    a, b = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:b] + content[a:]


def filled(content: bytes, draw: random.Random) -> bytes:
    a = draw.randrange(len(content) + 1)
    length = draw.choice((1, 4, 8, 64))
    return content[:a] + draw.choice((b"\0", b"\xff", b"\x7f")) * length + content[a + length :]


def grown(content: bytes, draw: random.Random) -> bytes:
    places = list(re.finditer(rb"\d+", content))
    if not places:
        raise ValueError("no number")
    place = draw.choice(places)
    number = draw.choice((b"0", b"-1", b"99999999999", b"9" * 5000, b"1e400", b"nan"))
    return content[: place.start()] + number + content[place.end() :]


def json_edited(content: bytes, draw: random.Random) -> bytes:
    """Returns JSON with a value that is another, missing, or nested too deeply."""
    values = json.loads(content)
    parents: list[Any] = []
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)) and value:
            parents.append(value)
            waiting.extend(value.values() if isinstance(value, dict) else value)
    parent = draw.choice(parents)
    key = draw.choice(list(parent)) if isinstance(parent, dict) else draw.randrange(len(parent))
    action = draw.randrange(5)
    if action == 0:
        del parent[key]
    elif action == 1:
        parent[key] = draw.choice(HUGE)
    elif action == 2:
        parent[key] = draw.choice(ODD)
    elif action == 3:
        return _nested(values, parent, key)
    elif isinstance(parent, dict):
        parent[draw.choice(("new", key + "x", key.upper()))] = parent.pop(key)
    return json.dumps(values).encode()


def _nested(values: Any, parent: Any, key: Any) -> bytes:
    parent[key] = "NESTED"
    return json.dumps(values).replace('"NESTED"', "[" * 20_000 + "]" * 20_000).encode()


def zip_edited(content: bytes, draw: random.Random) -> bytes:
    """Returns an archive, its checksums true, with one member changed, left out, or renamed."""
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        names = old.namelist()
        chosen, action = draw.choice(names), draw.randrange(6)
        kind = zipfile.ZIP_DEFLATED if draw.random() < 0.3 else zipfile.ZIP_STORED
        with zipfile.ZipFile(output, "w", kind) as new:
            for name in names:
                member = old.read(name)
                if name != chosen:
                    new.writestr(name, member)
                elif action == 1:
                    new.writestr(f"{name}x", member)
                elif action == 2:
                    new.writestr(name, old.read(draw.choice(names)))
                elif action in (3, 4, 5):
                    edit = json_edited if name.endswith(".json") else draw.choice((flipped, cut))
                    new.writestr(name, edit(member, draw) if member else b"x")
    return output.getvalue()
