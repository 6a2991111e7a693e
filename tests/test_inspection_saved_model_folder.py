"""SavedModels with operators that the stock server has and has not."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import last_json, run_python
from tensorflow.core.protobuf import saved_model_pb2

import keras_seq2seq
from keras_seq2seq.inspection.serving_operators import TEXT_OPERATORS, TEXT_PREFIX, domain_of
from keras_seq2seq.runtimes.silence import silence


class Scaled(tf.Module):
    """Multiplies by a matrix of variables."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.ones((3, 2)), name="layer/kernel")
        self.steps = tf.Variable(0, name="steps")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x")])
    def run(self, x):
        large = tf.constant(np.arange(600, dtype="float32"))
        return {"y": tf.matmul(x, self.kernel) + tf.reduce_sum(large)}


class InPython(tf.Module):
    """Calls NumPy."""

    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x")])
    def run(self, x):
        return {"y": tf.numpy_function(np.sin, [x], tf.float32)}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Folders of a SavedModel of each kind; do not change them."""
    root = tmp_path_factory.mktemp("originals")
    with silence():
        for module in (Scaled(), InPython()):
            folder = root / type(module).__name__
            tf.saved_model.save(module, str(folder), signatures={"run": module.run})
    return root


@pytest.fixture
def folder(originals, tmp_path):
    shutil.copytree(originals / "Scaled", tmp_path / "saved" / "1")
    return tmp_path / "saved" / "1"


def test_signatures_variables_and_versions(folder):
    found = keras_seq2seq.inspect(folder)
    (signature,) = found.signatures
    assert (signature.name, signature.inputs[0].shape) == ("run", (None, 3))
    assert signature.outputs[0].dtype == "float32"
    stored = {
        tensor.name: (tensor.dtype, tensor.parameters, tensor.bytes) for tensor in found.tensors
    }
    assert stored["layer/kernel"] == ("float32", 6, 24)
    assert stored["steps"] == ("int32", 0, 4)
    assert ("float32", 600, 2400) in stored.values()
    assert found.facts["tensorflow_version"] == found.requirements[0].oldest == tf.__version__
    assert "min_consumer 12 does not name a release" in found.requirements[0].reason
    assert {o.domain for o in found.operators} == {"tensorflow"} and found.problems == ()
    assert found.bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_newest_version_of_a_served_folder_is_taken(folder):
    shutil.copytree(folder, folder.parent / "10")
    shutil.copytree(folder, folder.parent / "9")
    assert keras_seq2seq.inspect(folder.parent).path == str(folder.parent / "10")


def test_unknown_operators_are_named(folder):
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "MatMul":
                node.op = "MyMatMul"
    path.write_bytes(saved.SerializeToString())
    (problem,) = keras_seq2seq.inspect(folder).problems
    assert problem.operator == "MyMatMul"
    assert "the stock TensorFlow Serving lacks it" in problem.message
    assert "library linked in" in problem.remedy


def test_python_functions_are_named(originals):
    (problem,) = keras_seq2seq.inspect(originals / "InPython").problems
    assert problem.operator in ("PyFunc", "EagerPyFunc", "PyFuncStateless")
    assert "calls Python code" in problem.message and "numpy_function" in problem.remedy


def test_a_damaged_folder_is_refused(folder):
    graph = folder / "saved_model.pb"
    content = graph.read_bytes()
    for damaged in (b"", b"some text", content[: len(content) // 2]):
        graph.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"saved_model\.pb must .*Received: .*saved_model\.pb"):
            keras_seq2seq.inspect(folder)


def test_variables_that_are_cut_short_are_refused(folder):
    (data,) = folder.glob("variables/variables.data-*")
    data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(ValueError, match="must be complete, at least 28 bytes. Received: 10 bytes"):
        keras_seq2seq.inspect(folder)


REGISTERED = """
import json
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session as session

def registered():
    content = session.TF_GetBuffer(session.TF_GetAllOpList())
    return {operator.name for operator in op_def_pb2.OpList.FromString(content).op}

before = registered()
import tensorflow_text
print(json.dumps(sorted(registered() - before)))
"""


@pytest.mark.long
def test_operators_of_tensorflow_text_are_those_that_it_registers():
    pytest.importorskip("tensorflow_text")
    found = set(last_json(run_python(REGISTERED)))
    assert {name for name in found if not name.startswith(TEXT_PREFIX)} == TEXT_OPERATORS
    assert {domain_of(name) for name in found} == {"tensorflow_text"}
    assert (domain_of("MatMul"), domain_of("MyMatMul")) == ("tensorflow", "custom")


@pytest.mark.parametrize("fields", ["tensor_content", "float_val", "half_val", "one for all"])
def test_constants_that_are_not_finite_are_named(folder, fields):
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    values = np.ones(4, "float16" if fields == "half_val" else "float32")
    values[:2] = np.nan, np.inf
    node = functions[0].node_def.add(name="layer/bad", op="Const")
    constant = tf.make_tensor_proto(values)
    if fields != "tensor_content":
        constant.tensor_content = b""
        if fields == "half_val":
            constant.half_val.extend(values.view("u2").tolist())
        else:
            constant.float_val.extend(values[:1] if fields == "one for all" else values)
    node.attr["value"].tensor.CopyFrom(constant)
    alone = functions[0].node_def.add(name="alone", op="Const")
    alone.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(np.nan)))
    path.write_bytes(saved.SerializeToString())
    (problem,) = keras_seq2seq.inspect(folder).problems
    count = 4 if fields == "one for all" else 2
    assert f"NaN or infinity in layer/bad ({count} of 4)." in problem.message


def test_a_constant_of_half_a_number_is_refused(folder):
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    node = saved.meta_graphs[0].graph_def.node.add(name="layer/cut", op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ones(4, "float32")))
    node.attr["value"].tensor.tensor_content = b"12345"
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(ValueError, match="the bytes of whole numbers. Received: layer/cut in"):
        keras_seq2seq.inspect(folder)
