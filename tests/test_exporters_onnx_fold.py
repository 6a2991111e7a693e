import numpy as np
import onnx
import pytest
from onnx import helper

from keras_seq2seq.exporters.onnx.fold import fold
from keras_seq2seq.exporters.onnx.weights import Numbers, Weights

TABLE = np.arange(24, dtype="float32").reshape(4, 6)
CASES = {
    "Transpose": ([], {"perm": [1, 0]}, [TABLE.T]),
    "Identity": ([], {}, [TABLE]),
    "Reshape": ([np.array([3, -1])], {}, [TABLE.reshape(3, 8)]),
    "Unsqueeze": ([np.array([1])], {}, [TABLE[:, None]]),
    "Mul": ([np.array(2, "float32")], {}, [2 * TABLE]),
    "Split": ([np.array([2, 4])], {"axis": 1}, [TABLE[:, :2], TABLE[:, 2:]]),
}


def graph(kind, others, attributes, outputs):
    """Returns a graph of a node over a weight and a sum with an input, and the weights."""
    weights = Weights()
    names = [f"other_{i}" for i in range(len(others))]
    made = [f"made_{i}" for i in range(outputs)]
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in "xy")
    nodes = [
        helper.make_node(kind, ["table", *names], made, **attributes),
        helper.make_node("Sum", ["x", *made], ["y"]),
    ]
    constants = [weights.tensor(Numbers.of(TABLE), "table")]
    constants += [onnx.numpy_helper.from_array(o, n) for o, n in zip(others, names, strict=True)]
    return helper.make_graph(nodes, "g", [x], [y], constants), weights


@pytest.mark.parametrize("kind", CASES)
def test_what_depends_on_weights_alone_is_computed(kind):
    others, attributes, expected = CASES[kind]
    found, weights = graph(kind, others, attributes, len(expected))
    fold(found, weights)
    assert [node.op_type for node in found.node] == ["Sum"]
    tensors = {tensor.name: tensor for tensor in found.initializer}
    for i, array in enumerate(expected):
        tensor = tensors[f"made_{i}"]
        assert tuple(tensor.dims) == array.shape
        np.testing.assert_array_equal(weights.array(tensor), array)


def test_what_depends_on_an_input_stays():
    found, weights = graph("Transpose", [], {"perm": [1, 0]}, 1)
    found.node[0].input[0] = "x"
    fold(found, weights)
    assert [node.op_type for node in found.node] == ["Transpose", "Sum"]


def test_rows_of_a_view_are_those_of_the_whole():
    numbers = Numbers.seen(TABLE.dtype, (6, 4), lambda: TABLE.T)
    np.testing.assert_array_equal(numbers.rows(2, 5), TABLE.T[2:5])
    assert b"".join(numbers.chunks()) == TABLE.T.tobytes()
