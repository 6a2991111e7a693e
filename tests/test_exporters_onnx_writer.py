import collections
import json
import sys

import keras
import numpy as np
import onnx
import pytest
from conftest import run_python, tiny_config
from onnx_models import GRID, MAX_LENGTH, exported, make_noisy, runtime, sources, written

from keras_seq2seq.exporters.onnx.native_rnn import NativeRNNs, is_covered
from keras_seq2seq.exporters.onnx.writer import write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.onnx_graph import nodes
from keras_seq2seq.models.builders import build_decoder
from keras_seq2seq.models.contract import attends as attends_to_source
from keras_seq2seq.models.gru import GRU
from keras_seq2seq.models.masks import ClearPadding, PaddingMask
from keras_seq2seq.seq2seq import Seq2Seq

FILES = ("encoder.onnx", "decoder_step.onnx", "translate_greedy.onnx")
KINDS = {"gru": "GRU", "lstm": "LSTM", "simple_rnn": "RNN"}


def graph(folder, file):
    return onnx.load(folder / file).graph


def count(graph):
    return collections.Counter(node.op_type for node in nodes(graph))


def names(values):
    return sorted(value.name for value in values)


def loops(graph):
    """Returns the loop over the rows that go on, and in it that over the tokens."""
    found = []
    for _ in range(2):
        (loop,) = (node for node in graph.node if node.op_type == "Loop")
        (graph,) = (attribute.g for attribute in loop.attribute if attribute.HasField("g"))
        found.append((loop, graph))
    return found


@pytest.mark.parametrize("name", GRID)
def test_encoder_layers_are_native_nodes_with_lengths(name):
    bundle = exported(name)
    config = bundle.model.config
    for file in ("encoder.onnx", "translate_greedy.onnx"):
        native = [n for n in graph(bundle.folder, file).node if n.op_type == KINDS[config.cell]]
        assert len(native) == config.num_encoder_layers * (config.encoder == "recurrent")
        assert all(node.input[4] for node in native)
        direction = "bidirectional" if config.bidirectional else "forward"
        assert all(
            onnx.helper.get_node_attr_value(node, "direction") == direction.encode()
            for node in native
        )


@pytest.mark.parametrize("name", GRID)
def test_only_the_search_is_a_loop(name):
    folder = exported(name).folder
    for file, wanted in zip(FILES, (0, 0, 2), strict=True):
        counts = count(graph(folder, file))
        assert (counts["Loop"], counts["Scan"]) == (wanted, 0)


@pytest.mark.parametrize("name", GRID)
@pytest.mark.parametrize("file", FILES)
def test_files_are_valid_and_standard(name, file):
    proto = onnx.load(exported(name).folder / file)
    onnx.checker.check_model(proto, full_check=True)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 17)]
    assert not any(node.domain for node in nodes(proto.graph))
    assert proto.ir_version == 8


@pytest.mark.parametrize("name", GRID)
def test_loops_carry_only_what_changes(name):
    bundle = exported(name)
    (_, rows), (loop, tokens) = loops(graph(bundle.folder, "translate_greedy.onnx"))
    # trip count, condition; position, ids, going, what is found; states
    attends = attends_to_source(bundle.model.decoder)
    assert len(loop.input) == 2 + 6 + len(bundle.keras.state_names) + attends
    for body in (rows, tokens):
        assert not set(names(body.input)) & set(names(body.output))


@pytest.mark.parametrize("name", GRID)
def test_weights_lie_where_onnxruntime_packs_them(name):
    proto = graph(exported(name).folder, "translate_greedy.onnx")
    (_, rows), (_, tokens) = loops(proto)
    stored = {tensor.name for owner in (proto, rows) for tensor in owner.initializer}
    turned = {n.output[0] for n in proto.node if n.op_type == "Transpose" and n.input[0] in stored}
    products = [node.input[1] for node in tokens.node if node.op_type == "MatMul"]
    assert products
    assert not set(products) & (stored | turned)


def test_names_are_those_of_the_signatures():
    encoder, step, translate = (graph(exported("gru_general").folder, file) for file in FILES)
    state = ["keys", "memory", "source_mask", "state_0"]
    assert names(encoder.input) == names(translate.input) == ["source_ids"]
    assert names(encoder.output) == state
    assert names(step.input) == [*state, "target_ids"]
    assert names(step.output) == ["attention", "log_probs", "next_state_0"]
    found = ["attention", "finished", "scores", "target_ids", "token_log_probs"]
    assert names(translate.output) == found


