import types

import numpy as np
import pytest
from conftest import tiny_model, word_pairs

from keras_seq2seq import PairBatches, load_model
from keras_seq2seq.training.callbacks import (
    KeepBest,
    Throughput,
    TranslationQuality,
    save_model,
)

PAIRS = [(f"source {i} of many words", f"target {i} of many words") for i in range(9)]


def fake_model(translate):
    return types.SimpleNamespace(translate=lambda texts, batch_size: [translate(t) for t in texts])


def run_epoch(callback, epoch=0, **logs):
    callback.on_epoch_end(epoch, logs)
    return logs


def quality(translate, **options):
    callback = TranslationQuality(PAIRS, **options)
    callback.set_model(fake_model(translate))
    return callback


def perfect(text):
    return dict(PAIRS)[text]


def test_quality_adds_its_values_to_the_logs():
    logs = run_epoch(quality(perfect), loss=1.0)
    assert logs == {"loss": 1.0, **dict.fromkeys(VALUES, pytest.approx(100))}
    assert run_epoch(quality(lambda text: ""))["val_exact_match"] == 0


VALUES = ("val_bleu", "val_chrf", "val_exact_match")


def test_epochs_between_two_evaluations_repeat_the_last():
    calls = []
    callback = quality(lambda text: calls.append(text) or perfect(text), every=3, size=1)
    found = [run_epoch(callback, epoch) for epoch in range(7)]
    assert all(set(logs) == set(VALUES) for logs in found)
    assert len(calls) == 3


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9, 20])
def test_the_pairs_are_spread_evenly(size):
    chosen = [PAIRS.index(pair) for pair in quality(perfect, size=size).pairs]
    assert len(chosen) == min(size, 9)
    steps = np.diff([*chosen, 9])
    assert chosen[0] == 0
    assert steps.max() - steps.min() <= 1


def test_samples_are_appended(tmp_path):
    callback = quality(lambda text: text.upper(), samples_path=tmp_path / "samples.txt")
    for epoch in range(2):
        run_epoch(callback, epoch)
    text = (tmp_path / "samples.txt").read_text()
    assert text.count("epoch 1\n") == text.count("epoch 2\n") == 1
    assert text.count("  model      SOURCE 0 OF MANY WORDS\n") == 2
    assert "  reference  target 4 of many words\n" in text
    assert "target 5" not in text


@pytest.mark.parametrize("options", [{"every": 0}, {"size": 0}])
def test_quality_refuses_what_is_not_positive(options):
    with pytest.raises(ValueError, match=r"must be at least 1.*Received: every=\d, size=\d+, 9"):
        quality(perfect, **options)
    with pytest.raises(ValueError, match="`pairs` must not be empty.*0 pairs"):
        TranslationQuality([])


class Saved:
    """A model whose `save` writes its number."""

    def __init__(self, number=0, fails=False):
        self.number = number
        self.fails = fails

    def save(self, path):
        path.write_text(f"model {self.number}"[: 3 if self.fails else None])
        if self.fails:
            raise OSError("no space left")


def keep(path, values, monitor="val_bleu", mode="max"):
    """Returns the callback after epochs with these values, a model each."""
    callback = KeepBest(path, monitor, mode)
    for epoch, value in enumerate(values):
        callback.set_model(Saved(epoch))
        callback.on_epoch_end(epoch, {} if value is None else {monitor: value})
    return callback


NAN = float("nan")


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", [1, 3, 2], 1),
        ("min", [1, 3, 0.5], 2),
        ("max", [2, 2, 2], 0),
        ("max", [None, 0, None], 1),
        ("max", [-1, -2], 0),
        ("min", [3, NAN, 2, NAN], 2),
        ("max", [NAN, 1, NAN], 1),
    ],
)
def test_keep_best_keeps_the_best(tmp_path, mode, values, best):
    callback = keep(tmp_path / "model.keras", values, mode=mode)
    assert (tmp_path / "model.keras").read_text() == f"model {best}"
    assert (callback.best, callback.best_epoch) == (values[best], best + 1)


@pytest.mark.parametrize("values", [[], [None], [NAN]])
def test_keep_best_without_a_value_keeps_nothing(tmp_path, values):
    assert keep(tmp_path / "model.keras", values).best is None
    assert not any(tmp_path.iterdir())


def test_keep_best_refuses_another_mode(tmp_path):
    with pytest.raises(ValueError, match='`mode` must be "max" or "min". Received: \'auto\''):
        KeepBest(tmp_path / "model.keras", "val_loss", "auto")


def test_a_failing_save_leaves_the_old_file_whole(tmp_path):
    callback = keep(tmp_path / "model.keras", [1])
    callback.set_model(Saved(1, fails=True))
    with pytest.raises(OSError, match="no space left"):
        callback.on_epoch_end(1, {"val_bleu": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert (tmp_path / "model.keras").read_text() == "model 0"
    assert callback.best == 1


def test_save_model_writes_a_file_that_loads(tmp_path):
    model = tiny_model()
    for _ in range(2):
        save_model(model, tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert load_model(tmp_path / "model.keras").config == model.config


def test_throughput_counts_real_target_tokens(tokenizers):
    batches = PairBatches(word_pairs(40), tokenizers, tokens_per_batch=40)
    model = tiny_model()
    model.compile()
    clock = Throughput(batches)
    history = model.fit(batches, epochs=2, callbacks=[clock], verbose=0).history
    assert len(history["tokens_per_second"]) == 2
    expected = batches.num_target_tokens / clock.seconds
    assert history["tokens_per_second"][-1] == pytest.approx(expected)


def test_quality_in_fit_gives_keep_best_its_value(translating_model, tmp_path):
    model = tiny_model(translating_model.config, tokenizers=translating_model.tokenizers)
    pairs = word_pairs(20)
    model.compile()
    best = KeepBest(tmp_path / "model.keras", "val_chrf", "max")
    history = model.fit(
        PairBatches(pairs, model.tokenizers),
        epochs=2,
        callbacks=[TranslationQuality(pairs, size=4), best],
        verbose=0,
    ).history
    assert best.best == max(history["val_chrf"])
    assert load_model(best.path).translate("the dog") is not None
