"""A bundle: written whole, opened only when whole, the same words from every file of it."""

import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from opened_bundles import opened

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.bundles.manifest import sha256
from keras_seq2seq.exporters import export as exporter
from keras_seq2seq.verification.parity import Agreement, Difference, Parity

PAIRS = [(f"{a} {b}", f"{b} {a}") for a in ("red", "blue", "old") for b in ("cat", "dog", "fox")]
TEXTS = ["red cat", "old fox", "", "blue blue dog", "zebra ☂"]
# An export of little.
QUICK = {"formats": ["onnx"], "quantization": "float32", "sentences": TEXTS, "verbose": False}


def build_model() -> keras_seq2seq.Seq2Seq:
    tokenizers = keras_seq2seq.TokenizerPair.train(
        PAIRS, joint=True, source_level="character", target_level="character"
    )
    size = tokenizers.source.vocabulary_size
    keras.utils.set_random_seed(1)
    config = keras_seq2seq.Seq2SeqConfig(size, size, embedding_dim=6, units=8, max_length=12)
    model = keras_seq2seq.Seq2Seq(config, tokenizers=tokenizers)
    for weight in model.trainable_weights:
        weight.assign(weight * 4.0)
    return model


@pytest.fixture(scope="module")
def model() -> keras_seq2seq.Seq2Seq:
    return build_model()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    parity = keras_seq2seq.export(model, folder, sentences=TEXTS, verbose=False)
    assert parity.passed, str(parity)
    return folder


@pytest.fixture
def copied(folder, tmp_path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(folder, tmp_path / "copy"))


def change_manifest(folder: pathlib.Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "litert", "onnx"])
@pytest.mark.parametrize("search", ["in_file", "host"])
def test_every_runtime_says_what_the_model_says(model, folder, runtime, search):
    assert opened(folder, runtime, search).translate(TEXTS) == model.translate(TEXTS)


def test_model_translations_are_not_degenerate(model):
    found = model.translate(TEXTS)
    assert found[2] == ""
    assert len({text for text in found if text}) > 1


def test_int8_file_runs(folder):
    found = keras_seq2seq.load(folder, "litert", quantization="dynamic_int8").translate(TEXTS)
    assert found[2] == "" and all(found[:2])


def test_manifest_lists_every_file_with_its_checksum(folder):
    manifest = Bundle.open(folder).manifest
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json"}
    assert all(e["sha256"] == sha256(folder / n) for n, e in manifest["files"].items())


def test_manifest_tells_tensors_of_every_format(folder):
    artefacts = Bundle.open(folder).manifest["artefacts"]
    fixed = {f"translate_greedy_{n}" for n in artefacts["litert"]["source_lengths"]}
    steps = {"encode", "decode_step"}
    for name, functions in (("onnx", steps | {"translate_greedy"}), ("litert", steps | fixed)):
        signatures = artefacts[name]["signatures"]
        assert set(signatures) == functions
        for signature in signatures.values():
            assert all({"name", "dtype", "shape"} == set(t) for t in signature["inputs"])
    assert artefacts["saved_model"]["signatures"]["serving_default"]["inputs"][0]["name"] == "text"


def test_sizes_add_up(folder):
    bundle = Bundle.open(folder)
    assert bundle.size("keras") == (folder / "model.keras").stat().st_size
    for quantization in ("float32", "dynamic_int8"):
        files = (folder / "litert").glob(f"*_{quantization}.tflite")
        assert bundle.size("litert", quantization) == sum(f.stat().st_size for f in files)
    onnx = sum(path.stat().st_size for path in (folder / "onnx").iterdir())
    assert bundle.size("onnx") + bundle.size("onnx", "dynamic_int8") == onnx
    assert bundle.size("onnx", "dynamic_int8") < bundle.size("onnx")


