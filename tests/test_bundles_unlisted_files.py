"""Files that a manifest does not list are refused and never run; so are those of other models."""

import json
import shutil

import pytest

import keras_seq2seq
from keras_seq2seq import Tokenizer
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.bundles.manifest import file_entry
from keras_seq2seq.verification.parity import Parity


@pytest.fixture
def folder(release, tmp_path):
    """A bundle of every format to do harm to."""
    return shutil.copytree(release / "bundles" / "gru", tmp_path / "bundle")


def change_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def sign(folder):
    """Writes the sizes and checksums that the files have now into the manifest."""

    def change(manifest):
        manifest["files"] = {name: file_entry(folder / name) for name in manifest["files"]}

    change_manifest(folder, change)


def keep_keras(folder):
    """Leaves the artefact that every bundle has, which is quickly inspected."""

    def change(manifest):
        manifest["artefacts"] = {"keras": manifest["artefacts"]["keras"]}

    change_manifest(folder, change)


def second_saved_model(folder, release, place):
    shutil.copytree(release / "bundles" / "transformer_post" / "saved_model" / "1", folder / place)


@pytest.mark.parametrize("place", ["saved_model/1/2", "saved_model/2"])
def test_a_second_saved_model_is_an_error_of_load(folder, release, place):
    second_saved_model(folder, release, place)
    with pytest.raises(ValueError, match=rf"only the files of its manifest.*'{place}/saved_model"):
        keras_seq2seq.load(folder)


def test_one_file_more_fails_a_bundle_whose_translations_agree(folder):
    assert Parity(()).passed
    (folder / "saved_model" / "1" / "2").mkdir()
    (folder / "saved_model" / "1" / "2" / "saved_model.pb").write_bytes(b"anything")
    found = Bundle.open(folder).unlisted_files()
    assert found == ["saved_model/1/2/saved_model.pb"]
    assert not Parity((), unlisted_files=tuple(found)).passed


def test_a_second_saved_model_is_never_run(folder, release):
    second_saved_model(folder, release, "saved_model/1/2")
    second_saved_model(folder, release, "saved_model/2")
    expected = json.loads((release / "expected.json").read_text("utf-8"))
    one, other = (expected["bundles"][name]["greedy"] for name in ("gru", "transformer_post"))
    translator = keras_seq2seq.load(folder, "saved_model", check=False)
    assert translator.translate(expected["texts"]) == one != other


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_one_file_more_is_refused_by_every_runtime(folder, runtime):
    (folder / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match=r"Received: .*bundle with \['notes\.txt'\]; move them"):
        keras_seq2seq.load(folder, runtime)
    assert keras_seq2seq.load(folder, runtime, check=False).translate("red")


def test_what_desktops_write_is_harmless(folder):
    for name in (".DS_Store", "onnx/._encoder.onnx", "saved_model/Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"anything")
    assert Bundle.open(folder).unlisted_files() == []
    assert keras_seq2seq.load(folder, "onnx").translate("red")


def test_inspect_names_what_is_not_listed(folder):
    keep_keras(folder)
    for name in ("a.keras", "onnx/extra.onnx"):
        (folder / name).write_bytes(b"anything")
    (problem,) = keras_seq2seq.inspect(folder).problems
    assert "['a.keras', 'onnx/extra.onnx']" in problem.message


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_tokenizer_of_another_size_is_refused_though_it_is_signed(folder, side):
    name = f"{side}_tokenizer.model"
    lines = [" ".join("abcdefghijklmnopqrstuvwxyz")] * 3
    Tokenizer.train(lines, level="word").save(folder / name)

    def change(manifest):
        manifest["tokenizer"][side] = name
        manifest["files"][name] = {}

    change_manifest(folder, change)
    sign(folder)
    with pytest.raises(ValueError, match=rf"{name}.*vocabulary sizes of the model.*\(16, 16\)"):
        keras_seq2seq.load(folder, "onnx")


@pytest.mark.parametrize(
    ("runtime", "name", "function"),
    [
        ("onnx", "onnx/decoder_step.onnx", "decode_step"),
        ("onnx", "onnx/encoder.onnx", "encode"),
        ("litert", "litert/model_float32.tflite", "encode|decode_step"),
        ("saved_model", "saved_model/1", "encode|decode_step"),
    ],
)
def test_a_file_of_another_model_is_refused_though_it_is_signed(
    folder, release, runtime, name, function
):
    other = release / "bundles" / "transformer_post" / name
    if other.is_dir():
        shutil.copytree(other, folder / name, dirs_exist_ok=True)
    else:
        shutil.copyfile(other, folder / name)
    sign(folder)
    message = rf"`({function})` of .*{name} must have the tensors of the manifest"
    with pytest.raises(ValueError, match=message):
        keras_seq2seq.load(folder, runtime, search="host").translate("red")
