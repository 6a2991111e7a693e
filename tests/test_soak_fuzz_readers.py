"""A small sample of `tests/soak/fuzz_readers.py`, always the same."""

import json
import pathlib
import random
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "soak"))

from fuzz_readers import READERS, make_prepared, outcome, sign
from mutations import mutated


@pytest.fixture(scope="module")
def room(onnx_bundle, translating_model, tmp_path_factory):
    from keras_seq2seq.training.recipe import Recipe
    from keras_seq2seq.training.training_state import TrainingState

    room = tmp_path_factory.mktemp("room")
    shutil.copytree(onnx_bundle, room / "bundle")
    shutil.copy(onnx_bundle / "model.keras", room)
    translating_model.compile()
    TrainingState.of(translating_model, 3, 5, "fingerprint", []).save(room / "state.npz")
    make_prepared(room)
    (room / "recipe.toml").write_text(Recipe().to_toml(), "utf-8")
    return room


@pytest.mark.parametrize(
    ("name", "count"),
    [
        (".keras, inspect", 10),
        ("state.npz", 40),
        ("tokenizer", 20),
        ("recipe", 40),
        ("prepared pairs", 60),
        ("manifest, ONNX", 30),
        ("bundle with its checksums, ONNX", 20),
        ("ONNX, inspect", 20),
    ],
)
def test_a_damaged_file_is_read_as_before_or_named(room, tmp_path, name, count):
    reader = READERS[name]
    files = sorted(path for path in room.glob(reader.targets) if path.is_file())
    wanted = {path: reader.read(room, path) for path in files}
    found = []
    for number in range(count):
        draw = random.Random(f"1 {name} {number}")
        path = draw.choice(files)
        copy = tmp_path / str(number)
        shutil.copytree(room, copy)
        target = copy / path.relative_to(room)
        content, shown = mutated(path, draw)
        target.write_bytes(content)
        kind, told = outcome(reader, copy, target, wanted[path], reader.covered and shown)
        assert kind not in ("uncaught", "wrong"), told
        found.append(kind)
    assert "error" in found


def test_a_file_is_signed_again(room, tmp_path):
    copy = shutil.copytree(room, tmp_path / "copy")
    path = copy / "bundle" / "verify.txt"
    path.write_text("other", "utf-8")
    sign(copy / "bundle", path)
    entry = json.loads((copy / "bundle" / "manifest.json").read_text("utf-8"))["files"][
        "verify.txt"
    ]
    assert entry["bytes"] == 5