def test_keys_that_are_the_memory_are_an_output_of_their_own():
    bundle = exported("lstm_dot_layers")
    assert {"keys", "memory"} <= set(names(graph(bundle.folder, "encoder.onnx").output))
    encoded = bundle.onnx.encode(sources(3, 5))
    np.testing.assert_array_equal(encoded["keys"], encoded["memory"])


def test_description_has_open_axes_and_dtypes():
    description = exported("gru_general").description
    assert json.loads(json.dumps(description)) == description
    assert description["opset_version"] == 17
    functions = "encode", "decode_step", "translate_greedy"
    assert description["files"] == {"float32": dict(zip(functions, FILES, strict=True))}
    encode = description["signatures"]["encode"]
    assert encode["inputs"] == [{"name": "source_ids", "dtype": "int32", "shape": [None, None]}]
    outputs = {value["name"]: (value["dtype"], value["shape"]) for value in encode["outputs"]}
    assert outputs["memory"] == ("float32", [None, None, 8])
    assert outputs["source_mask"] == ("bool", [None, None])
    assert outputs["state_0"] == ("float32", [None, 8])


def test_shared_weights_are_stored_once():
    bundle = exported("gru_scaled_feeding_shared")
    stored = [tuple(t.dims) for t in graph(bundle.folder, "translate_greedy.onnx").initializer]
    vocabulary, size = bundle.model.config.target_vocabulary_size, 8
    tables = [dims for dims in stored if sorted(dims) == sorted((vocabulary, size))]
    assert len(tables) == 1


def test_writing_leaves_the_model_as_it_was(tmp_path):
    model = exported("gru_general").model
    model.save(tmp_path / "after.keras")
    loaded = keras.saving.load_model(tmp_path / "after.keras")
    inputs = {"source_ids": sources(2, 4), "target_ids": sources(2, 3)}
    np.testing.assert_allclose(model(inputs), loaded(inputs), atol=1e-6)
    assert model.encoder.get_layer("encoder_rnn_0").__class__ is keras.layers.Bidirectional


@pytest.mark.long
def test_same_model_gives_same_bytes(tmp_path):
    bundle = exported("lstm_dot_layers")
    bundle.model.save(tmp_path / "model.keras")
    code = (
        "import sys, pathlib, warnings; warnings.simplefilter('ignore');"
        "from keras_seq2seq import load_model;"
        "from keras_seq2seq.exporters.onnx.writer import write_onnx;"
        "model, folder = load_model(sys.argv[1]), pathlib.Path(sys.argv[2]);"
        "from keras_seq2seq.exporters.prepared import PreparedExport;"
        "[write_onnx(PreparedExport(model, 6), folder) for _ in range(2)]"
    )
    run_python(code, tmp_path / "model.keras", tmp_path, PYTHONHASHSEED="5")
    for file in FILES:
        assert (tmp_path / file).read_bytes() == (bundle.folder / file).read_bytes()


def test_an_optimizer_that_fails_is_left_out(tmp_path, monkeypatch):
    from tf2onnx import optimizer

    def fail(self, graph, iteration):
        raise ValueError("not this graph")

    monkeypatch.setattr(optimizer.TransposeOptimizer, "optimize", fail)
    bundle = exported("gru_general")
    write_onnx(PreparedExport(bundle.model, MAX_LENGTH), tmp_path)
    source_ids = sources(3, 5)
    found = runtime(tmp_path).encode(source_ids)
    for name, value in bundle.keras.encode(source_ids).items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)


def own_model(layer, **embedding):
    """Returns a model around a layer that a user chose, with the library's decoder."""
    config = tiny_config(context="last", bridge="dense")
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    mask = PaddingMask()(source_ids)
    x = keras.layers.Embedding(17, 8, **embedding)(source_ids)
    y, *states = layer(x) if embedding else layer(x, mask=mask)
    pooled = keras.layers.GlobalAveragePooling1D()(ClearPadding()(y, mask))
    state = keras.layers.Dense(8)(keras.layers.Concatenate()([pooled, *states]))
    encoder = keras.Model(source_ids, {"state_0": state})
    model = Seq2Seq(encoder=encoder, decoder=build_decoder(config))
    make_noisy(model)
    return model


