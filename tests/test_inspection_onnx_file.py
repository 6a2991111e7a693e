"""ONNX files of every odd kind, made by hand; onnxruntime is the witness."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

import keras_seq2seq
from keras_seq2seq.inspection.onnx_versions import oldest_onnxruntime

KERNEL = np.arange(12, dtype="float32").reshape(3, 4)


def model(*nodes, weights=(), opsets=(("", 17),), ir_version=8, functions=()):
    """Returns a model that makes y, float32 (batch, 4), from x, float32 (batch, 3)."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])
    nodes = nodes or [helper.make_node("MatMul", ["x", "layer/kernel"], ["y"])]
    tensors = weights or [numpy_helper.from_array(KERNEL, "layer/kernel")]
    graph = helper.make_graph(nodes, "main_graph", [x], [y], tensors)
    imports = [helper.make_opsetid(*opset) for opset in opsets]
    options = {"opset_imports": imports, "ir_version": ir_version, "functions": list(functions)}
    return helper.make_model(graph, producer_name="by hand", **options)


def inspected(tmp_path, made):
    onnx.save(made, tmp_path / "made.onnx")
    return keras_seq2seq.inspect(tmp_path / "made.onnx")


def loads(tmp_path):
    try:
        onnxruntime.InferenceSession(tmp_path / "made.onnx", providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True


def node_of(domain, name="Strange"):
    product = helper.make_node("MatMul", ["x", "layer/kernel"], ["z"])
    return product, helper.make_node(name, ["z"], ["y"], domain=domain)


def test_names_shapes_and_counts(tmp_path):
    found = inspected(tmp_path, model())
    (signature,) = found.signatures
    assert (signature.name, signature.inputs[0].shape) == ("main_graph", (None, 3))
    assert (signature.outputs[0].name, signature.outputs[0].dtype) == ("y", "float32")
    assert [(o.domain, o.name, o.version, o.count) for o in found.operators] == [
        ("ai.onnx", "MatMul", 17, 1)
    ]
    assert (found.parameters, found.tensors[0].bytes, found.tensors[0].layer) == (12, 48, "layer")
    assert found.facts["producer"] == "by hand"
    assert found.problems == () and loads(tmp_path)


def test_bias_without_a_name_goes_with_the_product_that_it_is_added_to(tmp_path):
    bias = numpy_helper.from_array(np.ones(4, "float32"), "Add/input_1")
    kernel = numpy_helper.from_array(KERNEL, "cell/MatMul/input_1")
    found = inspected(
        tmp_path,
        model(
            helper.make_node("MatMul", ["x", "cell/MatMul/input_1"], ["cell/MatMul"]),
            helper.make_node("Add", ["cell/MatMul", "Add/input_1"], ["y"]),
            weights=[kernel, bias],
        ),
    )
    assert [(group.name, group.parameters) for group in found.layers] == [("cell", 16)]


def test_bodies_functions_and_constants_count(tmp_path):
    y = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(KERNEL[0]))
    body = helper.make_graph(
        [constant, helper.make_node("Add", ["z", "c"], ["inner"])], "b", [], [y]
    )
    chosen = helper.make_node("If", ["yes"], ["w"], then_branch=body, else_branch=body)
    halve = helper.make_node("Own", ["w"], ["y"], domain="mine")
    function = helper.make_function(
        "mine",
        "Own",
        ["a"],
        ["b"],
        [helper.make_node("Neg", ["a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    product = helper.make_node("MatMul", ["x", "layer/kernel"], ["z"])
    weights = [numpy_helper.from_array(KERNEL, "layer/kernel")]
    weights.append(numpy_helper.from_array(np.array(True), "yes"))
    opsets = (("", 17), ("mine", 1))
    made = model(product, chosen, halve, weights=weights, opsets=opsets, functions=[function])
    found = inspected(tmp_path, made)
    counts = {operator.name: operator.count for operator in found.operators}
    assert counts == {"Add": 2, "Constant": 2, "If": 1, "MatMul": 1, "Neg": 1, "Own": 1}
    assert found.parameters == 12 + 4 + 4
    assert found.problems == () and loads(tmp_path)
    assert found.facts["functions"] == ["mine:Own"]


@pytest.mark.parametrize(
    ("opsets", "ir_version", "release"),
    [
        ({"ai.onnx": 7}, 3, "0.1"),
        ({"ai.onnx": 13}, 7, "1.6"),
        ({"ai.onnx": 13}, 8, "1.9"),
        ({"ai.onnx": 17, "com.microsoft": 1}, 8, "1.12"),
        ({"ai.onnx": 15, "ai.onnx.ml": 3}, 8, "1.12"),
        ({"ai.onnx": 21}, 10, "1.18"),
        ({"ai.onnx": 22}, 10, "1.21"),
        ({"ai.onnx": 17}, 11, "1.23"),
        ({"ai.onnx": 23}, 11, "1.23"),
        ({"ai.onnx": 26}, 13, None),
    ],
)
def test_oldest_onnxruntime_follows_from_opsets_and_ir_version(opsets, ir_version, release):
    found, reason = oldest_onnxruntime(opsets, ir_version)
    assert found == release
    assert f"opset {opsets['ai.onnx']} of ai.onnx and IR version {ir_version}" in reason
    assert ("take the newest" in reason) == (release is None)


@pytest.mark.parametrize(
    ("node", "opsets", "message", "remedy"),
    [
        (node_of("strange.domain"), (("", 17), ("strange.domain", 1)), "a domain that", "custom"),
        (node_of("ai.onnx.contrib"), (("", 17), ("ai.onnx.contrib", 1)), "stock", "extensions"),
        (node_of("com.microsoft"), (("", 17), ("com.microsoft", 1)), "installed here", "Update"),
        (node_of(""), (("", 17),), "ai.onnx has no operator Strange at opset 17", "replace"),
        (node_of("", "Upsample"), (("", 17),), "removed the operator Upsample", "replacement"),
        (node_of("", "Gelu"), (("", 17),), "no operator Gelu at opset 17", "an opset that has it"),
        (node_of("ai.onnx.ml"), (("", 17),), "imports no opset of ai.onnx.ml", "Export"),
    ],
)
def test_foreign_operators_are_named_and_onnxruntime_refuses_them(
    tmp_path, node, opsets, message, remedy
):
    (problem,) = inspected(tmp_path, model(*node, opsets=opsets)).problems
    assert problem.operator == node[1].op_type
    assert message in problem.message and remedy in problem.remedy
    assert not loads(tmp_path)


def test_too_old_an_opset_is_a_problem(tmp_path):
    found = inspected(tmp_path, model(opsets=(("", 6),), ir_version=3))
    assert "loads opset 7 and above. Received: 6." in found.problems[0].message


def quantized(tmp_path):
    """Writes an LSTM and a product as onnxruntime quantizes them, with a scale a channel."""
    draw = np.random.default_rng(0)
    shapes = {"rnn/kernel": (1, 16, 3), "rnn/recurrent": (1, 16, 4), "out/kernel": (4, 4)}
    weights = [
        numpy_helper.from_array(draw.normal(size=shape).astype("float32"), name)
        for name, shape in shapes.items()
    ]
    weights.append(numpy_helper.from_array(np.array([1]), "first"))
    weights.append(numpy_helper.from_array(np.array([0]), "directions"))
    recurrent = ["long", "rnn/kernel", "rnn/recurrent"]
    made = model(
        helper.make_node("Unsqueeze", ["x", "first"], ["long"]),
        helper.make_node("LSTM", recurrent, ["", "h"], hidden_size=4),
        helper.make_node("Squeeze", ["h", "directions"], ["z"]),
        helper.make_node("MatMul", ["z", "out/kernel"], ["y"]),
        weights=weights,
    )
    onnx.save(made, tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "made.onnx", per_channel=True)


def test_file_of_onnxruntimes_quantizer_says_what_is_int8_and_where_it_runs(tmp_path):
    quantized(tmp_path)
    found = keras_seq2seq.inspect(tmp_path / "made.onnx")
    domains = {operator.name: operator.domain for operator in found.operators}
    assert domains["DynamicQuantizeLSTM"] == "com.microsoft"
    assert domains["MatMulInteger"] == "ai.onnx"
    small = {t.name: (t.dtype, t.bytes, t.scales) for t in found.tensors if t.scales}
    assert small == {
        "rnn/kernel_quantized": ("int8", 48, 16),
        "rnn/recurrent_quantized": ("int8", 64, 16),
        "out/kernel_quantized": ("int8", 16, 4),
    }
    assert found.parameters == keras_seq2seq.inspect(tmp_path / "float.onnx").parameters
    assert found.problems == () and loads(tmp_path)
    assert "com.microsoft are in the stock onnxruntime" in found.notes[0]
    assert "in no other ONNX" in str(found)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [(KERNEL.astype("float16"), "float16"), (KERNEL.astype("int8"), "int8")],
)
def test_dtype_and_bytes_of_weights(tmp_path, array, dtype):
    made = model()
    made.graph.initializer.append(numpy_helper.from_array(array, "other/kernel"))
    tensor = inspected(tmp_path, made).tensors[1]
    assert (tensor.dtype, tensor.bytes, tensor.parameters) == (dtype, array.nbytes, 12)


def external(tmp_path):
    large = np.ones((3, 4), "float32")
    made = model(weights=[numpy_helper.from_array(large, "layer/kernel")])
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(made, tmp_path / "made.onnx", **options)
    return made


def test_weights_beside_the_file_are_counted_and_not_read(tmp_path):
    external(tmp_path)
    found = keras_seq2seq.inspect(tmp_path / "made.onnx")
    assert (found.parameters, found.tensors[0].bytes, found.problems) == (12, 48, ())
    assert found.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize("size", [None, 10])
def test_weights_beside_the_file_that_are_missing_or_cut_short_are_named(tmp_path, size):
    external(tmp_path)
    path = tmp_path / "weights.bin"
    path.unlink() if size is None else path.write_bytes(b"x" * size)
    (problem,) = keras_seq2seq.inspect(tmp_path / "made.onnx").problems
    assert "weights.bin, at least 48 bytes" in problem.message
    assert not loads(tmp_path)


def test_weights_outside_the_folder_are_a_problem(tmp_path):
    made = external(tmp_path)
    entry = next(e for e in made.graph.initializer[0].external_data if e.key == "location")
    entry.value = "../weights.bin"
    (tmp_path / "made.onnx").write_bytes(made.SerializeToString())
    (problem,) = keras_seq2seq.inspect(tmp_path / "made.onnx").problems
    assert "must be in the folder of the model. Received: '../weights.bin'" in problem.message


def test_sizes_that_lie_are_refused(tmp_path):
    made = model()
    made.graph.initializer[0].dims[0] = 10**9
    with pytest.raises(ValueError, match=r"sizes they state.*layer/kernel has 48 bytes"):
        inspected(tmp_path, made)
    tensor = helper.make_tensor("layer/kernel", TensorProto.FLOAT, [1], [2.0])
    tensor.dims[0] = 10**9
    with pytest.raises(ValueError, match="layer/kernel has 1 numbers for shape"):
        inspected(tmp_path, model(weights=[tensor]))


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "text.onnx"
    for content in (b"", b"no model, but some text\n", b"\x08\x08"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"An ONNX file must .*text\.onnx"):
            keras_seq2seq.inspect(path)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    content = model().SerializeToString()
    path = tmp_path / "cut.onnx"
    for end in range(0, len(content) - 1, 7):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"An ONNX file must .*cut\.onnx"):
            keras_seq2seq.inspect(path)


def with_bad_numbers(dtype, *, raw):
    values = np.ones((3, 4))
    values[0, :2] = np.nan
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    if raw:
        return numpy_helper.from_array(values.astype(kind), "bad/kernel")
    return helper.make_tensor("bad/kernel", dtype, [3, 4], values.astype(kind).ravel())


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    "dtype",
    [
        *(TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16),
        TensorProto.FLOAT8E5M2,
    ],
)
def test_numbers_that_are_not_finite_are_counted_wherever_they_lie(tmp_path, dtype, raw):
    made = model()
    made.graph.initializer.append(with_bad_numbers(dtype, raw=raw))
    (problem,) = inspected(tmp_path, made).problems
    assert "NaN or infinity in bad/kernel (2 of 12)." in problem.message
    assert "before the training diverged" in problem.remedy


def test_one_number_of_a_search_may_be_nan_and_a_scale_may_not(tmp_path):
    made = model()
    for name, value in (("a", np.nan), ("b", [-np.inf]), ("x_scale", np.nan)):
        made.graph.initializer.append(numpy_helper.from_array(np.array(value, "float32"), name))
    found = inspected(tmp_path, made)
    assert found.problems == ()
    assert [tensor.not_finite for tensor in found.tensors] == [0, 1, 1, 1]
    made.graph.initializer.append(numpy_helper.from_array(np.ones(3, "int8"), "x_quantized"))
    (problem,) = inspected(tmp_path, made).problems
    assert "infinity in x_scale (1 of 1)." in problem.message
