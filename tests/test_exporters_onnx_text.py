"""The ONNX file from text to text says what the other runtimes say, whatever the text."""

import dataclasses
import importlib.util
import sys

import onnx
import pytest
from conftest import HOSTILE, TEXTS, tiny_config, tiny_model

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.file_formats.onnx_graph import nodes

# Importing it here would load it as it must not be beside TensorFlow.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime_extensions") is None,
    reason="onnxruntime-extensions, the extra onnx-text, is not installed",
)
FILE = "translate_text_greedy.onnx"
STRANGE = [*HOSTILE, "half a pair \ud800", b"not UTF-8 \xff\xfe"]


@pytest.fixture(scope="module")
def model(subword_tokenizers):
    sizes = {
        "source_vocabulary_size": subword_tokenizers.source.vocabulary_size,
        "target_vocabulary_size": subword_tokenizers.target.vocabulary_size,
    }
    return tiny_model(tiny_config(**sizes), tokenizers=subword_tokenizers)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text_onnx") / "bundle"
    parity = keras_seq2seq.export(
        model, folder, formats=["onnx"], sentences=TEXTS, text_onnx=True, verbose=False
    )
    assert parity.passed, str(parity)
    return folder


def runtime(folder):
    return Bundle.open(folder).runtime("onnx")


def test_texts_become_the_words_of_the_other_runtimes_in_any_batch(folder):
    texts = [*TEXTS, *STRANGE]
    expected = keras_seq2seq.load(folder, "keras").translate(texts)
    assert len(set(expected)) > 10 and expected[TEXTS.index("")] == ""
    found = runtime(folder).translate_texts
    assert found(texts) == expected
    assert [found([text])[0] for text in texts] == expected
    assert found([]) == []


def test_scores_and_confidences_are_those_of_the_search(folder):
    given = Bundle.open(folder)
    file = runtime(folder)._files["translate_text_greedy"]
    outputs = file.run({"text": TEXTS})
    for i, (best,) in enumerate(keras_seq2seq.load(folder, "onnx").n_best(TEXTS)):
        assert outputs["score"][i] == pytest.approx(best.score, abs=1e-5)
        assert outputs["confidence"][i] == pytest.approx(best.confidence, abs=1e-5)
        assert outputs["finished"][i] == best.hypothesis.finished
    described = given.manifest["artefacts"]["onnx"]["signatures"]["translate_text_greedy"]
    assert described["inputs"] == [{"name": "text", "dtype": "string", "shape": [None]}]
    assert {value["name"]: value["dtype"] for value in described["outputs"]} == {
        "translation": "string",
        "score": "float32",
        "confidence": "float32",
        "finished": "bool",
    }


def test_no_other_file_needs_the_extension(folder):
    for path in (folder / "onnx").glob("*.onnx"):
        model = onnx.load(path)
        extended = path.name == FILE
        assert [opset.domain for opset in model.opset_import] == (
            ["", "ai.onnx.contrib"] if extended else [""]
        )
        kinds = {node.op_type for node in nodes(model.graph) if node.domain}
        assert kinds == ({"SentencepieceTokenizer", "SentencepieceDecoder"} if extended else set())


def test_verify_compares_the_words(folder):
    ways = [(a.runtime, a.search) for a in keras_seq2seq.verify(folder, verbose=False).agreements]
    assert ways.count(("onnx", "text")) == 1 and len(ways) == 7


def test_a_bundle_without_the_file_says_so(folder):
    bundle = Bundle.open(folder)
    entry = bundle.manifest["artefacts"]["onnx"]
    files = {name: file for name, file in entry["files"]["float32"].items() if file != FILE}
    entry = {**entry, "files": {"float32": files}}
    artefacts = {**bundle.manifest["artefacts"], "onnx": entry}
    without = dataclasses.replace(bundle, manifest={**bundle.manifest, "artefacts": artefacts})
    with pytest.raises(ValueError, match=r"export with text_onnx=True.* Received: files of "):
        without.runtime("onnx").translate_texts(["the dog"])


def test_the_option_needs_the_format(model, tmp_path):
    with pytest.raises(ValueError, match='`text_onnx` needs the format "onnx"'):
        keras_seq2seq.export(model, tmp_path / "b", formats=["litert"], text_onnx=True)


def test_a_missing_package_names_the_extra(model, folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        without = "onnxruntime_extensions"
        patch.setattr("keras_seq2seq.installed.is_installed", lambda name: name != without)
        with pytest.raises(ImportError, match=rf'needs {without}: run .*"\.\[onnx-text\]"'):
            keras_seq2seq.export(model, tmp_path / "b", formats=["onnx"], text_onnx=True)
    assert not (tmp_path / "b").exists()
    monkeypatch.setitem(sys.modules, "onnxruntime_extensions", None)
    with pytest.raises(ImportError, match=r"need onnxruntime-extensions: .*\[onnx-text\]"):
        runtime(folder).translate_texts(["the dog"])
