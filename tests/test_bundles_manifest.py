"""The schema of a manifest: what real ones hold, and that every other one is refused by name."""

import copy
import itertools
import json
import re
from operator import setitem

import keras
import pytest

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.bundles.manifest import KEYWORDS, dumps, faults, schema, sha256

NOTES = {"$schema", "title", "description", "$defs"}


@pytest.fixture(scope="module")
def manifest(onnx_bundle):
    return json.loads((onnx_bundle / "manifest.json").read_text("utf-8"))


def write(folder, manifest):
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def places(value, path=()):
    """Yields the path of every value within a value."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def changed(manifest, path, change):
    """Returns a copy in which `change` was called with the parent of a place and its key."""
    result = copy.deepcopy(manifest)
    parent = result
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return result


def rules(value):
    """Yields every schema within a schema."""
    yield value
    for name in ("properties", "$defs"):
        for child in value.get(name, {}).values():
            yield from rules(child)
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(value.get(name), dict):
            yield from rules(value[name])


def test_the_schema_keeps_to_what_is_checked():
    for rule in rules(schema()):
        assert set(rule) <= KEYWORDS | NOTES
        if "$ref" in rule:
            assert set(rule) == {"$ref"} and rule["$ref"].split("/")[-1] in schema()["$defs"]
        if "pattern" in rule:
            assert rule["description"].startswith("must ")


def test_real_manifests_keep_the_schema(manifest):
    assert faults(manifest) == []


def shortened(manifest):
    """Returns a manifest with one of each kind of entry."""
    short = copy.deepcopy(manifest)
    onnx = short["artefacts"]["onnx"]
    for name, keep in (("signatures", "encode"), ("files", "float32")):
        onnx[name] = {keep: onnx[name][keep]}
    short["files"] = {"verify.txt": short["files"]["verify.txt"]}
    short["parity"]["agreements"] = [a for a in short["parity"]["agreements"] if a["differences"]][
        :1
    ]
    for name in ("model", "versions", "quality"):
        short[name] = {"keras": "3"}
    return short


def harmed(manifest):
    """Yields manifests with one value removed, and replaced by some of these in turn."""
    wrong = itertools.cycle((None, "a/../b", -1, 0.5, True, [None], {"new": 1}))
    for path in places(manifest):
        if not isinstance(path[-1], int) or path[-1] == 0:
            yield changed(manifest, path, lambda parent, key: parent.pop(key))
            for to in itertools.islice(wrong, 3):
                yield changed(manifest, path, lambda parent, key, to=to: setitem(parent, key, to))


def test_the_package_jsonschema_finds_the_same_faults(manifest):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    assert validator.is_valid(manifest)
    outcomes = []
    for other in harmed(shortened(manifest)):
        ours = faults(other)
        assert bool(ours) != validator.is_valid(other), ours
        outcomes.append(bool(ours))
    assert outcomes.count(True) > 200 and outcomes.count(False) > 20


def test_all_faults_are_told_with_their_places(manifest, copied_bundle):
    wrong = copy.deepcopy(manifest)
    del wrong["limits"]["max_length"]
    wrong["artefacts"]["onnx"]["opset_version"] = "17"
    wrong["artefacts"]["onnx"]["signatures"]["encode"]["inputs"][0]["shape"] = [None, -2]
    wrong["files"]["verify.txt"]["sha256"] = "0"
    wrong["sharding"] = {}
    wrong["special_ids"]["eos"] = 4
    write(copied_bundle, wrong)
    with pytest.raises(ValueError, match="manifest of format version 3") as caught:
        Bundle.open(copied_bundle)
    for line in (
        "`limits.max_length` is missing.",
        "`artefacts.onnx.opset_version` must be of the type integer. Received: '17'.",
        "`artefacts.onnx.signatures.encode.inputs[0].shape[1]` must be at least 0. Received: -2.",
        '`files["verify.txt"].sha256` must be 64 hexadecimal digits in lower case.',
        "`sharding` is not a key of this format version",
        "`special_ids.eos` must be one of [3]. Received: 4.",
    ):
        assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 7


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "", "C:/x", "a\\b", "a\0", "a\n"]
)
@pytest.mark.parametrize("place", ["tokenizer.source", "artefacts.keras.path", "files"])
def test_paths_that_leave_the_folder(manifest, copied_bundle, place, name):
    wrong = copy.deepcopy(manifest)
    *parents, last = place.split(".")
    parent = wrong
    for key in parents:
        parent = parent[key]
    parent[last] = name if parents else {**parent[last], name: {"bytes": 1, "sha256": "0" * 64}}
    write(copied_bundle, wrong)
    with pytest.raises(ValueError, match=f"`{re.escape(place)}.* must lie in the folder"):
        Bundle.open(copied_bundle)


def test_a_link_that_leaves_the_folder(copied_bundle, tmp_path):
    outside = tmp_path / "verify.txt"
    (copied_bundle / "verify.txt").rename(outside)
    (copied_bundle / "verify.txt").symlink_to(outside)
    with pytest.raises(ValueError, match="Received: 'verify.txt', a symbolic link out of it"):
        Bundle.open(copied_bundle)
    (copied_bundle / "verify.txt").unlink()
    outside.rename(copied_bundle / "same.txt")
    (copied_bundle / "verify.txt").symlink_to("same.txt")
    assert Bundle.open(copied_bundle).altered_files() == []


def test_what_is_named_must_be_listed(manifest, copied_bundle):
    wrong = copy.deepcopy(manifest)
    del wrong["files"]["onnx/encoder.onnx"], wrong["files"]["source_tokenizer.model"]
    write(copied_bundle, wrong)
    with pytest.raises(ValueError, match="is not a whole bundle") as caught:
        Bundle.open(copied_bundle)
    assert (
        "`artefacts.onnx.files.float32.encode` must name one of `files`. "
        "Received: 'onnx/encoder.onnx'." in str(caught.value)
    )
    assert "`tokenizer.source` must name one of `files`" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[1]", "null"])
def test_what_is_no_manifest(copied_bundle, content):
    (copied_bundle / "manifest.json").write_text(content, "utf-8")
    with pytest.raises(ValueError, match="cannot be read as a manifest of format version 3"):
        Bundle.open(copied_bundle)


def test_a_newer_format_is_named_and_nothing_else(manifest, copied_bundle):
    write(copied_bundle, {**manifest, "format_version": 5, "limits": None, "shards": []})
    with pytest.raises(
        ValueError, match="format version 3 and 4. Received: 5 in .*; update"
    ) as caught:
        Bundle.open(copied_bundle)
    assert "\n" not in str(caught.value)


def test_altered_files_are_refused_where_they_are_read(copied_bundle):
    path = copied_bundle / "onnx" / "encoder.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="manifest: altered \\['onnx/encoder.onnx'\\]"):
        keras_seq2seq.load(copied_bundle)
    keras_seq2seq.load(copied_bundle, quantization="dynamic_int8")
    keras_seq2seq.load(copied_bundle, check=False)


def test_a_keras_file_with_code_is_refused(manifest, copied_bundle, tmp_path):
    marker = tmp_path / "ran"

    name = str(marker)
    inputs = keras.Input((2,))
    attack = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1])
    evil = keras.Model(inputs, attack(inputs))
    path = copied_bundle / "model.keras"
    evil.save(path)
    marker.unlink(missing_ok=True)
    files = manifest["files"] | {
        "model.keras": {"bytes": path.stat().st_size, "sha256": sha256(path)}
    }
    write(copied_bundle, {**manifest, "files": files})
    with pytest.raises(ValueError, match="[Ll]ambda"):
        keras_seq2seq.load(copied_bundle, "keras")
    assert not marker.exists()
    keras.saving.load_model(path, safe_mode=False)(keras.ops.zeros((1, 2)))
    assert marker.exists()  # the attack is a real one


def test_json_has_no_number_that_is_none():
    text = dumps({"a": float("nan"), "b": [float("inf"), 1.5], "c": ({"d": -0.0},)})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": [{"d": 0.0}]}
