"""What TensorFlow Serving's clients ask: the same answers as the SavedModel gives."""

import base64
import json
import subprocess
import sys

import pytest
from conftest import ROOT

pytest.importorskip("fastapi", reason="needs the extra serve")
from http_server import served

from keras_seq2seq import Bundle, TranslationQueue, load
from keras_seq2seq.serving.service import ServedModel, TranslationService

MODELS = "/v1/models/translator"
PREDICT = f"{MODELS}:predict"
TEXTS = ["the dog", "a cat sees the old bird here", "", "zebra ☂ 日本"]
N_BEST = {"beam_size": 3, "num_hypotheses": 3, "alpha": 0.6}


@pytest.fixture(scope="module")
def bundle(bundle_of_all_formats):
    return Bundle.open(bundle_of_all_formats)


@pytest.fixture(scope="module")
def client(bundle):
    with (
        TranslationQueue(load(bundle.folder, "onnx"), max_batch_size=3) as queue,
        served(TranslationService(queue, ServedModel(version=2))) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def saved_model(bundle):
    """What the SavedModel answers through TensorFlow's C API, as the server has it."""
    requests = [
        {"signature": "serving_default", "inputs": {"text": TEXTS}},
        {"signature": "translate", "inputs": {"text": TEXTS, **N_BEST}},
    ]
    done = subprocess.run(
        [sys.executable, "tests/saved_model_c_api.py", bundle.folder / "saved_model" / "1"],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [one["outputs"] for one in json.loads(done.stdout)]


def same(found, wanted):
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        if isinstance(values[0], list):
            for row, expected in zip(found[name], values, strict=True):
                same({name: row}, {name: expected})
        elif isinstance(values[0], float):
            assert found[name] == pytest.approx(values, abs=1e-4)
        else:
            assert found[name] == values


def test_columns_are_the_outputs_of_the_saved_model(client, saved_model):
    status, found = client.post(PREDICT, {"inputs": {"text": TEXTS}})
    assert status == 200 and list(found) == ["outputs"]
    same(found["outputs"], saved_model[0])
    assert client.post(PREDICT, {"inputs": TEXTS, "signature_name": ""}) == (200, found)
    n_best = {"signature_name": "translate", "inputs": {"text": TEXTS, **N_BEST}}
    same(client.post(f"{MODELS}/versions/2:predict", n_best)[1]["outputs"], saved_model[1])


def test_rows_are_the_same_one_by_one(client):
    columns = client.post(PREDICT, {"inputs": TEXTS})[1]["outputs"]
    rows = client.post(PREDICT, {"instances": TEXTS})[1]["predictions"]
    assert (
        rows == client.post(PREDICT, {"instances": [{"text": t} for t in TEXTS]})[1]["predictions"]
    )
    assert {name: [row[name] for row in rows] for name in columns} == columns


def test_texts_may_be_bytes(client):
    given = [{"b64": base64.b64encode(text.encode()).decode()} for text in TEXTS]
    assert client.post(PREDICT, {"inputs": given}) == client.post(PREDICT, {"inputs": TEXTS})
    assert client.post(PREDICT, {"instances": given}) == client.post(PREDICT, {"instances": TEXTS})
    (one,) = client.post(PREDICT, {"inputs": [{"b64": "dGhlIP/D"}]})[1]["outputs"]["translation"]
    assert client.post(PREDICT, {"inputs": ["the ��"]})[1]["outputs"]["translation"] == [one]


def test_fewer_hypotheses_than_asked_for_are_filled_up(client):
    inputs = {"text": ["", "the dog"], "beam_size": 4, "num_hypotheses": 4, "alpha": 0}
    found = client.post(PREDICT, {"signature_name": "translate", "inputs": inputs})[1]["outputs"]
    assert found["translations"][0] == [""] * 4 and len(found["translations"][1]) == 4
    assert found["scores"][0][1:] == found["rankings"][0][1:] == [-1e9] * 3
    assert found["finished"][0] == [True, False, False, False]


def test_no_rows_give_empty_outputs(client):
    found = client.post(PREDICT, {"inputs": {"text": []}})[1]["outputs"]
    assert found == {"translation": [], "score": [], "confidence": [], "finished": []}


def test_status(client):
    status = {"error_code": "OK", "error_message": ""}
    entry = {"version": "2", "state": "AVAILABLE", "status": status}
    for path in (MODELS, f"{MODELS}/versions/2", "/v1/Models/translator"):
        assert client.get(path) == (200, {"model_version_status": [entry]})


def test_metadata_lists_the_tensors_of_the_saved_model(client, bundle):
    found = client.get(f"{MODELS}/metadata")[1]
    assert found["model_spec"] == {"name": "translator", "signature_name": "", "version": "2"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "translate"}
    dtypes = {"DT_STRING": "string", "DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool"}
    for name, one in signatures.items():
        wanted = bundle.manifest["artefacts"]["saved_model"]["signatures"][name]
        for side in ("inputs", "outputs"):
            said = {
                tensor: (dtypes[x["dtype"]], [None] * len(x["tensor_shape"]["dim"]))
                for tensor, x in one[side].items()
            }
            assert said == {x["name"]: (x["dtype"], x["shape"]) for x in wanted[side]}
        assert one["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
        ("GET", f"{MODELS}/versions/3", 404, "Could not find version 3 of model translator"),
        ("GET", f"{MODELS}/labels/new", 404, "Unrecognized servable version label: new"),
        ("GET", "/v1/models/none/metadata", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/none", 400, "Malformed request: GET /v1/none"),
        ("GET", PREDICT, 400, f"Malformed request: GET {PREDICT}"),
        ("POST", MODELS, 400, f"Malformed request: POST {MODELS}"),
        ("POST", "/v1/models/none:predict", 404, "Servable not found for request: Latest(none)"),
        (
            *("POST", f"{MODELS}/versions/3:predict", 404),
            "Servable not found for request: Specific(translator, 3)",
        ),
        ("POST", f"{MODELS}/labels/new:predict", 404, "Unrecognized servable version label: new"),
        ("POST", f"{MODELS}:classify", 400, "to be tensorflow/serving/classify. Was: tensorflow"),
    ],
)
def test_paths_that_lead_nowhere(client, method, path, status, message):
    body = {"instances": ["the dog"]} if method == "POST" else None
    found, _, content = client.ask(method, path, body)
    assert found == status and message in content["error"] and set(content) == {"error"}


def translate(**inputs):
    return {"signature_name": "translate", "inputs": {"text": ["a"], **N_BEST, **inputs}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{", "JSON Parse error: "),
        (b"[" * 10000, "JSON Parse error: "),
        (b"9" * 5000, "JSON Parse error: "),
        ([1], "JSON Value: [1] Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": ["a"], "instances": ["a"]}, "only one of 'inputs' or 'instances' keys"),
        ({"inputs": ["a"], "signature_name": 3}, "'signature_name' key must be a string value."),
        ({"inputs": ["a"], "signature_name": "x"}, '"x" not found in signature def'),
        ({"instances": "a"}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": ["a", {"text": "b"}]}, "Expecting value/list but got object at item 1"),
        ({"instances": [{"text": "b"}, "a"]}, "Expecting object but got list at item 1 of input"),
        (
            {"instances": [{"texts": "b"}]},
            "Failed to process element: 0 .* must be equal to: ",
        ),
        ({"instances": [["a"]]}, "Shape of tensor text [?,?] is not compatible with expected"),
        ({"inputs": {"texts": ["a"]}}, "Missing named input: text in 'inputs' object."),
        ({"inputs": "a"}, "Shape of tensor text [] is not compatible with expected shape [?]"),
        ({"inputs": {"text": [["a"]]}}, "is not compatible with expected shape [?]"),
        ({"inputs": [1.5]}, "JSON Value: 1.5 Type: Number is not of expected type: string"),
        ({"inputs": [None, True]}, "JSON Value: None Type: Null is not of expected type: string"),
        ({"inputs": [{"b64": "?"}]}, "Unable to base64 decode"),
        ({"inputs": [{"b": "a"}]}, "not formatted correctly for base64 data"),
        ({"inputs": ["a"], "signature_name": "translate"}, "inputs is a plain value/list, but ex"),
        ({"instances": ["a"], "signature_name": "translate"}, "instances is a plain list, but ex"),
        ({"instances": [{"text": "a", **N_BEST}], "signature_name": "translate"}, "be a scalar"),
        ({"inputs": {"text": ["a"]}, "signature_name": "translate"}, "Missing named input: beam_"),
        (translate(beam_size=2.0), "JSON Value: 2.0 Type: Number is not of expected type: int32"),
        (translate(beam_size=True), "JSON Value: True Type: True is not of expected type: int32"),
        (translate(alpha="x"), "JSON Value: 'x' Type: String is not of expected type: float"),
        (translate(beam_size=0), "`beam_size` must be 1 to 64. Received: 0."),
        (translate(beam_size=9), "`beam_size` must be 1 to 8 on this server. Received: 9."),
        (translate(num_hypotheses=4), "`num_hypotheses` must be 1 to `beam_size`. Received: 4"),
        (translate(alpha=-1), "`alpha` must be"),
    ],
)
def test_bad_requests_are_told_as_the_server_tells_them(client, body, message):
    status, found = client.post(PREDICT, body)
    assert status == 400 and set(found) == {"error"}
    first, _, last = message.partition(" .* ")
    assert first in found["error"] and last in found["error"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["the dog", "a cat"], 0, "translations"),
        (["the dog", "--n-best", "3"], 0, " | "),
        (["the dog", "--version", "2"], 0, "translations"),
        (["the dog", "--version", "3"], 1, "Refused: Servable not found"),
        (["the dog", "--label", "stable"], 1, "Refused: Unrecognized servable version label"),
        (["the dog", "--n-best", "9"], 1, "`beam_size` must be 1 to 8 on this server"),
    ],
)
def test_the_client_of_the_kit_works_unchanged(client, bundle, arguments, status, said):
    command = [sys.executable, "export/tf_serving/client_rest.py", *arguments]
    server = f"http://127.0.0.1:{client.port}"
    done = subprocess.run(
        [*command, "--server", server], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == status
    if said == "translations":
        texts = [text for text in arguments if " " in text]
        wanted = load(bundle.folder, "onnx").n_best(texts)
        cut = ["" if best.hypothesis.finished else " [cut]" for best, *_ in wanted]
        expected = [best.text + end for (best, *_), end in zip(wanted, cut, strict=True)]
        assert done.stdout.splitlines() == expected
    else:
        assert said in done.stdout + done.stderr


def test_the_probe_of_the_kit_finds_it_ready(client):
    for model, status in (("translator", 0), ("none", 1)):
        probe = ["bash", "export/tf_serving/ready.sh", model, "127.0.0.1", str(client.port)]
        assert subprocess.run(probe, cwd=ROOT, capture_output=True).returncode == status
