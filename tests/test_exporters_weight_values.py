import keras
import numpy as np
import pytest
from conftest import tiny_model

import keras_seq2seq
from keras_seq2seq.exporters.weight_values import weight_errors

BOTH = ("litert", "onnx")


def weight(value, name="kernel"):
    return keras.Variable(np.full((2, 3), value, "float32"), name=name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named_with_their_weight(value):
    found = weight(0.0)
    found.assign(np.where(np.eye(2, 3), np.float32(value), np.float32(1)))
    (error,) = weight_errors([weight(1.0, "bias"), found], BOTH, ["dynamic_int8"])
    assert "Received: NaN or infinity in kernel (2 of 6)." in error


@pytest.mark.parametrize(
    ("value", "formats", "quantizations", "errors"),
    [
        (1e5, BOTH, ["float16"], 1),
        (-1e5, ["litert"], ["dynamic_int8", "float16"], 1),
        (65504.0, BOTH, ["float16"], 0),
        (1e5, ["onnx"], ["float16"], 0),
        (1e5, BOTH, ["dynamic_int8", "int8"], 0),
        (3e38, BOTH, ["dynamic_int8"], 0),
    ],
)
def test_what_float16_cannot_hold_is_refused_for_litert(value, formats, quantizations, errors):
    assert len(weight_errors([weight(value)], formats, quantizations)) == errors


def test_of_many_weights_some_are_named():
    (error,) = weight_errors([weight(np.nan)] * 12, BOTH, [])
    assert error.endswith("kernel (6 of 6) and 2 more.")


def test_export_names_the_layer_and_writes_nothing(tokenizers, tmp_path):
    model = tiny_model(tokenizers=tokenizers)
    table = next(w for w in model.weights if "embedding" in w.path)
    table.assign(np.full(table.shape, np.nan))
    with pytest.raises(ValueError, match=f"Cannot export:\n- Weights must be .*{table.path}"):
        keras_seq2seq.export(model, tmp_path / "b")
    assert not list(tmp_path.iterdir())
