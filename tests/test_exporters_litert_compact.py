"""What is left out of a LiteRT file is not missed; the runtime says that it computes the same."""

import numpy as np
import pytest
import tensorflow as tf
from test_exporters_litert_fast_operators import RESOLVERS, converted, names, run

from keras_seq2seq.exporters.litert.compact import FEWEST_BYTES, compact
from keras_seq2seq.exporters.litert.packing import packed, unpacked
from keras_seq2seq.inspection.litert_model import LiteRTModel


def counted(zeros):
    """Returns a function that adds its input to zeros, as often as the first number says."""

    def call(x):
        def add(i, sums):
            return i + 1, sums + x

        _, sums = tf.while_loop(lambda i, sums: i < x[0], add, (0.0, tf.zeros(zeros)))
        return sums + tf.linalg.matvec(tf.zeros((zeros, zeros)), x)

    return call


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_zeros_of_a_loop_are_made_when_it_begins(resolver):
    size = FEWEST_BYTES
    content = converted(counted(size), (size,))
    small = packed(compact(unpacked(content)))
    assert len(small) < len(packed(unpacked(content))) - 2 * size
    assert names(small).count("FILL") == names(content).count("FILL") + 1
    for times in (0, 1, 3):
        values = np.arange(size, dtype="float32") + times
        for found, expected in zip(
            run(small, values, resolver), run(content, values, resolver), strict=True
        ):
            assert found.tobytes() == expected.tobytes()
            assert found[1] == times * (1 + times)


def test_few_zeros_stay_as_they_are():
    content = converted(counted(8), (8,))
    assert names(packed(compact(unpacked(content)))) == names(content)


def test_constants_inputs_and_outputs_keep_their_names(tmp_path):
    content = converted(counted(300), (300,))
    compacted = compact(unpacked(content))
    for graph in compacted.subgraphs:
        bordering = {*map(int, graph.inputs), *map(int, graph.outputs)}
        for index, tensor in enumerate(graph.tensors):
            is_constant = compacted.buffers[tensor.buffer].data is not None
            assert bool(tensor.name) == (is_constant or index in bordering)
    file = tmp_path / "small.tflite"
    file.write_bytes(packed(compacted))
    assert LiteRTModel(file).operators
