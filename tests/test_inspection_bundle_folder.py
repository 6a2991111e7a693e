"""A whole bundle inspected, against its manifest and its model; the command line."""

import collections
import json
import shutil

import pytest
from conftest import run_python

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.main import main
from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.file_formats.litert_schema import litert_schema


@pytest.fixture(scope="module")
def bundle(bundle_of_all_formats):
    return bundle_of_all_formats


@pytest.fixture(scope="module")
def found(bundle):
    return keras_seq2seq.inspect(bundle)


def specs(given):
    """Returns name, dtype and shape of tensors, in the order of the names."""
    values = [t if isinstance(t, dict) else vars(t) for t in given]
    return sorted((v["name"], v["dtype"], tuple(v["shape"])) for v in values)


def test_every_artefact_is_a_part(found):
    assert [(part.path, part.format) for part in found.parts] == [
        ("litert/model_dynamic_int8.tflite", "litert"),
        ("litert/model_float32.tflite", "litert"),
        ("litert/steps_dynamic_int8.tflite", "litert"),
        ("litert/steps_float32.tflite", "litert"),
        ("model.keras", "keras"),
        ("onnx/decoder_step.onnx", "onnx"),
        ("onnx/decoder_step_dynamic_int8.onnx", "onnx"),
        ("onnx/encoder.onnx", "onnx"),
        ("onnx/encoder_dynamic_int8.onnx", "onnx"),
        ("onnx/translate_greedy.onnx", "onnx"),
        ("onnx/translate_greedy_dynamic_int8.onnx", "onnx"),
        ("saved_model/1", "saved_model"),
    ]
    assert all(part.problems == () for part in found.parts)


@pytest.mark.parametrize("name", ["litert", "onnx", "saved_model"])
def test_signatures_are_those_of_the_manifest(found, bundle, name):
    wanted = Bundle.open(bundle).manifest["artefacts"][name]["signatures"]
    received = {s.name: s for p in found.parts if p.format == name for s in p.signatures}
    assert set(received) == set(wanted)
    for function, signature in received.items():
        assert specs(signature.inputs) == specs(wanted[function]["inputs"])
        assert specs(signature.outputs) == specs(wanted[function]["outputs"])


def test_parameters_are_those_of_the_model(found, translating_model):
    count = translating_model.count_params()
    by_path = {part.path: part for part in found.parts}
    assert by_path["model.keras"].parameters == by_path["saved_model/1"].parameters == count
    whole = by_path["onnx/translate_greedy.onnx"], by_path["litert/model_float32.tflite"]
    # Converters add a few constants and fold the two biases of a gate into one.
    assert all(0.9 * count < part.parameters < 1.1 * count for part in whole)
    layers = {group.name for group in by_path["onnx/encoder.onnx"].layers}
    assert {"encoder/source_embedding", "encoder/encoder_rnn_0", "encoder/bridge_0"} <= layers


def test_litert_operators_are_those_of_the_object_api(found, bundle):
    part = found.parts[1]
    model = unpacked((bundle / part.path).read_bytes())
    kinds = vars(litert_schema().BuiltinOperator).items()
    names = {number: name for name, number in kinds if isinstance(number, int)}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    wanted = collections.Counter(names[codes[operator.opcodeIndex]] for operator in operators)
    assert {operator.name: operator.count for operator in part.operators} == wanted
    assert {operator.domain for operator in part.operators} == {"builtin"}


def test_saved_model_names_the_operators_of_the_tokenizers(found):
    part = found.parts[-1]
    text = {o.name: o.count for o in part.operators if o.domain == "tensorflow_text"}
    assert {"SentencepieceOp", "SentencepieceTokenizeOp", "SentencepieceDetokenizeOp"} == set(text)
    assert "stock TensorFlow Serving" in part.notes[0]
    # The tokenizers lie in the graph, as bytes of these operators.
    kept = [t.bytes for t in part.tensors if t.layer == "SentencepieceOp"]
    assert len(kept) == text["SentencepieceOp"] and min(kept) > 1000


def test_oldest_runtimes(found):
    oldest = {part.path: part.requirements[0].oldest for part in found.parts}
    assert oldest["onnx/encoder.onnx"] == "1.12"
    assert oldest["litert/steps_float32.tflite"] == "2.7.0"  # it has two signatures


def test_facts_are_of_the_manifest(found, bundle):
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    assert found.facts["versions"] == manifest["versions"]
    assert found.facts["verified"] is True
    assert found.bytes == sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())


def test_command_prints_tables_or_json(bundle, found, capsys):
    assert main(["inspect", str(bundle), "--summary"]) == 0
    summary = capsys.readouterr().out
    assert summary.count("onnx/encoder.onnx") == 1 and "onnxruntime 1.12 and later" in summary
    assert main(["inspect", str(bundle)]) == 0
    assert capsys.readouterr().out.strip() == str(found).strip()
    assert main(["inspect", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.to_dict()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.onnx", "PATH does not exist: "),
        ("empty", "with neither manifest.json nor saved_model.pb"),
        ("notes.txt", "PATH must be a bundle, a SavedModel folder, or a .tflite"),
        ("text.onnx", "An ONNX file must"),
        ("text.tflite", "A LiteRT file must have"),
        ("text.keras", "A .keras file must be a complete archive"),
    ],
)
def test_bad_input_is_told_and_gives_status_1(tmp_path, capsys, name, message):
    (tmp_path / "empty").mkdir()
    for file in ("notes.txt", "text.onnx", "text.tflite", "text.keras"):
        (tmp_path / file).write_text("some words\n", "utf-8")
    assert main(["inspect", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert message in error and name in error and "Traceback" not in error


def test_a_bundle_with_a_cut_file_is_refused(bundle, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(bundle, folder)
    path = folder / "onnx" / "encoder.onnx"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"not a whole bundle:\n- onnx/encoder\.onnx must have"):
        keras_seq2seq.inspect(folder)


CHECK = """
import sys
import keras_seq2seq
for name in ("encoder", "translate_greedy"):
    keras_seq2seq.inspect(f"{sys.argv[1]}/onnx/{name}.onnx").to_dict()
loaded = {name.split(".")[0] for name in sys.modules} & {"keras", "tensorflow", "jax"}
assert not loaded, loaded
"""


def test_tensorflow_is_not_needed_for_onnx(bundle):
    run_python(CHECK, bundle)
