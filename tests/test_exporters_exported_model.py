import keras
import numpy as np
import pytest
from conftest import tiny_config, tiny_model
from test_models_layer_changes import TRANSFORMER, quantized, with_lora
from test_seq2seq import logits

import keras_seq2seq
from keras_seq2seq import Seq2Seq
from keras_seq2seq.exporters.exported_model import exported_model, other_precisions
from keras_seq2seq.models.layer_changes import has_lora
from keras_seq2seq.models.precision import dtype_policy


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
@pytest.mark.parametrize("custom", [False, True])
def test_any_precision_is_exported_in_float32_from_the_same_weights(policy, custom):
    with dtype_policy(policy):
        model = tiny_model(tiny_config(**TRANSFORMER))
        if custom:
            model = Seq2Seq(encoder=model.encoder, decoder=model.decoder)
    found = exported_model(model)
    assert other_precisions(model) and not other_precisions(found)
    for a, b in zip(model.weights, found.weights, strict=True):
        a, b = (keras.ops.convert_to_numpy(keras.ops.cast(w, "float32")) for w in (a, b))
        np.testing.assert_array_equal(a, b)
    assert found.decoder_step.output["logits"].dtype == "float32"


def test_lora_is_merged_and_the_model_stays_as_it_is():
    model = tiny_model(tiny_config(tie_output=True, share_embeddings=True))
    with_lora(model)
    before = logits(model)
    found = exported_model(model)
    assert has_lora(model) and not has_lora(found)
    np.testing.assert_allclose(logits(found), before, atol=1e-4)
    np.testing.assert_array_equal(logits(model), before)


def test_a_plain_model_is_exported_as_it_is():
    model = tiny_model()
    assert exported_model(model) is model


def test_a_model_that_keras_quantized_is_refused_before_anything_is_written(tokenizers, tmp_path):
    model = tiny_model(tokenizers=tokenizers)
    quantized("int8")(model)
    with pytest.raises(ValueError, match="a model that Keras quantized to int8"):
        keras_seq2seq.export(model, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())