def test_onnx_and_litert_translate_without_tensorflow_and_keras(folder, model):
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tensorflow_text'): sys.modules[name] = None\n"
        "import keras_seq2seq\n"
        "for runtime in ('onnx', 'litert'):\n"
        f"    print(keras_seq2seq.load({str(folder)!r}, runtime).translate('red cat'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().split("\n")[:2] == [model.translate("red cat")] * 2


def test_nothing_of_a_bundle_is_unpickled(folder):
    program = (
        "import pickle, sys\n"
        "found = []\n"
        "hook = lambda event, given: event == 'pickle.find_class' and found.append(given)\n"
        "sys.addaudithook(hook)\n"
        "import keras_seq2seq\n"
        "for runtime in ('onnx', 'litert'):\n"
        f"    keras_seq2seq.load({str(folder)!r}, runtime).translate('red cat')\n"
        "print(found)\n"
        "pickle.loads(pickle.dumps(print))\n"
        "print(len(found))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().split() == ["[]", "1"]


def test_verify_passes_and_reports_every_way(folder):
    parity = keras_seq2seq.verify(folder, verbose=False)
    ways = {(a.runtime, a.quantization, a.search) for a in parity.agreements}
    assert len(ways) == 15 and ("saved_model", "float32", "text") in ways
    assert "passed" in str(parity)


def test_verify_finds_other_weights(copied):
    """The Keras file of another model: every artefact must be reported."""
    other = build_model()
    for weight in other.trainable_weights:
        weight.assign(-weight)
    other.save(copied / "model.keras", include_optimizer=False)
    manifest = json.loads((copied / "manifest.json").read_text("utf-8"))
    path = copied / "model.keras"
    manifest["files"]["model.keras"] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    change_manifest(copied, files=manifest["files"])
    parity = keras_seq2seq.verify(copied, verbose=False)
    assert not parity.passed
    different = {a.runtime for a in parity.agreements if a.differences}
    assert different == {"onnx", "litert", "saved_model"}
    assert "FAILED" in str(parity) and "score gap" in str(parity)


def test_verify_names_altered_file(copied):
    path = copied / "litert" / "model_dynamic_int8.tflite"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert Bundle.open(copied).altered_files() == ["litert/model_dynamic_int8.tflite"]


def test_parity_of_int8_does_not_fail_a_bundle():
    difference = Difference("a", "b", "c", 0.5)
    exact = Agreement("onnx", "float32", "host", 2, (), 1e-6)
    rough = Agreement("litert", "dynamic_int8", "host", 2, (difference,), 0.1)
    assert Parity((exact, rough)).passed
    assert not Parity((exact, rough), ("x",)).passed
    assert Parity((exact, rough)).to_dict()["agreements"][1]["identical"] == 1


def test_missing_manifest_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no manifest\.json"):
        keras_seq2seq.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "reads bundles of format version 3 and 4. Received: 99"),
        ({"files": {"../x": {"bytes": 1, "sha256": ""}}}, "must lie in the folder"),
        ({"files": 3}, "cannot be read as a manifest of format version 3"),
        ({"beam": {"width": 4}}, "`beam` of a manifest must be null or describe a beam search"),
        ({"beam": {"beam_size": 0, "suppress": []}}, "`beam_size` must be 1 to 64. Received: 0"),
    ],
)
def test_bad_manifest_is_refused(copied, changes, message):
    change_manifest(copied, **changes)
    with pytest.raises(ValueError, match=message):
        Bundle.open(copied)


def test_cut_and_missing_files_are_all_named(copied):
    (copied / "verify.txt").unlink()
    (copied / "tokenizer.model").write_bytes(b"short")
    with pytest.raises(ValueError, match="Received: 5 bytes") as caught:
        Bundle.open(copied)
    assert "verify.txt" in str(caught.value)


@pytest.mark.parametrize(("runtime", "quantization"), [("tensorrt", "float32"), ("onnx", "int4")])
def test_unknown_artefact_is_refused(folder, runtime, quantization):
    with pytest.raises(ValueError, match="must be one of"):
        keras_seq2seq.load(folder, runtime, quantization=quantization)


