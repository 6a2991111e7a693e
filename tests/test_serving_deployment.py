"""How the kit export/tf_serving starts a server: serve.sh, its settings, compose and Kubernetes.

No server, docker or cluster runs here. Settings are parsed as the server parses them where a
package has its messages; a docker that prints its arguments takes the place of docker.
"""

import importlib.util
import re
import subprocess
import textwrap

import pytest
from conftest import ROOT
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf import wrappers_pb2 as wrappers
from serving_stand_in import Models, rest_server, serve

KIT = ROOT / "export" / "tf_serving"
pytestmark = pytest.mark.skipif(
    not KIT.exists(), reason="needs the checkout: the wheel has no export/"
)
needs_serving_api = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None,
    reason="needs tensorflow-serving-api",
)
Field = descriptor_pb2.FieldDescriptorProto


@pytest.fixture
def models(tmp_path):
    """A folder as prepare.sh leaves it, without models."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("model.config", "batching_parameters.txt", "monitoring.config", "ready.sh"):
        (folder / name).write_bytes((KIT / name).read_bytes())
    return folder


def parsed(name):
    from tensorflow_serving.config import model_server_config_pb2

    text = (KIT / name).read_text("utf-8")
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return config.model_config_list.config


@needs_serving_api
def test_model_config_names_what_prepare_lays_out():
    configs = parsed("model.config")
    for config in configs:
        assert config.base_path == f"/models/{config.name}"
        assert config.model_platform == "tensorflow"
        assert config.model_version_policy.latest.num_versions == 1
    assert {config.name for config in configs} == {"translator", "translator_batched"}


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


def test_serve_passes_further_arguments_to_the_server(models, tmp_path):
    given, _ = serve(tmp_path, models, "--rest_api_timeout_in_ms=1 000", "--x")
    assert given[-2:] == ["--rest_api_timeout_in_ms=1 000", "--x"]
    assert given.index("tensorflow/serving:2.21.0") < given.index("--port=8500")
    assert "--model_config_file_poll_wait_seconds=10" in given


def test_serve_binds_to_one_interface(models, tmp_path):
    published = [one for one in serve(tmp_path, models)[0] if one.endswith((":8500", ":8501"))]
    assert published == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    options = {"HOST": "10.0.0.7", "REST_PORT": "80", "DOCKER_OPTIONS": "--gpus all"}
    given, _ = serve(tmp_path, models, **options)
    assert "10.0.0.7:80:8501" in given and given[given.index("--gpus") + 1] == "all"


def test_serve_with_tls_closes_what_has_none(models, tmp_path):
    (tmp_path / "-ssl,config").write_text("server_key: ''")
    given, _ = serve(tmp_path, models, SSL_CONFIG="-ssl,config")
    assert f'type=bind,"source={tmp_path}/-ssl,config",target=/ssl.config,readonly' in given
    assert "--ssl_config_file=/ssl.config" in given
    assert not any(one.endswith(":8501") for one in given)


def test_serve_names_what_it_needs(tmp_path):
    (tmp_path / "empty").mkdir()
    assert serve(tmp_path, "empty") == (
        2,
        "MODELS must be a folder that prepare.sh has filled. "
        "Received: ./empty, without model.config.\n",
    )


@pytest.mark.parametrize(
    ("model", "state", "status"),
    [("translator", "AVAILABLE", 0), ("translator", "LOADING", 1), ("other", "AVAILABLE", 1)],
)
def test_ready_asks_for_the_state_of_a_model(model, state, status):
    with rest_server(Models({"translator": {3: None}}, {}), state=state) as port:
        done = ready(model, port)
    assert done.returncode == status
    assert ("is AVAILABLE at" in done.stderr) == bool(status)
    assert ready(model, port).returncode == 1  # nobody is there any more


def ready(model, port):
    command = ["bash", str(KIT / "ready.sh"), model, "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# Flags of tensorflow_model_server, tensorflow_serving/model_servers/main.cc.
THREADS = {"tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism"}
FLAGS = {
    *("port", "rest_api_port", "model_config_file", "model_config_file_poll_wait_seconds"),
    *("allow_version_labels_for_unavailable_models", "monitoring_config_file"),
    *("enable_batching", "enable_per_model_batching_parameters", "batching_parameters_file"),
}


def names(flags):
    return {flag.removeprefix("--").partition("=")[0] for flag in flags}


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml"])
def test_all_start_the_server_with_the_same_flags(models, tmp_path, name):
    given, _ = serve(tmp_path, models)
    assert names(given[given.index("tensorflow/serving:2.21.0") + 1 :]) == FLAGS
    text = (KIT / name).read_text("utf-8")
    listed = names(re.findall(r'^ +- "(--.*)"', text, re.MULTILINE))
    assert listed - THREADS == FLAGS
    assert "tensorflow/serving:2.21.0" in text and "ready.sh" in text


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml"])
def test_yaml_is_indented_by_two_without_tabs(name):
    """What goes wrong in YAML written by hand, where no parser is installed."""
    inside = None
    for line in (KIT / name).read_text("utf-8").splitlines():
        indent = len(line) - len(line.lstrip(" "))
        if inside is not None and (not line.strip() or indent > inside):
            continue  # a text block
        inside = indent if line.endswith(": |") else None
        if line.strip() and not line.strip().startswith("#"):
            assert indent % 2 == 0 and "\t" not in line, line
            assert line == "---" or re.match(r" *(- )?([\w.]+:( .+)?|\".*\")$", line), line
            value = line.split(": ", 1)[-1]
            assert value.count('"') % 2 == 0 and value.count("[") == value.count("]"), line


def test_the_config_map_holds_the_files_of_the_kit():
    text = (KIT / "kubernetes.yaml").read_text("utf-8")
    for name in ("model.config", "batching_parameters.txt", "monitoring.config", "ready.sh"):
        block = textwrap.indent((KIT / name).read_text("utf-8"), "    ", lambda line: True)
        block = re.sub(r"^ +$", "", block, flags=re.MULTILINE)
        assert f"\n  {name}: |\n{block}" in text, name


@needs_serving_api
def test_canary_config_labels_two_versions():
    for config in parsed("canary.config"):
        policy = config.model_version_policy
        assert dict(config.version_labels) == {"stable": 1, "canary": 2}
        assert list(policy.specific.versions) == [1, 2]
