"""The rows of the formats: what they name is there, and nothing else says what there is."""

import json

import pytest

import keras_seq2seq
from keras_seq2seq import formats, installed
from keras_seq2seq.bundles.bundle import Bundle

ROWS = formats.FORMATS.values()


@pytest.mark.parametrize("row", ROWS, ids=list(formats.FORMATS))
def test_what_a_row_names_is_there(row):
    references = [reference for reference in (row.writer, row.runtime, row.inspector) if reference]
    assert all(callable(formats.resolved(reference)) for reference in references)
    assert not installed.missing_packages([*row.packages, *row.runs_with])


def test_only_the_reference_has_no_writer():
    assert [row.name for row in ROWS if not row.writer] == [formats.REFERENCE]
    assert set(formats.EXPORTED) == set(formats.FORMATS) - {formats.REFERENCE}


def test_places_tell_formats_apart():
    assert len({row.place for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_an_unknown_quantization_is_refused(name):
    formats.check_quantizations(name, ["float32", *formats.FORMATS[name].quantizations])
    with pytest.raises(ValueError, match=r"must be among \('float32'.*Received: \['int3'\]"):
        formats.check_quantizations(name, ["float32", "int3"])


def test_a_format_of_a_later_release_is_refused_by_name(copied_bundle):
    path = copied_bundle / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["artefacts"]["torch"] = {"path": "verify.txt"}
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(ValueError, match="Received: 'torch'; update keras_seq2seq"):
        Bundle.open(copied_bundle)


def lack(monkeypatch, *packages):
    monkeypatch.setattr(installed, "is_installed", lambda package: package not in packages)


def test_load_takes_the_first_runtime_that_is_installed(bundle_of_all_formats, monkeypatch):
    assert keras_seq2seq.load(bundle_of_all_formats).runtime.name == "onnx"
    lack(monkeypatch, "onnxruntime")
    assert keras_seq2seq.load(bundle_of_all_formats).runtime.name == "litert"
    lack(monkeypatch, "onnxruntime", "ai_edge_litert")
    assert Bundle.open(bundle_of_all_formats).preferred_runtime() == "saved_model"
    lack(monkeypatch, "onnxruntime", "ai_edge_litert", "tensorflow", "keras")
    assert Bundle.open(bundle_of_all_formats).preferred_runtime() == "onnx"


def test_a_quantization_that_a_bundle_lacks_is_refused(bundle_of_all_formats):
    with pytest.raises(ValueError, match=r"one of \['dynamic_int8', 'float32'\]. Received: 'int8'"):
        keras_seq2seq.load(bundle_of_all_formats, quantization="int8")


def test_a_missing_package_is_told_with_its_extra(monkeypatch):
    lack(monkeypatch, "tf2onnx")
    with pytest.raises(
        ImportError, match=r"'onnx' needs tf2onnx: run `pip install \"\.\[onnx\]\"`"
    ):
        formats.FORMATS["onnx"].check_installed()
