"""LiteRT files of every quantization; the runtime is the witness."""

import functools
import re
import struct

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter, schema_py_generated
from conftest import run_python
from exported_models import LONGEST_SOURCE, exported

import keras_seq2seq
from keras_seq2seq.exporters.litert.packing import packed, unpacked
from keras_seq2seq.inspection.litert_callers import WRONG_FACTORS
from keras_seq2seq.runtimes.silence import silence

ROWS, COLUMNS = 64, 48
KERNEL = np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype("float32")


def difference(x):
    """A kernel, and an operator of another version in int8 than in float32."""
    product = tf.matmul(x, tf.constant(KERNEL))
    return {"y": tf.math.squared_difference(product, tf.reverse(product, [1]))}


def rolled(x):
    return {"y": tf.roll(x, 1, 1)}


def samples():
    draw = np.random.default_rng(0)
    for _ in range(4):
        yield {"x": draw.normal(size=(1, ROWS)).astype("float32")}


@functools.cache
def converted(kind):
    """Returns the bytes of a file: float32, float16, dynamic_int8, int8 or flex."""
    with tf.init_scope(), silence():
        spec = tf.TensorSpec((None if kind == "flex" else 1, ROWS), name="x")
        run = tf.function(rolled if kind == "flex" else difference).get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([run], tf.Module())
        if kind == "flex":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
        elif kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.representative_dataset = samples
        return converter.convert()


def inspected(tmp_path, kind):
    path = tmp_path / f"{kind}.tflite"
    path.write_bytes(converted(kind))
    return keras_seq2seq.inspect(path)


@pytest.mark.parametrize(
    ("kind", "dtype", "size", "scales"),
    [
        ("float32", "float32", 4, 0),
        ("float16", "float16", 2, 0),
        ("dynamic_int8", "int8", 1, COLUMNS),
        ("int8", "int8", 1, COLUMNS),
    ],
)
def test_dtype_bytes_and_scales_of_a_kernel(tmp_path, kind, dtype, size, scales):
    found = inspected(tmp_path, kind)
    kernel = max(found.tensors, key=lambda tensor: tensor.parameters)
    assert (kernel.dtype, kernel.scales) == (dtype, scales)
    assert (kernel.parameters, kernel.bytes) == (ROWS * COLUMNS, size * ROWS * COLUMNS)
    assert found.problems == ()
    assert sum(tensor.bytes for tensor in found.tensors) < found.bytes


@pytest.mark.parametrize(
    ("kind", "operator", "version", "oldest"),
    [
        # The releases that TensorFlow's table gives these versions of the operators.
        ("float32", "SQUARED_DIFFERENCE", 1, "1.14.0"),
        ("float16", "DEQUANTIZE", 3, "1.15.0"),
        ("int8", "SQUARED_DIFFERENCE", 2, "2.5.0"),
        ("dynamic_int8", "FULLY_CONNECTED", 12, "2.17.0"),
    ],
)
def test_oldest_runtime_follows_from_the_versions_of_the_operators(
    tmp_path, kind, operator, version, oldest
):
    found = inspected(tmp_path, kind)
    assert {o.name: o.version for o in found.operators}[operator] == version
    assert found.requirements[0].oldest == oldest


def test_flex_operators_are_named_and_the_stock_runtime_refuses_them(tmp_path):
    found = inspected(tmp_path, "flex")
    problem = next(p for p in found.problems if p.operator == "FlexRoll")
    assert "TensorFlow's own kernel" in problem.message and "Flex delegate" in problem.remedy
    assert {o.domain for o in found.operators if o.name.startswith("Flex")} == {"flex"}
    model = interpreter.Interpreter(model_content=converted("flex"))
    with pytest.raises(RuntimeError, match="FlexRoll"):
        model.allocate_tensors()


def changed(kind, change):
    """Returns a file whose tables were changed and packed again."""
    import flatbuffers

    model = schema_py_generated.ModelT.InitFromPackedBuf(converted(kind), 0)
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_custom_and_unknown_operators_are_problems(tmp_path):
    def change(model):
        model.operatorCodes[0].builtinCode = schema_py_generated.BuiltinOperator.CUSTOM
        model.operatorCodes[0].deprecatedBuiltinCode = 32
        model.operatorCodes[0].customCode = b"MyOp"
        model.operatorCodes[1].builtinCode = 9999

    path = tmp_path / "foreign.tflite"
    path.write_bytes(changed("float32", change))
    problems = keras_seq2seq.inspect(path).problems
    messages = {problem.operator: problem.message for problem in problems}
    assert "is a custom operator" in messages["MyOp"]
    assert "not in the schema" in messages["operator 9999"]


