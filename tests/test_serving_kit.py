"""The kit export/tf_serving and the soak of benchmarks/serving.py, on a bundle.

No server can be installed here: a stand-in with the two interfaces runs the real SavedModel.
"""

import concurrent.futures
import http.server
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, TEXTS
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf import wrappers_pb2 as wrappers

import keras_seq2seq

KIT = ROOT / "export" / "tf_serving"
pytestmark = pytest.mark.skipif(
    not KIT.exists(), reason="needs the checkout: the wheel has no export/"
)
needs_serving_api = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None,
    reason="needs tensorflow-serving-api",
)
SOURCES = [text for text in TEXTS if text]
Field = descriptor_pb2.FieldDescriptorProto


@pytest.fixture(scope="module")
def bundle(bundle_of_all_formats):
    return bundle_of_all_formats


@pytest.fixture(scope="module")
def models(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    prepare(bundle, folder, "3", check=True)
    return folder


def prepare(*arguments, check=False):
    command = ["bash", str(KIT / "prepare.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def test_bundle_names_the_warm_up_files(bundle):
    files = json.loads((bundle / "manifest.json").read_text("utf-8"))["files"]
    folder = "saved_model/1/assets.extra"
    assert f"{folder}/tf_serving_warmup_requests" in files
    assert f"{folder}/n_best_warmup_requests" in files


def test_prepare_lays_out_both_models(bundle, models):
    extra = bundle / "saved_model" / "1" / "assets.extra"
    plain, n_best = (
        (extra / name).read_bytes()
        for name in ("tf_serving_warmup_requests", "n_best_warmup_requests")
    )
    warmup = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"
    single, batched = models / "translator" / "3", models / "translator_batched" / "3"
    assert (single / warmup).read_bytes() == plain + n_best
    assert (batched / warmup).read_bytes() == plain
    parameters = (KIT / "batching_parameters.txt").read_text("utf-8")
    assert (batched / "batching_params.pbtxt").read_text("utf-8") == parameters
    assert not (single / "batching_params.pbtxt").exists()
    assert {path.name for path in models.iterdir()} == {
        *("translator", "translator_batched"),
        *("model.config", "batching_parameters.txt", "monitoring.config"),
    }


def test_prepare_replaces_no_version_and_no_configuration(bundle, models):
    (models / "model.config").write_text("# mine\n", "utf-8")
    again = prepare(bundle, models, "3")
    assert again.returncode == 1 and "VERSION must be new. Received: 3" in again.stderr
    assert prepare(bundle, models, "4").returncode == 0
    assert (models / "model.config").read_text("utf-8") == "# mine\n"
    assert sorted(path.name for path in (models / "translator").iterdir()) == ["3", "4"]


def test_prepare_names_what_it_needs(tmp_path):
    failed = prepare(tmp_path, tmp_path / "models")
    assert failed.returncode == 2 and "BUNDLE must hold saved_model/1" in failed.stderr


@needs_serving_api
def test_model_config_names_what_prepare_lays_out(models):
    from tensorflow_serving.config import model_server_config_pb2

    text = (KIT / "model.config").read_text("utf-8")
    configs = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    for config in configs:
        assert config.base_path == f"/models/{config.name}"
        assert config.model_platform == "tensorflow"
        assert config.model_version_policy.latest.num_versions == 1
        assert (models / config.name / "3" / "saved_model.pb").is_file()
    assert len(configs) == 2


def message(name, **fields):
    """Returns a message whose fields are (number, type), as in TensorFlow Serving's .proto files.

    Its session_bundle_config.proto and monitoring_config.proto are in no Python package.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package="kit", syntax="proto3", dependency=[wrappers.DESCRIPTOR.name]
    )
    kind = file.message_type.add(name=name)
    for field, (number, type_) in fields.items():
        added = kind.field.add(name=field, number=number, label=Field.LABEL_OPTIONAL)
        if isinstance(type_, str):
            added.type, added.type_name = Field.TYPE_MESSAGE, type_
        else:
            added.type = type_
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"kit.{name}"))()


def test_batching_never_pads():
    integer = ".google.protobuf.Int64Value"
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    fields = {name: (number, integer) for number, name in enumerate(names, 1)}
    fields["pad_variable_length_inputs"] = (7, Field.TYPE_BOOL)
    parameters = message("BatchingParameters", **fields)
    text_format.Parse((KIT / "batching_parameters.txt").read_text("utf-8"), parameters)
    assert parameters.max_batch_size.value >= 8  # the largest warm-up request
    assert all(getattr(parameters, name).value > 0 for name in names)
    assert parameters.pad_variable_length_inputs is False


def test_monitoring_config_has_the_fields_of_prometheus():
    text = (KIT / "monitoring.config").read_text("utf-8")
    inner = re.search(r"prometheus_config \{(.*)\}", text, re.DOTALL).group(1)
    config = message("PrometheusConfig", enable=(1, Field.TYPE_BOOL), path=(2, Field.TYPE_STRING))
    text_format.Parse(inner, config)
    assert config.enable and config.path == "/monitoring/prometheus/metrics"


class StandIn:
    """Runs signatures of the SavedModel, with defaults for gRPC as the server has them."""

    def __init__(self, version):
        self.loaded = tf.saved_model.load(str(version))

    def __call__(self, signature, inputs, **defaults):
        function = self.loaded.signatures[signature]
        specs = function.structured_input_signature[1]
        given = {name: value for name, value in {**defaults, **inputs}.items() if name in specs}
        tensors = {name: tf.constant(v, specs[name].dtype) for name, v in given.items()}
        return {name: tensor.numpy() for name, tensor in function(**tensors).items()}


@pytest.fixture(scope="module")
def stand_in(bundle):
    return StandIn(bundle / "saved_model" / "1")


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def run_client(name, arguments, monkeypatch, capsys):
    client = loaded(KIT / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    client.main()
    return capsys.readouterr().out.splitlines()


class RestHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/models/translator:predict"
        outputs = self.server.stand_in(body["signature_name"], body["inputs"])
        texts = {n: np.vectorize(decoded, otypes=[object])(v) for n, v in outputs.items()}
        answer = json.dumps({"outputs": {n: v.tolist() for n, v in texts.items()}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def decoded(value):
    return value.decode() if isinstance(value, bytes) else np.asarray(value).item()


def expected_n_best(model):
    strategy = keras_seq2seq.BeamSearch(4, 2)
    rows = keras_seq2seq.Translator.from_model(model, strategy=strategy).n_best(SOURCES)
    return [" | ".join(one.text for one in row) for row in rows]


def test_rest_client(stand_in, translating_model, monkeypatch, capsys):
    with http.server.HTTPServer(("127.0.0.1", 0), RestHandler) as server:
        server.stand_in = stand_in
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = [*SOURCES, "--server", f"http://127.0.0.1:{server.server_port}"]
        found = run_client("client_rest", given, monkeypatch, capsys)
        n_best = run_client("client_rest", [*given, "--n-best", "2"], monkeypatch, capsys)
        server.shutdown()
    translations = [line.removesuffix("[cut]").strip() for line in found]
    assert translations == translating_model.translate(SOURCES)
    assert n_best == expected_n_best(translating_model)


@needs_serving_api
def test_grpc_client(stand_in, translating_model, monkeypatch, capsys):
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            outputs = stand_in(request.model_spec.signature_name, inputs, alpha=0.6)
            response = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    given = [*SOURCES, "--server", f"127.0.0.1:{port}"]
    found = run_client("client_grpc", given, monkeypatch, capsys)
    n_best = run_client("client_grpc", [*given, "--n-best", "2"], monkeypatch, capsys)
    server.stop(None)
    translations = [line.removesuffix("[cut]").strip() for line in found]
    assert translations == translating_model.translate(SOURCES)
    assert n_best == expected_n_best(translating_model)


SOAK = ROOT / "benchmarks" / "serving.py"


def test_soak_passes(bundle):
    # Two seconds show no leak: the bound is one that a runaway would pass.
    options = ["--seconds", "2", "--warm-up", "40", "--max-growth", "300"]
    done = subprocess.run(
        [sys.executable, str(SOAK), "--bundle", str(bundle), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "threads 8" in done.stdout and "wrong answers: 0" in done.stdout
    assert sum(map(int, re.findall(r"^\w+ +(\d+)$", done.stdout, re.MULTILINE))) >= 40


def test_soak_names_what_is_wrong():
    soak = loaded(SOAK)

    def refuses(draw):
        raise soak.StatusError("bad request", 3)

    assert soak.failure(lambda draw: True, None) == ""
    assert "another answer than alone" in soak.failure(lambda draw: False, None)
    assert "refuses: bad request" in soak.failure(refuses, None)
    assert soak.near([1.0], [1.0005]) and not soak.near([1.0], [1.1])
    found = soak.complaints(["wrong"], 33.0, 32.0)
    assert found[:2] == ["wrong", "memory grew by 33.0 MiB, more than 32.0"]
