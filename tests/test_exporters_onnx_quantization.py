import collections

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import random_ids
from grid import grid
from nasty_weights import nasty
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SHARED, noisy_model, runtime

from keras_seq2seq.exporters.onnx.placement import place_weights
from keras_seq2seq.exporters.onnx.quantization import quantized, unsigned_weights
from keras_seq2seq.exporters.onnx.writer import write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.onnx_graph import graphs, nodes
from keras_seq2seq.formats import EXACT, FORMATS
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

MAX_LENGTH = 6
QUANTIZATIONS = (EXACT, *FORMATS["onnx"].quantizations)
VOCABULARY, SIZE = 300, 64
LARGE = {
    "source_vocabulary_size": VOCABULARY,
    "target_vocabulary_size": VOCABULARY,
    "embedding_dim": SIZE,
    "units": SIZE,
}
TRANSFORMER = {"encoder": "transformer", "decoder": "transformer", "num_heads": 2}
MODELS = {
    "gru": {"attention": "scaled", **SHARED},
    "lstm": {"cell": "lstm", "attention": "general"},
    "transformer": {**TRANSFORMER, "feedforward_dim": 96, "positions": "learned", **SHARED},
}


@pytest.fixture(scope="module", params=grid(MODELS, ["transformer"]))
def written(request, tmp_path_factory):
    """The folder of a model of which weights are most of each file, and its description."""
    folder = tmp_path_factory.mktemp(request.param)
    model = noisy_model(**LARGE, **MODELS[request.param])
    if model.config.tie_output:
        (table,) = (w for w in model.weights if w.path.endswith("embeddings"))
        table.assign(table * (np.arange(VOCABULARY) != BOS_ID)[:, None])  # as a pruned row

    def kept(proto, quantization, weights):
        whole = type(proto).FromString(proto.SerializeToString())
        weights.put_inside(whole.graph)
        (folder / proto.graph.name).write_bytes(whole.SerializeToString())
        return quantized(proto, quantization, weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_seq2seq.exporters.onnx.quantization.quantized", kept)
        prepared = PreparedExport(model, MAX_LENGTH, onnx_single_files=True)
        entry = write_onnx(prepared, folder, QUANTIZATIONS)
    return folder, entry["files"], request.param


def sizes(folder, files):
    return {name: (folder / file).stat().st_size for name, file in files.items()}


def initializers(graph):
    return [tensor for owner in graphs(graph) for tensor in owner.initializer]


def step_log_probs(folder, files):
    """Returns what the first step gives for two sources of different lengths."""
    engine = runtime(folder, files)
    ids = random_ids(2, 5)
    log_probs, _ = engine.step(np.full(2, BOS_ID), engine.encode(ids))
    return log_probs


@pytest.mark.parametrize(("quantization", "most"), [("float16", 0.6), ("dynamic_int8", 0.45)])
def test_files_are_small_valid_and_standard(written, quantization, most):
    folder, files, _ = written
    whole, small = sizes(folder, files["float32"]), sizes(folder, files[quantization])
    for function, file in files[quantization].items():
        assert small[function] < most * whole[function]
        proto = onnx.load(folder / file)
        onnx.checker.check_model(proto, full_check=True)
        assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 17)]
        assert not any(node.domain for node in nodes(proto.graph))


@pytest.mark.parametrize(("quantization", "gap"), [("float16", 0.002), ("dynamic_int8", 0.1)])
def test_the_first_step_is_near(written, quantization, gap):
    folder, files, _ = written
    expected = step_log_probs(folder, files["float32"])
    found = step_log_probs(folder, files[quantization])
    assert 0 < np.abs(found - expected).mean() < gap * expected.std()


@pytest.mark.parametrize("quantization", ["float16", "dynamic_int8"])
def test_a_translation_begins_as_its_first_step_says(written, quantization):
    folder, files, _ = written
    engine = runtime(folder, files[quantization])
    allowed = step_log_probs(folder, files[quantization])
    allowed[:, [PAD_ID, BOS_ID]] = -np.inf
    found = [best for best, *_ in engine.search(random_ids(2, 5))]
    assert [best.ids[0] for best in found] == allowed.argmax(-1).tolist()


def test_int8_products_are_in_the_loop_too(written):
    folder, files, _ = written
    graph = onnx.load(folder / files["dynamic_int8"]["translate_greedy"]).graph
    _, _, step = graphs(graph)
    assert sum(node.op_type == "MatMulInteger" for node in step.node) >= 3


def test_no_large_weight_stays_float32(written):
    folder, files, _ = written
    for quantization in ("float16", "dynamic_int8"):
        for file in files[quantization].values():
            for tensor in initializers(onnx.load(folder / file).graph):
                large = np.prod(tensor.dims) >= 1024
                assert not (large and tensor.data_type == onnx.TensorProto.FLOAT), tensor.name