def check_own(layer, expected, **embedding):
    bundle = written(own_model(layer, **embedding))
    counts = count(graph(bundle.folder, "encoder.onnx"))
    assert {kind: counts[kind] for kind in ("GRU", "LSTM", "RNN", "Loop")} == {
        **dict.fromkeys(("GRU", "LSTM", "RNN", "Loop"), 0),
        **expected,
    }
    ids = sources(3, 5)[:2]
    np.testing.assert_allclose(
        bundle.onnx.encode(ids)["state_0"], bundle.keras.encode(ids)["state_0"], atol=1e-5
    )


def test_own_encoder_with_implicit_mask_and_gru_of_another_kind():
    gru = keras.layers.GRU(4, return_sequences=True, return_state=True, reset_after=False)
    check_own(gru, {"GRU": 1}, mask_zero=True)


def test_own_encoder_that_hands_states_from_layer_to_layer():
    first, second = (
        keras.layers.LSTM(4, return_sequences=True, return_state=True) for _ in range(2)
    )

    def stacked(x, mask):
        y, *states = first(x, mask=mask)
        return second(y, mask=mask, initial_state=states)

    check_own(stacked, {"LSTM": 2})


def test_own_encoder_with_an_uncovered_layer_becomes_a_loop():
    gru = keras.layers.GRU(4, return_sequences=True, return_state=True, activation="relu")
    check_own(gru, {"Loop": 1})


SEQUENCES = {"return_sequences": True}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (keras.layers.LSTM(4, use_bias=False), True),
        (keras.layers.Bidirectional(keras.layers.SimpleRNN(4, **SEQUENCES)), True),
        (keras.layers.Bidirectional(GRU(4)), True),
        (GRU(4, go_backwards=True), False),
        (keras.layers.LSTM(4, go_backwards=True), False),
        (keras.layers.LSTM(4, stateful=True), False),
        (keras.layers.GRU(4, recurrent_activation="hard_sigmoid"), False),
        (keras.layers.Bidirectional(keras.layers.GRU(4), merge_mode="sum"), False),
        (keras.layers.RNN(keras.layers.GRUCell(4)), False),
        (keras.layers.Dense(4), False),
    ],
)
def test_covered_layers(layer, expected):
    assert is_covered(layer) is expected


def test_placeholders_keep_masks_and_shapes():
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 3, mask_zero=True)(inputs)
    last = keras.layers.Bidirectional(keras.layers.LSTM(4))
    model = keras.Model(inputs, last(keras.layers.LSTM(4, return_sequences=True)(x)))
    replaced = NativeRNNs().replace(model)
    assert replaced.output_shape == model.output_shape == (None, 8)
    assert [w.path for w in replaced.weights] == [w.path for w in model.weights]
    assert all(a is b for a, b in zip(replaced.weights, model.weights, strict=True))


@pytest.mark.parametrize("version", [14, 19, 24])
def test_opset_version_out_of_range(version, tmp_path):
    prepared = PreparedExport(exported("gru_general").model, MAX_LENGTH, onnx_opset=version)
    with pytest.raises(ValueError, match=r"`onnx_opset` must be 15 to 18, or 23\. Received: "):
        write_onnx(prepared, tmp_path)


def test_mixed_precision_is_refused(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Seq2Seq(tiny_config())
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match=r"must compute in float32.* Received: \['bfloat16'\]"):
        write_onnx(PreparedExport(model, 3), tmp_path)


def test_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r'needs onnx and tf2onnx: run `pip install "\.\[onnx\]"'):
        write_onnx(PreparedExport(exported("gru_general").model, 3), tmp_path)


def test_a_layer_traced_for_a_gpu_is_refused():
    class TracedForGPU:
        def get_attr_value(self, name):
            return 0  # the seed, by which the placeholder of a layer is known

    with pytest.raises(ValueError, match="must be traced for the CPU.*CUDA_VISIBLE_DEVICES=-1"):
        NativeRNNs()._write(None, TracedForGPU(), "gru", None)
