import math
import sys

import keras
import pytest
from conftest import needs_jax, run_python, tiny_model, word_pairs

from keras_seq2seq import PairBatches
from keras_seq2seq.training.callbacks import Throughput, TranslationQuality
from keras_seq2seq.training.tensorboard import TensorBoard

PAIRS = word_pairs(12)


def events(folder):
    """Returns (step, value) of each summary that TensorBoard itself reads in a folder."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found = {}
    for path in sorted(folder.iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
    return found


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, tokenizers, translating_model):
    """The events of the two parts of a fit of three epochs, and its history."""
    folder = tmp_path_factory.mktemp("tensorboard")
    model = tiny_model(translating_model.config, tokenizers=tokenizers)
    rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 1, 0.5)
    model.compile(keras.optimizers.Adam(rate))
    batches = PairBatches(PAIRS, tokenizers)
    quality = TranslationQuality(PAIRS, every=2, size=4)
    callbacks = [Throughput(batches), quality, TensorBoard(folder, quality)]
    validation = PairBatches(PAIRS, tokenizers, shuffle=False)
    history = model.fit(
        batches, epochs=3, validation_data=validation, callbacks=callbacks, verbose=0
    ).history
    return events(folder / "train"), events(folder / "validation"), history, len(batches)


def curve(found):
    return [(step, value.tensor.float_val[0]) for step, value in found]


def test_every_value_of_the_history_is_a_curve(fitted):
    train, validation, history, _ = fitted
    for name, values in history.items():
        part = validation if name.startswith("val_") else train
        expected = [(epoch, pytest.approx(value)) for epoch, value in enumerate(values, 1)]
        assert curve(part[name.removeprefix("val_")]) == expected
    assert {"loss", "perplexity", "token_accuracy", "tokens_per_second"} <= set(train)
    assert {"loss", "bleu", "chrf", "exact_match"} <= set(validation)


def test_the_learning_rate_is_that_of_the_next_step(fitted):
    train, _, _, steps = fitted
    expected = [(epoch, pytest.approx(1e-3 * 0.5 ** (epoch * steps))) for epoch in (1, 2, 3)]
    assert curve(train["learning_rate"]) == expected


def test_samples_and_attention_come_with_each_evaluation(fitted):
    _, validation, _, _ = fitted
    assert [step for step, _ in validation["translations"]] == [1, 2]
    text = validation["translations"][0][1].tensor.string_val[0].decode()
    assert text.startswith("source | reference | model\n--- | --- | ---\n")
    assert f"{PAIRS[0][0]} | {PAIRS[0][1]} | " in text
    assert [step for step, _ in validation["attention"]] == [1, 2]
    assert validation["attention"][0][1].tensor.string_val[2].startswith(b"\x89PNG")


def test_a_loss_that_is_not_a_number_is_written(tmp_path):
    quality = TranslationQuality(PAIRS)
    model = tiny_model()
    model.compile()
    board = TensorBoard(tmp_path, quality)
    board.set_model(model)
    board.on_epoch_end(0, {"loss": float("nan")})
    board.on_train_end()
    ((_, value),) = curve(events(tmp_path / "train")["loss"])
    assert math.isnan(value)


@pytest.mark.long
@needs_jax
def test_no_tensorflow_is_needed(tmp_path):
    code = """
import sys
sys.modules["tensorflow"] = None
import pathlib
from conftest import tiny_model, word_pairs
from keras_seq2seq.training.callbacks import TranslationQuality
from keras_seq2seq.training.tensorboard import TensorBoard
board = TensorBoard(pathlib.Path(sys.argv[1]), TranslationQuality(word_pairs(2)))
model = tiny_model()
model.compile()
board.set_model(model)
board.on_epoch_end(0, {"loss": 1.5})
board.on_train_end()
"""
    run_python(code, tmp_path, KERAS_BACKEND="jax")
    assert curve(events(tmp_path / "train")["loss"]) == [(1, 1.5)]


def test_a_missing_tensorboard_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match=r'need tensorboard: run `pip install "\.\[train\]"'):
        TensorBoard(tmp_path, TranslationQuality(PAIRS))