def test_file_without_metadata_and_signatures_says_so(tmp_path):
    def change(model):
        model.metadata, model.signatureDefs = [], []

    path = tmp_path / "bare.tflite"
    path.write_bytes(changed("float32", change))
    found = keras_seq2seq.inspect(path)
    assert found.requirements[0].oldest is None
    assert "is missing or empty" in found.requirements[0].reason
    assert found.signatures[0].name == "main" and "no signatures" in found.notes[0]
    assert [len(found.signatures[0].inputs), len(found.signatures[0].outputs)] == [1, 1]


def test_sizes_that_lie_are_refused(tmp_path):
    def change(model):
        kernel = max(model.subgraphs[0].tensors, key=lambda tensor: np.prod(tensor.shape))
        kernel.shape = [10**6, 10**6]

    path = tmp_path / "liar.tflite"
    path.write_bytes(changed("float32", change))
    with pytest.raises(ValueError, match=r"sizes that agree.*liar.*has 12288 bytes for shape"):
        keras_seq2seq.inspect(path)


def test_a_buffer_beyond_the_file_is_refused_though_nothing_reads_it(tmp_path):
    content = bytearray(
        changed("float32", lambda m: m.buffers.append(schema_py_generated.BufferT()))
    )
    table = schema_py_generated.Model.GetRootAs(content)._tab
    buffers = table.Offset(4 + 2 * 4)  # the fifth field of the schema's Model
    last = table.Vector(buffers) + 4 * (table.VectorLen(buffers) - 1)
    struct.pack_into("<I", content, last, 0x7FFFF000)
    path = tmp_path / "beyond.tflite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"A LiteRT file must be complete.*beyond\.tflite"):
        keras_seq2seq.inspect(path)


@pytest.mark.parametrize("content", [b"", b"no model, but some text"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "other.tflite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"must have b'TFL3'.*other\.tflite"):
        keras_seq2seq.inspect(path)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    content = converted("float32")
    path = tmp_path / "cut.tflite"
    for end in range(8, len(content) - 16, len(content) // 40):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"A LiteRT file must be complete.*cut\.tflite"):
            keras_seq2seq.inspect(path)


CHECK = """
import sys
import keras_seq2seq
text = str(keras_seq2seq.inspect(sys.argv[1]))
assert "squared_difference" in text.lower()
loaded = {name.split(".")[0] for name in sys.modules} & {"keras", "tensorflow"}
assert not loaded, loaded
"""


def test_tensorflow_is_not_needed(tmp_path):
    inspected(tmp_path, "float32")
    run_python(CHECK, tmp_path / "float32.tflite")


def test_numbers_and_scales_that_are_not_finite_are_named(tmp_path):
    def spoil_numbers(model):
        tensors = model.subgraphs[0].tensors
        kernel = max(tensors, key=lambda tensor: np.prod(tensor.shape))
        buffer = model.buffers[kernel.buffer]
        values = np.frombuffer(bytes(buffer.data), "<f4").copy()
        values[5:8] = np.nan, np.inf, -np.inf
        buffer.data = np.frombuffer(values.tobytes(), "u1")

    def spoil_scale(model):
        tensors = (tensor for tensor in model.subgraphs[0].tensors if tensor.quantization)
        kernel = max(tensors, key=lambda tensor: np.size(tensor.quantization.scale))
        scales = kernel.quantization.scale.copy()
        scales[1] = np.inf
        kernel.quantization.scale = scales

    path = tmp_path / "spoilt.tflite"
    for kind, change, count in (
        ("float32", spoil_numbers, 3),
        ("dynamic_int8", spoil_scale, ROWS),
    ):
        path.write_bytes(changed(kind, change))
        (problem,) = keras_seq2seq.inspect(path).problems
        assert f" ({count} of {ROWS * COLUMNS})." in problem.message


def taken(found):
    return {one.name: (one.takes, one.oldest, one.reason) for one in found.callers}


def saved(tmp_path, function, *shape, dtype=tf.int32):
    with tf.init_scope(), silence():
        spec = tf.TensorSpec(shape, dtype, name="x")
        run = tf.function(function).get_concrete_function(spec)
        content = tf.lite.TFLiteConverter.from_concrete_functions([run], tf.Module()).convert()
    path = tmp_path / "one.tflite"
    path.write_bytes(content)
    return keras_seq2seq.inspect(path)


def test_every_api_takes_fixed_shapes_of_common_types(tmp_path):
    found = taken(saved(tmp_path, lambda x: {"y": x * 2}, 1, 4))
    assert [takes for takes, *_ in found.values()] == [True] * 5
    oldest = {name: oldest for name, (_, oldest, _) in found.items()}
    assert oldest["TensorFlowLiteSwift 2.17 (iOS)"] == "2.17.0"
    assert (oldest["CompiledModel"], oldest["LiteRT.js"]) == ("1.3.0", "2.0.0")
    reason = "they reach the first subgraph alone: serving_default(x)"
    assert found["callers without signatures"][2] == reason


def test_open_shapes_are_for_interpreters_alone(tmp_path):
    found = taken(saved(tmp_path, lambda x: {"y": x * 2}, 1, None))
    assert found["Interpreter, by signature"][0] and found["TensorFlowLiteSwift 2.17 (iOS)"][0]
    for name in ("CompiledModel", "LiteRT.js", "callers without signatures"):
        reason = "x of serving_default has an open shape, and 1 more"
        assert found[name] == (False, None, reason)


@pytest.mark.parametrize(
    ("dtype", "refusing"),
    [
        ("bool", {"LiteRT.js"}),
        ("int64", {"LiteRT.js"}),
        ("int8", {"LiteRT.js", "TensorFlowLiteSwift 2.17 (iOS)"}),
    ],
)
def test_types_at_the_borders_decide(tmp_path, dtype, refusing):
    found = taken(saved(tmp_path, lambda x: {"y": tf.cast(x, dtype)}, 1, 4))
    assert {name for name, (takes, *_) in found.items() if not takes} == refusing
    assert found["LiteRT.js"][2] == f"y of serving_default is {dtype}"


def test_operators_after_2_17_are_not_for_ios(tmp_path):
    def change(model):
        model.operatorCodes[0].version = 99

    path = tmp_path / "newer.tflite"
    path.write_bytes(changed("float32", change))
    takes, oldest, reason = taken(keras_seq2seq.inspect(path))["TensorFlowLiteSwift 2.17 (iOS)"]
    assert (takes, oldest) == (False, None) and "is of version 99, it has up to" in reason


def test_foreign_operators_are_for_nobody(tmp_path):
    found = taken(inspected(tmp_path, "flex"))
    assert not any(takes for takes, *_ in found.values())
    assert all(" is no builtin operator" in reason for *_, reason in found.values())


@pytest.mark.long
def test_files_that_export_writes_are_for_every_api_but_the_steps():
    folder = exported("gru_general").folder / "litert"
    for quantization in ("float32", "dynamic_int8"):
        found = taken(keras_seq2seq.inspect(folder / f"model_{quantization}.tflite"))
        assert all(takes for takes, *_ in found.values()), found
        first = f"translate_greedy_{LONGEST_SOURCE}(source_ids)"
        assert first in found["callers without signatures"][2]
    steps = taken(keras_seq2seq.inspect(folder / "steps_float32.tflite"))
    assert [takes for takes, *_ in steps.values()] == [True, True, False, False, False]


def product_of_matrices(tmp_path, zero_point, place=0):
    """Inspects a product of two int8 matrices, whose second one is the tensor at a place."""
    saved(tmp_path, lambda x: {"y": tf.matmul(x, x)}, 2, 4, 4, dtype=tf.float32)
    path = tmp_path / "one.tflite"
    model = unpacked(path.read_bytes())
    (graph,) = model.subgraphs
    (product,) = graph.operators
    factor = graph.tensors[product.inputs[1]]
    factor.type = schema_py_generated.TensorType.INT8
    factor.quantization = schema_py_generated.QuantizationParametersT()
    factor.quantization.scale = np.array([0.1], "float32")
    factor.quantization.zeroPoint = np.array([zero_point])
    product.inputs = np.array([product.inputs[0], place or product.inputs[1]], "int32")
    path.write_bytes(packed(model))
    return keras_seq2seq.inspect(path)


@pytest.mark.parametrize(("zero_point", "note"), [(0, ""), (5, WRONG_FACTORS)])
def test_products_that_an_xnnpack_computes_wrongly_are_named(tmp_path, zero_point, note):
    found = taken(product_of_matrices(tmp_path, zero_point))
    takes, _, reason = found.pop("Interpreter, by signature")
    assert takes and reason == note
    assert all(reason != WRONG_FACTORS for *_, reason in found.values())


@pytest.mark.parametrize("place", [-2, 1_000_000])
def test_a_product_of_what_is_not_there_is_refused(tmp_path, place):
    with pytest.raises(ValueError, match="must be complete, with sizes that agree"):
        product_of_matrices(tmp_path, 0, place)


def test_report_names_the_apis(tmp_path):
    text = str(saved(tmp_path, lambda x: {"y": x > 2}, 1, 4))
    assert "called by" in text and "@litertjs/core" not in text
    assert re.search(r"LiteRT\.js +no +y of serving_default is bool", text)
    assert re.search(r"CompiledModel +yes +ai-edge-litert 1\.3\.0", text)
    found = saved(tmp_path, lambda x: {"y": x > 2}, 1, 4).to_dict()["callers"]
    assert {"name", "takes", "runtime", "oldest", "reason"} == set(found[0])
