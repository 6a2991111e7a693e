import keras
import pytest
from conftest import tiny_config, tiny_model
from test_seq2seq import fit, inputs, labels

from keras_seq2seq import (
    MaskedCrossentropy,
)


def test_compile_has_defaults():
    model = tiny_model()
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1e-3)
    assert model.optimizer.global_clipnorm == 1
    assert isinstance(model.loss, MaskedCrossentropy)
    assert set(fit(model)) == {"loss", "token_accuracy", "perplexity"}


def test_compile_takes_what_it_is_given():
    model = tiny_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile("sgd", loss, [], run_eagerly=True)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert model.run_eagerly
    assert set(fit(model)) == {"loss"}


def test_label_smoothing_goes_into_the_default_loss():
    model = tiny_model()
    model.compile(label_smoothing=0.25)
    assert model.loss.label_smoothing == 0.25
    with pytest.raises(ValueError, match="`label_smoothing` belongs to the default loss"):
        model.compile(loss=MaskedCrossentropy(), label_smoothing=0.1)
    with pytest.raises(ValueError, match="`label_smoothing` must be at least 0 and below 1"):
        model.compile(label_smoothing=1.0)


@pytest.mark.parametrize(("given", "compiled"), [(None, False), (False, False), (True, True)])
def test_jit_compile_is_off_by_default_on_tensorflow(given, compiled):
    model = tiny_model()
    model.compile(jit_compile=given)
    expected = keras.backend.backend() == "jax" if given is None else compiled
    assert model.jit_compile is expected


@pytest.mark.parametrize("given", [None, False, True])
def test_a_file_keeps_jit_compile_only_if_it_was_given(given):
    model = tiny_model()
    assert model.get_compile_config() == {}
    model.compile(jit_compile=given)
    assert model.get_compile_config()["jit_compile"] is given


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["mse"],
    ],
)
def test_a_loss_that_is_wrong_for_tokens_is_refused(loss):
    with pytest.raises(ValueError, match="`loss` must take logits and leave out padding"):
        tiny_model().compile(loss=loss)


@pytest.mark.parametrize("name", ["metrics", "weighted_metrics"])
@pytest.mark.parametrize(
    "metric",
    ["accuracy", "sparse_categorical_accuracy", keras.metrics.SparseCategoricalAccuracy()],
)
def test_a_metric_that_counts_padding_is_refused(name, metric):
    with pytest.raises(ValueError, match=f"`{name}` must leave out padding"):
        tiny_model().compile(**{name: [metric]})


def test_a_loss_of_keras_that_knows_padding_is_the_default_loss():
    model = tiny_model(tiny_config(dropout=0.0))
    batch, found = inputs(), []
    right = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    for loss in (None, right):
        model.compile("sgd", loss, [])
        found.append(model.evaluate(batch, labels(batch), verbose=0))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_file_with_a_loss_of_former_days_loads_with_the_default():
    model = tiny_model()
    model.compile()
    config = {**model.get_compile_config(), "loss": "mse", "metrics": ["accuracy"]}
    with pytest.warns(UserWarning, match="Compiled with the default instead: `(loss|metrics)`"):
        model.compile_from_config(config)
    assert isinstance(model.loss, MaskedCrossentropy)
