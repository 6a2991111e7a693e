"""Keras files, honest and hostile; no model is built to read them."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from conftest import run_python, tiny_model

import keras_seq2seq
from keras_seq2seq.inspection.keras_layers import layer_kinds


@keras.saving.register_keras_serializable("strangers")
class Doubled(keras.layers.Dense):
    """A layer of somebody else."""


def functional(*layers):
    x = keras.Input((3,), name="features")
    y = x
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def saved(tmp_path, model):
    path = tmp_path / "model.keras"
    model.save(path)
    return keras_seq2seq.inspect(path)


def test_a_seq2seq_tells_its_configuration_and_every_weight_by_layer(tmp_path, translating_model):
    found = saved(tmp_path, translating_model)
    assert found.parameters == translating_model.count_params()
    assert found.facts["config"] == translating_model.config.to_dict()
    assert found.facts["keras_version"] == found.requirements[0].oldest == keras.__version__
    assert found.facts["assets"] == [
        "assets/source_tokenizer.model",
        "assets/target_tokenizer.model",
    ]
    layers = {group.name: group.parameters for group in found.layers}
    embedding = translating_model.encoder.get_layer("source_embedding")
    assert layers["encoder/source_embedding"] == embedding.count_params()
    (signature,) = found.signatures
    assert signature.outputs[0].shape == (None, None, 17)
    assert found.problems == ()


def test_optimizer_state_is_stored_and_is_no_parameter(tmp_path):
    model = functional(keras.layers.Dense(4))
    model.compile("adam", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 4)), verbose=0)
    found = saved(tmp_path, model)
    assert found.parameters == model.count_params() == 16
    state = [tensor for tensor in found.tensors if tensor.layer == "optimizer"]
    assert sum(tensor.bytes for tensor in state) >= 2 * 4 * 16


def test_a_functional_model_tells_inputs_and_classes(tmp_path):
    found = saved(tmp_path, functional(keras.layers.Dense(4), keras.layers.ReLU()))
    (signature,) = found.signatures
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [
        ("features", "float32", (None, 3))
    ]
    classes = {o.name: o.count for o in found.operators if o.domain == "keras"}
    assert (classes["Dense"], classes["ReLU"], classes["Functional"]) == (1, 1, 1)


def test_classes_of_others_and_lambdas_are_problems(tmp_path):
    found = saved(tmp_path, functional(Doubled(2), keras.layers.Lambda(lambda x: x * 2)))
    problems = {problem.operator: problem for problem in found.problems}
    assert "of 'strangers' is not part of Keras" in problems["Doubled"].message
    assert "import the module" in problems["Doubled"].remedy
    assert "does not load in safe mode" in problems["Lambda"].message
    with pytest.raises(ValueError, match="safe mode|unsafe"):
        keras.saving.load_model(tmp_path / "model.keras")


def test_half_precision_weights_say_so(tmp_path):
    for dtype in ("float16", "bfloat16"):
        model = functional(keras.layers.Dense(4, dtype=keras.DTypePolicy(dtype)))
        assert [group.name for group in saved(tmp_path, model).dtypes] == [dtype]


def archive(tmp_path, weights, *, config=None, compression=zipfile.ZIP_STORED):
    """Writes an archive with these bytes for weights and this text for configuration."""
    path = tmp_path / "made.keras"
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        file.writestr("config.json", config or json.dumps({"class_name": "Model"}))
        file.writestr("model.weights.h5", weights)
    return path


def hdf5(make):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        make(file)
    return content.getvalue()


def far_away(file):
    file.create_dataset("vars/0", (100,), "float32", external=[("/etc/passwd", 0, 400)])


@pytest.mark.parametrize(
    "make",
    [
        # Chunks that are never written: gigabytes by name, bytes on the disk.
        lambda file: file.create_dataset("vars/0", (10**9,), "float32", chunks=(10**6,)),
        far_away,
    ],
    ids=["unwritten", "external"],
)
def test_weights_that_are_not_in_the_file_are_refused(tmp_path, make):
    path = archive(tmp_path, hdf5(make))
    with pytest.raises(ValueError, match=r"made\.keras: the weight vars/0 of .* is not stored"):
        keras_seq2seq.inspect(path)


@pytest.mark.parametrize(
    "link",
    [h5py.ExternalLink("/etc/passwd", "/"), h5py.ExternalLink("a.h5", "b"), h5py.SoftLink("/c")],
)
def test_weights_behind_a_link_are_refused_and_not_followed(tmp_path, link):
    def make(file):
        file["loop"] = file["/"]
        file["vars/0"] = np.ones(3, "float32")

    assert keras_seq2seq.inspect(archive(tmp_path, hdf5(make))).parameters == 3

    def make_linked(file):
        make(file)
        file["layers/dense/vars"] = link

    path = archive(tmp_path, hdf5(make_linked))
    with pytest.raises(ValueError, match=r"made\.keras: layers/dense/vars is a link"):
        keras_seq2seq.inspect(path)


def test_a_repetitive_configuration_is_no_bomb(tmp_path):
    config = json.dumps({"class_name": "Model", "config": {"layers": [{"a": 0}] * 50_000}})
    weights = hdf5(lambda file: file.create_dataset("vars/0", data=np.zeros(50_000, "float32")))
    path = archive(tmp_path, weights, config=config, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    assert keras_seq2seq.inspect(path).parameters == 50_000


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"class_name": "TFSMLayer", "module": "keras.layers"}, "runs a SavedModel"),
        ({"class_name": "TorchModuleWrapper", "module": "keras.layers"}, "unpickles a module"),
        (
            {"class_name": "function", "module": "builtins", "config": "eval"},
            "calls the function builtins.eval",
        ),
        (
            {"class_name": "function", "module": "keras.utils", "config": "get_file"},
            "calls the function keras.utils.get_file",
        ),
        (
            {"class_name": "A", "module": "evil.a", "registered_name": "keras_seq2seq>A"},
            "imports the module 'evil.a' for A",
        ),
        (
            {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
            "reads its vocabulary from '/etc/passwd'",
        ),
        ({"class_name": "function", "module": "keras.activations", "config": "relu"}, None),
        ({"class_name": "StringLookup", "config": {"vocabulary": ["a"]}}, None),
    ],
)
def test_what_can_do_more_than_compute_is_a_problem(tmp_path, described, message):
    weights = hdf5(lambda file: file.create_dataset("vars/0", data=np.ones(2, "float32")))
    config = json.dumps(
        {"class_name": "Model", "module": "keras", "config": {"layers": [described]}}
    )
    problems = keras_seq2seq.inspect(archive(tmp_path, weights, config=config)).problems
    assert [message in problem.message for problem in problems] == [True] * bool(message)


def test_an_archive_that_grows_without_measure_is_refused(tmp_path):
    path = archive(tmp_path, bytes(10**7), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"weights\.h5 would grow from .* to 10000000 bytes"):
        keras_seq2seq.inspect(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[" * 200_000, "config.json is not JSON"),
        ("[1]", "config.json is not a JSON object"),
        ("{", "Expecting property name"),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path, config, message):
    with pytest.raises(ValueError, match=message):
        keras_seq2seq.inspect(archive(tmp_path, b"", config=config))


def test_configurations_of_unexpected_types_do_not_matter(tmp_path):
    weights = hdf5(lambda file: file.create_dataset("vars/0", data=np.ones(2, "float32")))
    for inner in (None, 3, [], "x", {"config": 5, "layers": [7, {"class_name": "InputLayer"}]}):
        described = {"class_name": "Model", "registered_name": "keras_seq2seq>Seq2Seq"}
        config = json.dumps({**described, "config": inner})
        found = keras_seq2seq.inspect(archive(tmp_path, weights, config=config))
        assert found.signatures[0].outputs[0].shape == (None, None, None)


def test_another_or_a_damaged_file_is_refused(tmp_path):
    tiny_model().save(tmp_path / "model.keras")
    content = (tmp_path / "model.keras").read_bytes()
    path = tmp_path / "bad.keras"
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    for damaged in (b"", b"text", content[:middle], content[:-30], flipped):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"complete archive of Keras 3.*bad\.keras"):
            keras_seq2seq.inspect(path)


def test_an_archive_without_weights_is_refused(tmp_path):
    path = tmp_path / "empty.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
        file.writestr("metadata.json", "{}")
    with pytest.raises(ValueError, match=r"empty\.keras: model\.weights\.h5 is missing"):
        keras_seq2seq.inspect(path)


def test_weights_that_are_not_finite_are_named_with_their_layers(tmp_path):
    model = functional(
        keras.layers.Dense(4, name="first"),
        keras.layers.Dense(2, dtype=keras.DTypePolicy("bfloat16"), name="second"),
        keras.layers.Dense(2, name="third"),
    )
    first, second, _ = model.layers[1:]
    kernel = np.ones((3, 4))
    kernel[0, :2] = np.nan, np.inf
    first.kernel.assign(kernel)
    second.bias.assign([-np.inf, 0])
    (problem,) = saved(tmp_path, model).problems
    assert "infinity in first/0 (2 of 12), second/1 (1 of 2)." in problem.message


def test_of_many_weights_some_are_named(tmp_path):
    def make(file):
        for place in range(12):
            file[f"layer{place:02}/vars/0"] = np.full(1, np.nan, "float32")

    (problem,) = keras_seq2seq.inspect(archive(tmp_path, hdf5(make))).problems
    assert problem.message.endswith("layer09/0 (1 of 1) and 2 more.")


def policy(name=None, **config):
    kind = "QuantizedDTypePolicy" if config else "DTypePolicy"
    return {"module": "keras", "class_name": kind, "config": config or {"name": name}}


def test_what_keras_calls_changed_in_layers_is_told(tmp_path):
    model = functional(
        keras.layers.Dense(4, name="quantized"),
        keras.layers.Dense(4, name="low_rank"),
        keras.layers.Dense(4, name="half", dtype="mixed_bfloat16"),
    )
    for layer in model.layers[1:3]:
        layer.quantize("int8") if layer.name == "quantized" else layer.enable_lora(2)
    found = saved(tmp_path, model)
    assert found.facts["quantized"] == {"int8": ["quantized"]}
    assert found.facts["lora"] == {"2": ["low_rank"]}
    assert found.facts["precision"] == {"mixed_bfloat16": ["half"]}
    assert [note.split(".")[0] for note in found.notes] == [
        "Keras quantized layers to int8",
        "Layers have LoRA matrices beside their weights",
        "Layers compute in mixed_bfloat16",
    ]
    assert "lora: 2 low_rank" in str(found)


def test_a_seq2seq_tells_changed_layers_by_their_paths(tmp_path):
    model = tiny_model()
    assert saved(tmp_path, model).notes == ()
    model.decoder.get_layer("logits").enable_lora(3)
    model.encoder.get_layer("bridge_0").quantize("int4")
    model.encoder.get_layer("keys").dtype_policy = "mixed_float16"
    facts = saved(tmp_path, model).facts
    assert facts["quantized"] == {"int4": ["encoder/bridge_0"]}
    assert facts["lora"] == {"3": ["decoder/logits"]}
    assert facts["precision"] == {"mixed_float16": ["encoder/keys"]}


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"dtype": policy("mixed_float16")}, ({}, {}, {"mixed_float16": ["(model)"]})),
        (
            {"dtype": "float8_from_mixed_float16"},
            ({"float8": ["(model)"]}, {}, {"mixed_float16": ["(model)"]}),
        ),
        (
            {"layers": [{"config": {"name": "a", "dtype": policy(mode="gptq/4/128")}}]},
            ({"gptq": ["a"]}, {}, {}),
        ),
        ({"name": "ids", "batch_shape": [None], "dtype": "float16"}, ({}, {}, {})),
        ({"layers": {"a": 3, "b": {"dtype": 3, "lora_rank": "x"}}, "dtype": {}}, ({}, {}, {})),
        ([None, 3, {"config": {"name": 3, "dtype": policy(mode=4)}}], ({}, {}, {})),
    ],
)
def test_configurations_of_all_shapes(config, kinds):
    assert layer_kinds(config) == kinds


CHECK = """
import sys
import keras_seq2seq
assert keras_seq2seq.inspect(sys.argv[1]).parameters == 16
loaded = {name.split(".")[0] for name in sys.modules} & {"keras", "tensorflow", "jax"}
assert not loaded, loaded
"""


def test_neither_keras_nor_tensorflow_is_needed(tmp_path):
    saved(tmp_path, functional(keras.layers.Dense(4)))
    run_python(CHECK, tmp_path / "model.keras")