@pytest.mark.long
def test_formats_that_were_not_asked_for_are_absent(model, tmp_path):
    keras_seq2seq.export(model, tmp_path / "b", **QUICK)
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.artefacts == [("onnx", "float32"), ("keras", "float32")]
    assert not (tmp_path / "b" / "litert").exists()


def test_export_refuses_existing_folder_without_force(model, folder, tmp_path):
    with pytest.raises(FileExistsError, match="pass force=True"):
        keras_seq2seq.export(model, folder, formats=["onnx"])
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="name another"):
        keras_seq2seq.export(model, tmp_path, formats=["onnx"], force=True)
    assert (tmp_path / "precious.txt").exists()


def test_export_reports_all_faults_before_writing(tmp_path):
    model = build_model()
    model.tokenizers = None
    with pytest.raises(ValueError, match="formats") as caught:
        keras_seq2seq.export(
            model,
            tmp_path / "b",
            formats=["onnx", "onnx", "xml"],
            quantization=["int3"],
            evaluation=[],
            max_quality_drop=-1,
            quality_metric="taste",
            max_length=0,
            beam=keras_seq2seq.BeamSearch(suppress=(10**6,)),
        )
    faults = "xml", "each only once", "int3", "at least one pair", "'taste'", "max_quality_drop"
    for fault in (*faults, "tokenizers", "max_length", "`suppress`"):
        assert fault in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_export_names_the_extra_of_a_missing_package(model, tmp_path, monkeypatch):
    missing = {"onnx", "onnxruntime"}
    monkeypatch.setattr("keras_seq2seq.installed.is_installed", lambda name: name not in missing)
    message = r"format 'onnx' needs onnx, onnxruntime: run `pip install \"\.\[onnx\]\"`"
    with pytest.raises(ImportError, match=message):
        keras_seq2seq.export(model, tmp_path / "b", formats=["onnx"])
    assert not (tmp_path / "b").exists()


def test_failing_export_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*arguments: object, **keywords: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(exporter, "verify", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        keras_seq2seq.export(model, tmp_path / "b", **QUICK)
    assert not list(tmp_path.iterdir())


def test_force_replaces_a_bundle(model, copied):
    before = Bundle.open(copied).artefacts
    keras_seq2seq.export(model, copied, force=True, **QUICK)
    assert len(Bundle.open(copied).artefacts) < len(before)
    assert [path.name for path in copied.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("search", ["in_file", "host"])
@pytest.mark.parametrize("runtime", ["keras", "onnx", "litert", "saved_model"])
def test_every_search_gives_attention_over_the_source(folder, runtime, search):
    translator = opened(folder, runtime, search)
    for (found,) in translator.n_best(["red cat", "red"]):
        shape = len(found.target_tokens), len(found.source_tokens)
        assert found.attention.shape == shape
        np.testing.assert_allclose(found.attention.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("runtime", ["onnx", "litert", "saved_model"])
def test_every_runtime_streams_scores_samples_and_goes_on_from_a_prefix(folder, model, runtime):
    translator, reference = opened(folder, runtime), opened(folder, "keras")
    for text in filter(None, TEXTS):
        wanted = reference.translate(text)
        assert "".join(translator.stream(text)) == wanted
        (found,), (score,) = (one.score([text], ["cat dog"]) for one in (translator, reference))
        np.testing.assert_allclose(found.token_log_probs, score.token_log_probs, atol=1e-4)
        begun = translator.translate(text, prefixes=[[5, 6]])
        assert begun == reference.translate(text, prefixes=[[5, 6]])
        assert begun.startswith(translator.tokenizers.target.decode([5, 6]))
    strategy = keras_seq2seq.Sampling(seed=4)
    sampled = opened(folder, runtime, strategy=strategy).translate(TEXTS)
    assert sampled == model.translate(TEXTS, strategy=strategy)
