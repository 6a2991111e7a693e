import json
import pathlib

import keras
import numpy as np
import pytest
from conftest import word_pairs
from grid import grid
from light_model import light_model
from resumed_training import digest

from keras_seq2seq import PairBatches, resumable_fit
from keras_seq2seq.training.callback_memory import by_occurrence, recall, remember
from keras_seq2seq.training.callbacks import KeepBest, MovingAverage
from keras_seq2seq.training.training_state import StateError, TrainingState

EPOCHS, STEPS = 6, 4


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends a training within a step, as if it had been killed."""

    remembered = ()

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        self.after -= 1
        if self.after == 0:
            raise Killed


class Bad(keras.callbacks.Callback):
    """Makes the validation worse and worse, so that patience ends."""

    def on_epoch_end(self, epoch, logs=None):
        logs["judged"] = [5.0, 3.0, 4.0, 3.5, 6.0, 7.0][epoch]


class Counting(keras.callbacks.Callback):
    """Counts what has begun: twice, if an epoch that resumes begins again."""

    remembered = ("begun", "noted")

    def __init__(self):
        super().__init__()
        self.begun, self.noted = 0, np.zeros(2)

    def on_epoch_begin(self, epoch, logs=None):
        self.begun += 1
        self.noted = self.noted + epoch


def fit(tokenizers, folder, callbacks, *, kill=0, **options):
    model = light_model(optimizer=keras.optimizers.Adam(0.01, **options), run_eagerly=True)
    batches = PairBatches(word_pairs(60), tokenizers, tokens_per_batch=105, num_shapes=1)
    assert len(batches) == STEPS
    listed = [Bad(), *([Kill(kill)] if kill else []), *callbacks]
    resumable_fit(
        model,
        batches,
        epochs=EPOCHS,
        state_path=folder / "state.npz",
        save_every=2,
        callbacks=listed,
        verbose=0,
    )
    return model


MADE = {
    "plateau": lambda folder: keras.callbacks.ReduceLROnPlateau(
        "judged", mode="min", patience=2, cooldown=1
    ),
    "stopping": lambda folder: keras.callbacks.EarlyStopping(
        "judged", mode="min", patience=3, restore_best_weights=True
    ),
    "checkpoint": lambda folder: keras.callbacks.ModelCheckpoint(
        folder / "best.weights.h5",
        "judged",
        mode="min",
        save_best_only=True,
        save_weights_only=True,
    ),
    "frequent": lambda folder: keras.callbacks.ModelCheckpoint(
        str(folder / "{epoch}_{batch}.weights.h5"), save_freq=3, save_weights_only=True
    ),
    "scheduler": lambda folder: keras.callbacks.LearningRateScheduler(lambda e, rate: rate * 0.8),
    "logger": lambda folder: keras.callbacks.CSVLogger(folder / "log.csv", append=True),
    "counting": lambda folder: Counting(),
    "lambda": lambda folder: keras.callbacks.LambdaCallback(on_epoch_end=lambda *given: None),
}


def end(tokenizers, folder, make, kills, **options):
    """Returns all that a training left, killed so many steps after each start."""
    folder.mkdir()
    for steps in kills:
        killed = make(folder)
        with pytest.raises(Killed):
            fit(tokenizers, folder, killed, kill=steps, **options)
        for callback in killed:
            if isinstance(callback, keras.callbacks.CSVLogger):
                callback.csv_file.close()
    callbacks = make(folder)
    model = fit(tokenizers, folder, callbacks, **options)
    names = ("wait", "best", "begun", "noted")
    kept = [[str(getattr(callback, name, None)) for name in names] for callback in callbacks]
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    left = digest(model.weights), rate, kept
    files = {
        path.name: path.read_text() if path.suffix == ".csv" else digest_of(model, path)
        for path in sorted(folder.glob("*.[wc]*"))
    }
    return *left, files


def digest_of(model, path):
    model.load_weights(path)
    return digest(model.weights)


@pytest.mark.parametrize("kills", grid([[7], [18, 3]], [[18, 3]]), ids=str)
def test_callbacks_of_keras_end_as_without_a_kill(tokenizers, tmp_path, kills):
    def make(folder):
        return [made(folder) for made in MADE.values()]

    whole = end(tokenizers, tmp_path / "whole", make, [])
    killed = end(tokenizers, tmp_path / "killed", make, kills)
    assert killed == whole
    assert whole[1] < 0.01 * 0.8**5  # both have lowered the learning rate


@pytest.mark.long
def test_moving_averages_of_keras_resume(tokenizers, tmp_path):
    def make(folder):
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]

    options = {"use_ema": True, "ema_momentum": 0.9}
    whole = end(tokenizers, tmp_path / "whole", make, [], **options)
    assert end(tokenizers, tmp_path / "killed", make, [7], **options) == whole
    assert issubclass(MovingAverage, keras.callbacks.SwapEMAWeights)


def best_of(tokenizers, folder, before=()):
    keep = KeepBest(folder / "best.keras", "judged", "min")
    fit(tokenizers, folder, [*before, keep])
    return keep


def test_a_callback_that_is_added_takes_no_memory(tokenizers, tmp_path):
    first = best_of(tokenizers, tmp_path)
    written = (tmp_path / "best.keras").stat().st_mtime_ns
    again = best_of(tokenizers, tmp_path, [keras.callbacks.TerminateOnNaN(), Counting()])
    assert (again.best, again.best_epoch) == (first.best, first.best_epoch) == (3.0, 2)
    assert (tmp_path / "best.keras").stat().st_mtime_ns == written


def test_a_memory_without_its_callback_is_refused(tokenizers, tmp_path):
    best_of(tokenizers, tmp_path)
    before = (tmp_path / "state.npz").read_bytes()
    for callbacks, count in (([], 0), ([KeepBest(tmp_path / "a", "x", "min")] * 2, 2)):
        with pytest.raises(StateError, match=f"1 KeepBest in the state, {count} here. Pass the"):
            fit(tokenizers, tmp_path, callbacks)
    assert (tmp_path / "state.npz").read_bytes() == before


def test_memories_by_place_become_memories_by_class():
    by_place = {"10 KeepBest": {"best": 3}, "2 KeepBest": {"best": 1}, "0 Last": {"last": {}}}
    memory = by_occurrence(by_place)
    assert memory == {
        "Last": {"last": {}}, "KeepBest": {"best": 1}, "KeepBest 2": {"best": 3},
    }  # fmt: skip
    two = [KeepBest(pathlib.Path("a"), "x", "min") for _ in range(2)]
    recall(memory, two)
    assert [callback.best for callback in two] == [1, 3]


def test_a_state_keeps_arrays_of_callbacks(tokenizers, tmp_path):
    stopping = MADE["stopping"](tmp_path)
    counting = Counting()
    fit(tokenizers, tmp_path, [stopping, counting])
    memory = TrainingState.load(tmp_path / "state.npz").callbacks
    np.testing.assert_array_equal(memory["Counting"]["noted"], counting.noted)
    for kept, weights in zip(
        memory["EarlyStopping"]["best_weights"], stopping.best_weights, strict=True
    ):
        np.testing.assert_array_equal(kept, weights)
    assert json.dumps(remember([MADE["plateau"](tmp_path)]))


def test_what_would_be_forgotten_is_told_once(tokenizers, tmp_path):
    class Tally(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.steps, self.losses, self.quiet = 0, [], "as it was"

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            self.losses.append(logs["loss"])

    message = r"Tally has changed \['losses', 'steps'\], .*remembered = \('losses', 'steps'\)"
    with pytest.warns(UserWarning, match=message) as told:
        fit(tokenizers, tmp_path, [Tally()])
    assert sum("Tally" in str(warning.message) for warning in told) == 1


def test_an_own_callback_of_a_class_of_keras_keeps_both(tokenizers):
    class Patient(keras.callbacks.EarlyStopping):
        remembered = ("mood",)
        mood = 3

    patient = Patient("loss")
    assert set(remember([patient])["Patient"]) >= {"wait", "best", "stopped_epoch", "mood"}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda path: keras.callbacks.BackupAndRestore(path),
            ValueError,
            "Leave out BackupAndRestore: `resumable_fit` does what it does",
        ),
        (
            lambda path: keras.callbacks.CSVLogger(path / "log.csv"),
            ValueError,
            r"CSVLogger must have append=True.*Received: append=False for .*log\.csv",
        ),
    ],
)
def test_callbacks_that_cannot_resume_are_refused(tokenizers, tmp_path, make, error, message):
    with pytest.raises(error, match=message):
        fit(tokenizers, tmp_path, [make(tmp_path)])
    assert not (tmp_path / "state.npz").exists()


def test_a_remembered_value_must_be_plain(tokenizers):
    class Odd(keras.callbacks.Callback):
        remembered = ("thing",)
        thing = object()

    with pytest.raises(TypeError, match="Received: thing of Odd, a object"):
        remember([Odd()])


@pytest.mark.long
def test_a_callback_cannot_set_the_rate_of_a_schedule(tokenizers, tmp_path):
    from keras_seq2seq.training.schedules import InverseSquareRoot

    model = light_model(optimizer=keras.optimizers.Adam(InverseSquareRoot(0.01, 5)))
    batches = PairBatches(word_pairs(9), tokenizers)
    plateau = keras.callbacks.ReduceLROnPlateau("loss")
    message = "not a schedule. Received: ReduceLROnPlateau and InverseSquareRoot"
    with pytest.raises(ValueError, match=message):
        model.fit(batches, callbacks=plateau)
    state_path = tmp_path / "state.npz"
    with pytest.raises(ValueError, match=message):
        resumable_fit(model, batches, epochs=1, state_path=state_path, callbacks=[plateau])
