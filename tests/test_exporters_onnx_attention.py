import collections
import pathlib

import numpy as np
import onnx
import onnxruntime
import pytest
from exported_models import same_hypotheses
from onnx import parser
from onnx_models import MAX_LENGTH, exported, runtime, sources
from written_once import written_once

from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.exporters.onnx.attention import FIRST_OPSET, fuse_attention
from keras_seq2seq.exporters.onnx.conversion import _raise_opset
from keras_seq2seq.exporters.onnx.quantization import quantized
from keras_seq2seq.exporters.onnx.simplify import simplify
from keras_seq2seq.exporters.onnx.writer import FILES, write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.onnx_graph import nodes
from keras_seq2seq.inspection.inspect import inspect
from keras_seq2seq.runtimes.onnx import OnnxRuntime

# The opset that is not the default.
pytestmark = pytest.mark.long
NAME = "transformer"
BEAM = BeamSearch(3, 2)
QUANTIZATIONS = ("float32", "float16", "dynamic_int8")
# A step of attention to a memory, as a search has it; {query} tells how many queries there are.
STEP = """
<ir_version: 11, opset_import: ["" : 23]>
main (float[batch, 8] x, float[batch, 2, 4, length] keys, float[batch, 2, length, 4] values)
    => (float[batch, 8] y)
<float[8, 8] w = {{{weights}}}, float scale = {{0.5}}, int64[4] heads = {{-1, 2, {query}, 4}},
 int64[2] merged = {{-1, 8}}, int64 steps = {{3}}, bool go = {{1}}> {{
    y = Loop (steps, go, x) <body = step (int64 i, bool going, float[batch, 8] last)
        => (bool goes_on, float[batch, 8] next) {{
        flat = MatMul (last, w)
        query = Reshape (flat, heads)
        product = MatMul (query, keys)
        scores = Mul (product, scale)
        weights = Softmax (scores)
        read = MatMul (weights, values)
        next = Reshape (read, merged)
        goes_on = Identity (going)
    }}>
}}
"""


def fused():
    """Returns the folder of a model's files of opset 23."""

    def write(folder):
        options = {"beam": BEAM, "onnx_opset": FIRST_OPSET}
        prepared = PreparedExport(exported(NAME).model, MAX_LENGTH, **options)
        assert write_onnx(prepared, folder, QUANTIZATIONS)["opset_version"] == FIRST_OPSET

    return written_once(f"onnx_{FIRST_OPSET}", write)


def files(quantization):
    if quantization == "float32":
        return {name: file for name, file in FILES.items() if "text" not in name}
    named = {name: pathlib.PurePath(file) for name, file in FILES.items()}
    return {name: f"{file.stem}_{quantization}.onnx" for name, file in named.items()}


def kinds(graph):
    return collections.Counter(node.op_type for node in nodes(graph))


def attentions(graph):
    return [node for node in nodes(graph) if node.op_type == "Attention"]


def step(query=1):
    weights = ", ".join(str((i * 7 % 11 - 5) / 4) for i in range(64))
    return parser.parse_model(STEP.format(query=query, weights=weights))


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_each_attention_of_a_translation_is_one_node(quantization):
    found = onnx.load(fused() / files(quantization)["translate_greedy"]).graph
    config = exported(NAME).model.config
    layers = config.num_encoder_layers + 2 * config.num_decoder_layers
    # The weights of the last one are an output.
    assert (kinds(found)["Attention"], kinds(found)["Softmax"]) == (layers - 1, 1)
    # onnxruntime 1.23 refuses empty caches of the node, so these stay outside; 4 is with a mask.
    assert {len(node.input) for node in attentions(found)} == {3, 4}
    assert all(len(node.output) == 1 for node in attentions(found))


@pytest.mark.parametrize("file", ["encoder.onnx", "decoder_step.onnx"])
def test_states_and_steps_are_what_keras_computes(file):
    assert kinds(onnx.load(fused() / file).graph)["Attention"] == 0


@pytest.mark.parametrize(("rows", "length"), [(1, 4), (4, 5), (3, 1)])
def test_the_translations_are_those_of_other_nodes_and_of_keras(rows, length):
    ids = np.concatenate([sources(rows, length), np.zeros((1, length), "int32")])
    paths = {name: fused() / file for name, file in files("float32").items()}
    found, expected = OnnxRuntime(paths, beam=BEAM), exported(NAME)
    same_hypotheses(found.search(ids), expected.onnx.search(ids))
    for strategy in (GREEDY, BEAM):
        given = found.search(ids, strategy), expected.keras.search(ids, strategy)
        same_hypotheses(*given, atol=1e-4)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_quantised_files_translate(quantization):
    found = runtime(fused(), files(quantization)).search(sources(4, 5))
    assert len(found) == 4 and all(np.isfinite(best.score) for best, *_ in found)


@pytest.mark.parametrize("function", ["encode", "decode_step", "translate_greedy"])
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_files_say_what_they_need(function, quantization):
    file = files(quantization)[function]
    proto = onnx.load(fused() / file)
    onnx.checker.check_model(proto, full_check=True)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", FIRST_OPSET)]
    assert [needed.oldest for needed in inspect(fused() / file).requirements] == ["1.23"]


@pytest.mark.parametrize("quantization", ["float32", "dynamic_int8"])
def test_the_node_computes_what_the_others_did(quantization):
    draw = np.random.default_rng(1)
    shapes = {"x": (3, 8), "keys": (3, 2, 4, 5), "values": (3, 2, 5, 4)}
    given = {name: draw.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    plain, changed = step(), step()
    fuse_attention(changed)
    simplify(changed)
    assert kinds(changed.graph)["Attention"] == 1 and kinds(changed.graph)["Softmax"] == 0
    expected, found = (computed(model, quantization, given) for model in (plain, changed))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def computed(model, quantization, given):
    if quantization != "float32":
        model = quantized(model, quantization)
        assert kinds(model.graph)["MatMulInteger"] == 1
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, given)[0]


def test_attention_to_several_queries_stays():
    model = step(query=2)
    fuse_attention(model)
    assert kinds(model.graph) == kinds(step(query=2).graph)


def test_an_operator_with_another_meaning_is_refused():
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> main (float[1, 1, 4] x) => (float[1, 1, 3] y)'
        "{ y = AveragePool <kernel_shape = [2]> (x) }"
    )
    _raise_opset(model, 18)
    with pytest.raises(ValueError, match=r"at most 18 .* become AveragePool\. Received: 23"):
        _raise_opset(model, 23)
