"""Batches of several devices and processes; their numbers are in test_training_processes.py."""

import keras
import numpy as np
import pytest
from conftest import last_json, needs_jax, run_python, word_pairs
from test_training_batch_plan import SOURCE, TARGET

from keras_seq2seq import PairBatches
from keras_seq2seq.models.replicas import check_shares
from keras_seq2seq.training.batch_plan import LengthTable, make_buckets
from keras_seq2seq.training.devices import choose_devices, layout_axes
from keras_seq2seq.training.recipe import Recipe, RecipeError

SCRIPT = """
import json
import keras
from conftest import word_pairs, word_tokenizers
from light_model import light_model
from keras_seq2seq import PairBatches
from keras_seq2seq.training.devices import choose_devices, data_parallel, split_weights

def told(call):
    try:
        return repr(call())
    except ValueError as error:
        return str(error)

def fitted(spread, rows_multiple, part=None):
    batches = PairBatches(word_pairs(40), word_tokenizers(), tokens_per_batch=99,
                          num_shapes=2, rows_multiple=rows_multiple)
    if part:
        batches = batches.share(*part)
    with spread.scope():
        model = light_model()
        return model.fit(batches, verbose=0).history["loss"]

print(json.dumps({
    "auto": told(lambda: choose_devices("auto", 1, 0)[1:]),
    "kept": told(lambda: choose_devices("auto", 1, 6)[1:]),
    "one": told(lambda: choose_devices("auto", 1, 1)[::2]),
    "data": told(lambda: choose_devices("data", 1, 6)),
    "model": told(lambda: choose_devices("model", 2, 0)[1]),
    "odd": told(lambda: split_weights(3)),
    "none": told(lambda: choose_devices("none", 1, 0)),
    "rows": told(lambda: fitted(data_parallel(), 1)),
    "share": told(lambda: fitted(data_parallel(), 4, (0, 2))),
    "fits": told(lambda: fitted(data_parallel(), 4)),
}))
"""


@pytest.fixture(scope="module")
def said():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    return last_json(run_python(SCRIPT, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu", **flags))


@pytest.mark.long
@needs_jax
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auto", "(4, '')"),
        ("kept", "(6, 'Training on 2 of 4 devices: the batches of this run are multiples of 6"),
        ("one", "(None, 'Training on 1 of 4 devices: the batches of this run are multiples of 1"),
        ("data", "Received: batches of a multiple of 6 pairs (distribution.rows_multiple, kept by"),
        ("model", "2"),
        ("odd", "Received: 3, and 4 devices in this process."),
        ("none", "(None, 1, '')"),
        ("rows", "rows for 4 shares; pass rows_multiple=4 to PairBatches."),
        ("share", "Received: share 0 of 2 in process 0 of 1; pass batches.share(0, 1)."),
        ("fits", "["),
    ],
)
def test_what_devices_allow(said, name, expected):
    assert expected in said[name]


def batches(tokenizers, **options):
    defaults = {"tokens_per_batch": 200, "num_shapes": 3, "rows_multiple": 4, "seed": 2}
    return PairBatches(word_pairs(130), tokenizers, **{**defaults, **options})


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("alpha", [None, 0.3])
def test_the_shares_of_a_batch_are_the_batch(subword_tokenizers, alpha, copies):
    options = {"sampling_alpha": alpha, "copies": copies, "tokens_per_batch": 900}
    whole = batches(subword_tokenizers, **options)
    for count in (2, 4):
        shares = [whole.share(index, count) for index in range(count)]
        assert all(len(share) == len(whole) for share in shares)
        assert all(share.fingerprint == whole.fingerprint for share in shares)
        for place in [(epoch, index) for epoch in range(2) for index in range(len(whole))]:
            inputs, labels = whole.batch(*place)
            parts = [share.batch(*place) for share in shares]
            np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), labels)
            for name, ids in inputs.items():
                found = np.concatenate([part[0][name] for part in parts])
                np.testing.assert_array_equal(found, ids)
            assert len(labels) % (4 * copies) == 0


def test_without_a_multiple_the_batches_are_as_ever(tokenizers):
    whole, other = batches(tokenizers, rows_multiple=1), batches(tokenizers, rows_multiple=8)
    assert (
        whole.fingerprint
        == PairBatches(
            word_pairs(130), tokenizers, tokens_per_batch=200, num_shapes=3, seed=2
        ).fingerprint
    )
    assert whole.fingerprint != other.fingerprint
    assert whole.share(0, 1).fingerprint == whole.fingerprint


def test_batches_too_small_for_their_devices_are_refused(tokenizers):
    table = LengthTable.of(SOURCE, TARGET, 40)
    order = np.argsort(np.maximum(SOURCE, TARGET), kind="stable")
    told = "Received: 90 positions for 4 pairs of 29; take at least 116, or twice"
    with pytest.raises(ValueError, match=told):
        make_buckets(order, table, 90, 4, rows_multiple=4)
    with pytest.raises(ValueError, match="`rows_multiple` must be at least 1. Received: 0"):
        batches(tokenizers, rows_multiple=0)
    for index, count in ((0, 3), (2, 2), (-1, 2)):
        with pytest.raises(ValueError, match=f"Received: {index} of {count}, rows_multiple=4"):
            batches(tokenizers).share(index, count)


def test_other_data_is_left_to_keras():
    assert check_shares(np.zeros((3, 2))) is None


@pytest.mark.parametrize(
    ("path", "axes"),
    [
        ("source_embedding/embeddings", ("model", None)),
        ("embedding/embeddings", ("model", None)),
        ("logits/kernel", (None, "model")),
        ("encoder_0_attention/query_key_value/kernel", (None, "model")),
        ("decoder_1_cross_attention/output/kernel", ("model", None)),
        ("source_keys_values_1/key_value/bias", ("model",)),
        ("decoder_0_feedforward_outer/kernel", ("model", None)),
        ("decoder_0_feedforward_outer/bias", ()),
        ("decoder_norm/gamma", ()),
        ("encoder_rnn_0/forward_gru/gru_cell/kernel", ()),
    ],
)
def test_the_layout_of_a_weight(path, axes):
    assert layout_axes(path) == axes


def test_layouts_name_weights_that_models_have():
    from conftest import tiny_config, tiny_model

    from keras_seq2seq.training.devices import LAYOUTS

    transformer = {"encoder": "transformer", "decoder": "transformer", "num_heads": 2}
    kinds = [{"activation": "swiglu"}, {"tie_output": True, "output_bias": True}]
    models = [tiny_model(tiny_config(**transformer, **kind)) for kind in kinds]
    weights = [weight for model in models for weight in model.trainable_weights]
    met = {axes for axes in map(layout_axes, (weight.path for weight in weights)) if axes}
    assert met == set(LAYOUTS.values())
    for weight in weights:
        assert len(layout_axes(weight.path)) in (0, len(weight.shape))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can do it")
def test_several_devices_need_jax():
    with pytest.raises(ValueError, match=r'kind = "data" needs the JAX backend. Received: tensorf'):
        choose_devices("data", 1, 0)
    assert choose_devices("auto", 1, 0) == (None, 1, "")


@pytest.mark.parametrize(("kind", "devices"), [("data", 2), ("model", 1)])
def test_a_recipe_says_both_or_neither(kind, devices):
    settings = [f"distribution.kind={kind}", f"distribution.model_devices={devices}"]
    with pytest.raises(RecipeError, match=f"and 1 without. Received: {devices} with '{kind}'"):
        Recipe.from_tables({}, settings)