def test_a_shared_table_is_stored_once(written):
    folder, files, name = written
    if "share_embeddings" not in MODELS[name]:
        return
    for quantization in QUANTIZATIONS:
        graph = onnx.load(folder / files[quantization]["translate_greedy"]).graph
        counts = collections.Counter(np.prod(tensor.dims) for tensor in initializers(graph))
        assert counts[VOCABULARY * SIZE] == 1


@pytest.mark.parametrize("quantization", ["float16", "dynamic_int8"])
def test_the_same_model_gives_the_same_bytes(written, quantization):
    folder, files, _ = written
    again = place_weights(quantized(onnx.load(folder / "translate_greedy"), quantization))
    content = (folder / files[quantization]["translate_greedy"]).read_bytes()
    assert again.SerializeToString(deterministic=True) == content


def test_an_unknown_quantization_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`quantizations` must be among .* Received: .'int3'"):
        write_onnx(PreparedExport(noisy_model(), 3), tmp_path, ["float32", "int3"])


def half_steps(table, axis, negligible=2e-36):
    """Returns half a step of each row or column; a negligible one may become zero."""
    highest = np.abs(table).max(axis, keepdims=True).astype("float64")
    return np.where(highest < negligible, highest, highest / 127 / 2 * (1 + 1e-4))


@pytest.mark.parametrize("seed", range(20))
def test_8_bit_weights_are_within_half_a_step(seed):
    shape = tuple(np.random.default_rng(seed).integers(12, 90, 2))
    table = nasty(*shape, seed)
    for weights, axis in ((table, 0), (table.T, 1), (table[None], 1)):
        numbers, scales = unsigned_weights(weights, axis)
        along = [-1 if i == axis else 1 for i in range(weights.ndim)]
        others = tuple(i for i in range(weights.ndim) if i != axis)
        read = (numbers.astype("float64") - 128) * scales.reshape(along)
        assert (np.abs(read - weights) <= half_steps(weights, others)).all()
        assert (scales >= np.finfo("float32").tiny).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (0, 5)])
def test_tables_of_one_row_and_of_none_are_possible(shape):
    for value in (0.0, 2.5):
        numbers, scales = unsigned_weights(np.full(shape, value, "float32"), 0)
        read = (numbers.astype("float32") - 128) * scales[:, None]
        np.testing.assert_allclose(read, value, rtol=1e-6)


def graph_of_tables(table, kernel):
    """Returns a model that reads a table in each way that a decoder may."""
    made = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["tied"]),
        helper.make_node("MatMul", ["x", "kernel"], ["product"]),
        helper.make_node("Gather", ["kernel", "ids"], ["columns"], axis=1),
    ]
    size = kernel.shape[0]
    inputs = [("ids", TensorProto.INT64, ["n"]), ("x", TensorProto.FLOAT, ["b", size])]
    outputs = {"rows": ["n", size], "tied": None, "product": None, "columns": [size, "n"]}
    graph = helper.make_graph(
        made,
        "tables",
        [helper.make_tensor_value_info(*given) for given in inputs],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape or ["b", len(table)])
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(kernel, "kernel")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("quantization", ["dynamic_int8", "float16"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_reader_of_a_nasty_table_gets_its_weights(quantization, seed):
    table, kernel = nasty(300, 64, seed), np.ascontiguousarray(nasty(300, 64, seed + 9).T)
    written = quantized(graph_of_tables(table, kernel), quantization)
    onnx.checker.check_model(written, full_check=True)
    session = onnxruntime.InferenceSession(written.SerializeToString())
    # Rows of the identity are exact in 8 bits, so each product shows one weight.
    given = {"ids": np.arange(300), "x": np.eye(64, dtype="float32")}
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, given), strict=True))
    expected = {"rows": table, "tied": table.T, "product": kernel, "columns": kernel}
    for name, weights in expected.items():
        axis = 1 if name == "rows" else 0
        gaps = np.abs(found[name].astype("float64") - weights)
        # Above the range of float16 a table stays float32.
        allowed = half_steps(weights, axis, 1e-30) if quantization == "dynamic_int8" else 0
        assert (gaps <= allowed).all(), name


def test_float16_keeps_float32_where_it_would_lose_all():
    tiny = np.full((300, 64), 1e-8, "float32")
    written = quantized(graph_of_tables(tiny, np.ones((64, 300), "float32")), "float16")
    kept = {tuple(t.dims): t.data_type for t in written.graph.initializer}
    assert kept[300, 64] == TensorProto.FLOAT
    assert kept[64, 300] == TensorProto.FLOAT16
