import json
import os
import random
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from conftest import ROOT, WARNINGS, tiny_config, tiny_model, word_pairs
from resumed_training import EPOCHS, digest, main

from keras_seq2seq import PairBatches, resumable_fit
from keras_seq2seq.training.callbacks import EarlyStopping
from keras_seq2seq.training.resumable_fit import TrainingDiverged
from keras_seq2seq.training.training_state import StateError, TrainingState

# `make soak` makes a hundred in nine configurations; KILLS=20 makes more of these.
KILLS = int(os.environ.get("KILLS", "2"))


def start(folder, kind):
    command = [sys.executable, *(f"-W{w}" for w in WARNINGS), "resumed_training.py", folder, kind]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT / "tests",
    )


def kill_after(process, steps, delay):
    """Kills a training some steps on; returns False if it ended before."""
    for _ in range(steps):
        if not process.stdout.readline().startswith("step"):
            return False
    time.sleep(delay)
    process.kill()
    process.communicate()
    return True


def kill_while_it_writes(process, folder):
    """Kills a training as soon as half a state lies there; returns False if it ended before."""
    partial = folder / ".partial-state.npz"
    partial.unlink(missing_ok=True)
    while not partial.exists():
        if process.poll() is not None:
            return False
    process.kill()
    process.communicate()
    return True


def end(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize("kind", ["recurrent", "transformer"] if KILLS > 2 else ["transformer"])
def test_killed_trainings_end_as_if_they_had_not_been(kind, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = end(start(whole, kind))
    draw = random.Random(kind)
    kills = 0
    for turn in range(KILLS):
        process = start(killed, kind)
        if turn % 4 == 1:
            kills += kill_while_it_writes(process, killed)
        else:
            kills += kill_after(process, draw.randint(1, 9), draw.uniform(0, 0.05))
    found = end(start(killed, kind))
    assert kills, "no training was killed"
    assert TrainingState.load(killed / "state.npz").epoch == EPOCHS
    assert {**found, "epochs": 0} == {**expected, "epochs": 0}


@pytest.mark.long
def test_a_training_that_was_stopped_goes_on(tmp_path, monkeypatch):
    averaged = {"use_ema": True, "ema_momentum": 0.9}
    options = {"gradient_accumulation_steps": 3, "weight_decay": 0.01, **averaged}

    class Stopped(Exception):
        pass

    def stop(self, batch, logs=None):
        if stop.left == 0:
            raise Stopped
        stop.left -= 1

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    expected = main(whole, "recurrent", **options)
    with monkeypatch.context() as patch:
        patch.setattr("resumed_training.Steps.on_train_batch_end", stop)
        for stop.left in (expected["steps"] + 6, 3):
            with pytest.raises(Stopped):
                main(stopped, "recurrent", **options)
    found = main(stopped, "recurrent", **options)
    assert found["epochs"] < expected["epochs"]
    assert {**found, "epochs": 0} == {**expected, "epochs": 0}


def small_fit(tokenizers, folder, *, epochs=1, seed=0, rate=0.01, callbacks=(), **options):
    model = tiny_model(tiny_config(dropout=0.1, **options), tokenizers=tokenizers, scale=1.0)
    model.compile(keras.optimizers.Adam(rate))
    batches = PairBatches(word_pairs(60), tokenizers, tokens_per_batch=60, num_shapes=1, seed=seed)
    resumable_fit(
        model,
        batches,
        epochs=epochs,
        state_path=folder / "state.npz",
        save_every=2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


def test_a_finished_training_stays_as_it_is(tokenizers, tmp_path):
    first = small_fit(tokenizers, tmp_path)
    again = small_fit(tokenizers, tmp_path)
    assert digest(again.variables) == digest(first.variables)
    longer = small_fit(tokenizers, tmp_path, epochs=2)
    assert int(longer.optimizer.iterations) == 2 * int(first.optimizer.iterations)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"units": 12}, r"another model or optimizer \(.*in the state.*here"), ({"seed": 5}, "seed")],
)
def test_the_state_of_another_training_is_refused(tokenizers, tmp_path, options, named):
    small_fit(tokenizers, tmp_path)
    before = (tmp_path / "state.npz").read_bytes()
    with pytest.raises(StateError, match=f"only from its own state.*{named}.*--force"):
        small_fit(tokenizers, tmp_path, **options)
    assert (tmp_path / "state.npz").read_bytes() == before


def test_a_damaged_state_is_refused(tokenizers, tmp_path):
    small_fit(tokenizers, tmp_path)
    path = tmp_path / "state.npz"
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 255
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1], bytes(altered), b"PK nothing"):
        path.write_bytes(damaged)
        with pytest.raises(StateError, match=r"cannot be read.*--force"):
            small_fit(tokenizers, tmp_path)


def test_a_loss_that_is_not_a_number_stops_the_training(tokenizers, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 4:
                weight = self.model.trainable_weights[0]
                weight.assign(weight * np.nan)

    with pytest.raises(TrainingDiverged, match=r"loss is nan at epoch 1, step 5; .*learning_rate"):
        small_fit(tokenizers, tmp_path, callbacks=[Poison()])
    state = TrainingState.load(tmp_path / "state.npz")
    assert (state.epoch, state.batch) == (0, 4)
    assert state.is_finite()


def test_weights_that_are_not_finite_are_not_kept(tokenizers, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                weight = self.model.trainable_weights[0]
                weight.assign(weight * np.inf)

    with pytest.raises(TrainingDiverged, match="weights are not finite at epoch 1, step 4"):
        small_fit(tokenizers, tmp_path, callbacks=[Poison()])
    assert TrainingState.load(tmp_path / "state.npz").batch == 2


@pytest.mark.parametrize("options", [{"epochs": 0}, {"save_every": 0}])
def test_numbers_that_are_not_positive(tokenizers, tmp_path, options):
    batches = PairBatches(word_pairs(9), tokenizers)
    values = {"epochs": 1, "state_path": tmp_path / "state.npz", **options}
    with pytest.raises(ValueError, match="must be at least 1"):
        resumable_fit(tiny_model(), batches, **values)


@pytest.mark.long
def test_callbacks_of_one_class_do_not_share_their_memory(tokenizers, tmp_path):
    def two():
        names = ("loss", "perplexity")
        return [EarlyStopping(name, mode="min", patience=9) for name in names]

    first, again = two(), two()
    small_fit(tokenizers, tmp_path, callbacks=first)
    small_fit(tokenizers, tmp_path, callbacks=again)
    assert first[0].best != first[1].best
    assert [c.best for c in again] == [c.best for c in first]
