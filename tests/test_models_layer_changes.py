import copy
import warnings

import keras
import numpy as np
import pytest
from conftest import tiny_config, tiny_model
from grid import grid
from test_seq2seq import inputs, logits

from keras_seq2seq import Seq2Seq, load_model
from keras_seq2seq.models.layer_changes import has_lora, layers_by_path, quantizations

TRANSFORMER = {"encoder": "transformer", "decoder": "transformer", "num_heads": 2}


def quantized(mode):
    def change(model):
        with warnings.catch_warnings():  # Keras warns of each layer that it cannot quantize
            warnings.simplefilter("ignore", UserWarning)
            model.quantize(mode)

    return change


def with_lora(model):
    for layer in layers_by_path(model).values():
        if type(layer) in (keras.layers.Dense, keras.layers.ReversibleEmbedding):
            layer.enable_lora(2)
            for weight in layer.trainable_variables:
                weight.assign(weight + 0.1)


def partly_frozen(model):
    model.trainable = False
    model.decoder.trainable = True
    layers_by_path(model)["decoder/target_dropout"].trainable = False


def one_in_half_precision(model):
    layers_by_path(model)["decoder/logits"].dtype_policy = "mixed_bfloat16"


def with_another_rate(model):
    layers_by_path(model)["encoder/source_dropout"].rate = 0.5


CHANGES = (
    *(quantized("int8"), quantized("int4"), quantized("float8")),
    *(with_lora, partly_frozen, one_in_half_precision, with_another_rate),
)


def settings(model):
    return {
        path: (layer.trainable, layer.dtype_policy.name, getattr(layer, "rate", None))
        for path, layer in layers_by_path(model).items()
    }


@pytest.mark.parametrize("change", grid(CHANGES, CHANGES[2:4]))
def test_a_file_keeps_what_was_done_to_single_layers(tmp_path, change):
    model = tiny_model(tiny_config(**TRANSFORMER))
    before = settings(model)
    change(model)
    assert has_lora(model) or settings(model) != before
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert settings(loaded) == settings(model)
    assert (has_lora(loaded), quantizations(loaded)) == (has_lora(model), quantizations(model))
    found = keras.ops.convert_to_numpy(keras.ops.cast(loaded(inputs()), "float32"))
    expected = keras.ops.convert_to_numpy(keras.ops.cast(model(inputs()), "float32"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert loaded.get_config().get("layers", {}).keys() == model.get_config()["layers"].keys()


@pytest.mark.long
def test_what_is_inside_custom_parts_is_kept(tmp_path):
    parts = tiny_model(tiny_config(**TRANSFORMER))
    quantized("int8")(parts.encoder)
    model = Seq2Seq(encoder=parts.encoder, decoder=parts.decoder)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert quantizations(loaded.encoder) == ["int8"]
    np.testing.assert_allclose(logits(loaded), logits(model), atol=1e-5)


def test_a_precision_is_that_of_the_file_not_of_the_process(tmp_path):
    former = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        tiny_model().save(tmp_path / "mixed.keras")
        keras.config.set_dtype_policy("float32")
        mixed = load_model(tmp_path / "mixed.keras")
        tiny_model().save(tmp_path / "exact.keras")
        keras.config.set_dtype_policy("mixed_bfloat16")
        exact = load_model(tmp_path / "exact.keras")
        assert exact.decoder_step.output["logits"].dtype == "float32"
    finally:
        keras.config.set_dtype_policy(former)
    assert mixed.decoder.get_layer("logits").compute_dtype == "bfloat16"
    assert exact.decoder.get_layer("logits").compute_dtype == "float32"
    assert mixed.decoder_step.output["logits"].dtype == "bfloat16"


def test_copies_keep_what_was_changed():
    model = tiny_model()
    partly_frozen(model)
    assert settings(keras.models.model_from_json(model.to_json())) == settings(model)
    copied = copy.deepcopy(model)
    assert settings(copied) == settings(model)
    np.testing.assert_array_equal(logits(copied), logits(model))


@pytest.mark.parametrize(
    "options",
    [{}, TRANSFORMER, {"cell": "lstm", "input_feeding": True}, {"decoder_cell": "ssru"}],
)
def test_paths_are_the_same_in_every_model(options):
    config = tiny_config(**options)
    assert list(layers_by_path(Seq2Seq(config))) == list(layers_by_path(Seq2Seq(config)))
    assert "layers" not in Seq2Seq(config).get_config()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"decoder/moon": {"trainable": False}}, r"must be layers of the model. Received: \['dec"),
        ({"decoder/logits": {"moon": 1}}, r"has no \['moon'\] to change"),
        ({"decoder/logits": {"lora_rank": 10**9}}, "`lora_rank` must be 1 to 16,384"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(changes, told):
    config = {**tiny_model().get_config(), "layers": changes}
    with pytest.raises(ValueError, match=told):
        Seq2Seq.from_config(config)


@pytest.mark.parametrize("mode", ["gptq", "awq"])
def test_a_layer_without_weights_yet_is_not_saved(tmp_path, mode):
    model = tiny_model(tiny_config(**TRANSFORMER))
    config = {"gptq": keras.quantizers.GPTQConfig, "awq": keras.quantizers.AWQConfig}[mode]
    model.decoder.get_layer("logits").quantize(mode, config=config(None, None, group_size=-1))
    with pytest.raises(ValueError, match=r"must be calibrated.*Received: \['decoder/logits'\]"):
        model.save(tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []
