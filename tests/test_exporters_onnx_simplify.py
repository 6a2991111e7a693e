import numpy as np
import onnx
import onnxruntime
import pytest

from keras_seq2seq.exporters.onnx.simplify import simplify
from keras_seq2seq.file_formats.onnx_graph import nodes

HEAD = '<ir_version: 8, opset_import: ["": 17]>'
LOOP = """
agraph (float[n, 2] x, float[n, 2] k) => (float[n, 2] y, float[n, 2] z)
<int64 trips = {3}, bool go = {1}, float[2] two = {2, 2}> {
    y, kept = Loop (trips, go, x, k) <body = step (
        int64 i, bool c, float[n, 2] a, float[n, 2] b) => (
        bool c2, float[n, 2] a2, float[n, 2] b2) {
        c2 = Identity (c)
        double = Mul (b, two)
        a2 = Add (a, double)
        b2 = Identity (b)
    }>
    z = Neg (kept)
}
"""
INPUTS = {"x": np.eye(2, dtype="float32"), "k": np.array([[1, 2], [3, 4]], "float32")}


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)


def simplified(text, inputs):
    """Returns the simplified model, after a check that it computes what it did."""
    model = onnx.parser.parse_model(HEAD + text)
    before = run(model, inputs)
    simplify(model)
    onnx.checker.check_model(model, full_check=True)
    for got, wanted in zip(run(model, inputs), before, strict=True):
        np.testing.assert_array_equal(got, wanted)
    return model


def kinds(model):
    return [node.op_type for node in nodes(model.graph)]


def test_what_a_loop_does_not_change_is_outside():
    model = simplified(LOOP, INPUTS)
    assert kinds(model) == ["Mul", "Loop", "Neg", "Identity", "Add"]
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    assert (len(loop.input), len(loop.output)) == (3, 1)


def test_an_invariant_that_is_an_output_of_the_graph_stays():
    text = LOOP.replace("y, kept =", "y, z =").replace("z = Neg (kept)", "")
    assert kinds(simplified(text, INPUTS)).count("Mul") == 1


SLICE = """
agraph (float[n, 1, 4] x) => (float[a, b, c] y)
<int64[2] starts = {0, %d}, int64[2] ends = {1000000000, %d}, int64[2] axes = {0, %d}> {
    part = Slice (x, starts, ends, axes)
    y = Neg (part)
}
"""


@pytest.mark.parametrize(
    ("slice", "kept"),
    [((0, 1, 1), 0), ((0, 4, 2), 0), ((0, 3, 2), 1), ((1, 4, 2), 1), ((0, -1, 2), 1)],
)
def test_a_slice_is_dropped_only_if_it_keeps_all(slice, kept):
    x = np.arange(8, dtype="float32").reshape(2, 1, 4)
    assert kinds(simplified(SLICE % slice, {"x": x})).count("Slice") == kept


def test_equal_constants_and_transposes_are_stored_once():
    text = """
    agraph (float[n, 2] x) => (float[n, 2] y)
    <float[2, 3] a = {1, 2, 3, 4, 5, 6}, float[2, 3] b = {1, 2, 3, 4, 5, 6},
     float[3, 2] c = {1, 4, 2, 5, 3, 6}> {
        p = MatMul (x, a)
        q = MatMul (x, b)
        s = Add (p, q)
        y = MatMul (s, c)
    }
    """
    model = simplified(text, {"x": np.eye(2, dtype="float32")})
    assert len(model.graph.initializer) == 1
    assert kinds(model).count("Transpose") == 1


SIGNED = """
agraph (int32[n] ids) => (float[n, 2] y)
<float[3, 2] table = {1, 2, 3, 4, 5, 6}, int32 zero = {0}, int32 size = {%d}> {
    below = Less (ids, zero)
    added = Add (ids, size)
    chosen = Where (below, added, ids)
    y = Gather (table, chosen)
}
"""


@pytest.mark.parametrize(("size", "expected"), [(3, 1), (2, 4)])
def test_ids_are_not_made_positive_for_a_gather_that_does_so(size, expected):
    model = simplified(SIGNED % size, {"ids": np.array([2, 0, -1], "int32")})
    assert len(kinds(model)) == expected


OPEN_TABLE = """
agraph (float[n, 2] table, int32[m] ids) => (float[m, 2] y)
<int32 zero = {0}, int64[1] first = {%d}, int64[1] last = {%d}, int64[1] axis = {0}> {
    shape = Shape (table)
    sizes = Cast <to = 6> (shape)
    one = Slice (sizes, first, last, axis)
    size = Squeeze (one, axis)
    below = Less (ids, zero)
    added = Add (ids, size)
    chosen = Where (below, added, ids)
    y = Gather (table, chosen)
}
"""


@pytest.mark.parametrize(("axis", "expected"), [(0, 1), (1, 8)])
def test_ids_into_a_table_of_any_size_are_used_as_they_are(axis, expected):
    inputs = {"table": np.eye(3, 2, dtype="float32"), "ids": np.array([0, -1, 2], "int32")}
    model = simplified(OPEN_TABLE % (axis, axis + 1), inputs)
    assert len(kinds(model)) == expected


@pytest.mark.parametrize(("shape", "reshapes"), [([-1, 2, 6], 0), ([-1, 2, 2, 3], 2)])
def test_a_tensordot_is_one_product_unless_its_reshape_splits_into_heads(shape, reshapes):
    weights = np.arange(24, dtype="float32").reshape(4, 6)
    constants = {"rows": np.array([-1, 4]), "shape": np.array(shape), "weights": weights}
    given, made = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, axes)
        for name, axes in (("x", ["n", 2, 4]), ("y", [None] * len(shape)))
    )
    layer = "layer/Tensordot/"
    steps = [
        ("Reshape", ["x", "rows"], f"{layer}flat"),
        ("MatMul", [f"{layer}flat", "weights"], f"{layer}product"),
        ("Reshape", [f"{layer}product", "shape"], "split"),
        ("Neg", ["split"], "y"),
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, read, [name]) for kind, read, name in steps],
        "agraph",
        [given],
        [made],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    inputs = {"x": np.arange(24, dtype="float32").reshape(3, 2, 4)}
    (wanted,) = run(model, inputs)
    simplify(model)
    (received,) = run(model, inputs)
    np.testing.assert_array_equal(received, wanted)
    assert kinds(model).count("Reshape") == reshapes


AXES = """
agraph (float[n, 1, 1, 2] x) => (float[a, b, c, d] y)
<int64[1] first = {%d}, int64[1] last = {%d}> {
    inner = Squeeze (x, first)
    outer = Unsqueeze (inner, last)
    y = Neg (outer)
}
"""


@pytest.mark.parametrize(("axes", "kept"), [((1, 1), 0), ((2, 2), 0), ((1, 0), 2), ((1, -3), 2)])
def test_an_axis_that_is_dropped_and_made_again_stays(axes, kept):
    x = np.arange(6, dtype="float32").reshape(3, 1, 1, 2)
    assert len(kinds(simplified(AXES % axes, {"x": x}))) == kept + 1


def test_an_axis_that_is_made_and_dropped_is_not_made():
    text = AXES.replace("Squeeze (x", "Unsqueeze (x").replace("Unsqueeze (inner", "Squeeze (inner")
    model = simplified(text % (1, 1), {"x": np.ones((3, 1, 1, 2), "float32")})
    assert kinds(model) == ["Neg"]
