import collections

import keras
import onnx
import pytest
from onnx_models import exported, noisy_model, runtime, sources

from keras_seq2seq.exporters.onnx.native_norm import NativeNorms, is_covered
from keras_seq2seq.exporters.onnx.writer import write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.onnx_graph import nodes

NORMALIZATION = keras.layers.LayerNormalization


def kinds(path):
    return collections.Counter(node.op_type for node in nodes(onnx.load(path).graph))


def norms(model):
    return sum(isinstance(layer, NORMALIZATION) for layer in model.layers)


def test_each_layer_is_one_node_in_a_translation():
    bundle = exported("transformer")
    count = norms(bundle.model.encoder) + norms(bundle.model.decoder)
    found = kinds(bundle.folder / "translate_greedy.onnx")
    assert found["LayerNormalization"] == count > 4
    assert found["Sqrt"] == found["Reciprocal"] == 0


def test_states_and_steps_are_what_keras_computes():
    for file in ("encoder", "decoder_step"):
        assert kinds(exported("transformer").folder / f"{file}.onnx")["LayerNormalization"] == 0


@pytest.mark.long
def test_an_older_opset_has_no_such_node_and_the_same_translation(tmp_path):
    model = noisy_model(encoder="transformer", num_heads=2, feedforward_dim=12)
    found = []
    for version in (16, 17):
        folder = tmp_path / str(version)
        write_onnx(PreparedExport(model, 3, onnx_opset=version), folder)
        assert (kinds(folder / "translate_greedy.onnx")["LayerNormalization"] > 0) == (
            version == 17
        )
        found.append([best for best, *_ in runtime(folder).search(sources(3, 5))])
    for old, new in zip(*found, strict=True):
        assert old.ids == new.ids
        assert old.score == pytest.approx(new.score, abs=1e-4)


def built(**options):
    layer = NORMALIZATION(**options)
    layer.build((None, 5, 4))
    return layer


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, True), ({"axis": 1}, False), ({"center": False}, False), ({"scale": False}, False)],
)
def test_covered_layers(options, expected):
    assert is_covered(built(**options)) is expected


def test_a_layer_of_another_class_is_not_covered():
    assert not is_covered(keras.layers.BatchNormalization())


def test_the_copy_shares_every_weight():
    model = exported("transformer").model
    copy = NativeNorms().replace(model.decoder)
    assert {id(w) for w in copy.weights} == {id(w) for w in model.decoder.weights}
    assert norms(copy) == 0
