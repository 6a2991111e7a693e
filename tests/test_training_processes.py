"""Several processes and devices train as one: the same numbers, the same files, words when lost."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import needs_jax
from several_processes import ended, environment, found, free_port, start, train
from word_corpus import write_corpus

from keras_seq2seq import load_model
from keras_seq2seq.training.history import read_history
from keras_seq2seq.training.training_state import TrainingState

pytestmark = [needs_jax, pytest.mark.long]
# Dropout, clipping (the default), accumulation; states often.
SHARED = ("distribution.rows_multiple=2", "training.save_every=3", "model.dropout=0.2")
GRU = (*SHARED, "training.accumulation_steps=2")
TRANSFORMER = (
    *SHARED,
    *(f'model.{part}="transformer"' for part in ("encoder", "decoder")),
    *("model.num_heads=2", "model.feedforward_dim=32", "training.tokens_per_batch=300"),
    *("training.ema_momentum=0.9", "training.r_drop=1.0", "training.average_last=2"),
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def of_one(recipe, runs):
    """What one process with one device finds."""
    return runs / "one", found(train(recipe, runs / "one", GRU))


@pytest.fixture(scope="module")
def of_two(recipe, runs):
    """What two processes with one device each find."""
    return runs / "two", found(train(recipe, runs / "two", GRU, count=2))


def check_equal(folder, other, tolerance):
    """Compares the states, the histories and the kept models of two runs."""
    here, there = (TrainingState.load(one / "state.npz") for one in (folder, other))
    assert here.names == there.names
    for name, a, b in zip(here.names, here.variables, there.variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=name)
    histories = [read_history(one / "history.csv") for one in (folder, other)]
    for name in set(histories[0]) - {"tokens_per_second"}:
        assert histories[0][name] == pytest.approx(histories[1][name], rel=2e-6, abs=1e-5), name
    kept = [load_model(one / "model.keras", compile=False).get_weights() for one in (folder, other)]
    for a, b in zip(*kept, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_two_processes_train_as_one(of_one, of_two):
    (folder, one), (other, two) = of_one, of_two
    check_equal(folder, other, 2e-6)
    assert one["test"] == two["test"]
    assert (two["devices"], two["shares"]) == (2, 2)
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in other.iterdir()}


@pytest.mark.parametrize("step", [5, 9])
def test_a_killed_process_ends_the_other_and_the_run_resumes(recipe, runs, of_two, step):
    """Process 1 is killed in one case, process 0, which writes and serves JAX, in the other."""
    folder, killed = runs / f"killed_{step}", int(step == 5)
    at = {killed: (step, int(signal.SIGKILL))}
    outcomes = train(recipe, folder, GRU, count=2, at=at)
    assert outcomes[killed][0] == -signal.SIGKILL
    status, _, errors = outcomes[1 - killed]
    assert status not in (0, None)
    if killed:  # of process 0 JAX may tell first
        assert status == 1
        assert "Process 1 of 2 has ended. Process 0 ends with it. The last saved state" in errors
    assert found(train(recipe, folder, GRU, count=2)) == of_two[1]


def test_both_killed_resume(recipe, runs, of_two):
    folder = runs / "both"
    kill = (7, int(signal.SIGKILL))
    outcomes = train(recipe, folder, GRU, count=2, at={0: kill, 1: kill})
    assert [status for status, *_ in outcomes].count(0) == 0
    assert found(train(recipe, folder, GRU, count=2)) == of_two[1]


def test_a_signal_to_one_stops_all_after_the_same_step(recipe, runs, of_two, of_one):
    folder = runs / "signalled"
    at = {1: (5, int(signal.SIGTERM))}
    stopped = found(train(recipe, folder, GRU, count=2, at=at))
    assert (stopped["interrupted"], stopped["signal"]) == (True, "SIGTERM")
    assert stopped["place"][0] == 0 and 5 <= stopped["place"][1] <= 8
    # One process with two devices goes on, to the same numbers but for the order of sums.
    resumed = found(train(recipe, folder, GRU, devices=2))
    assert resumed["place"] == of_two[1]["place"]
    check_equal(folder, of_two[0], 2e-6)


def test_split_weights_train_as_whole_ones(recipe, runs):
    """Transformer with R-Drop, moving average and kept epochs on 2 x 2 devices."""
    one = found(train(recipe, runs / "whole", TRANSFORMER))
    settings = (*TRANSFORMER, 'distribution.kind="model"', "distribution.model_devices=2")
    split = found(train(recipe, runs / "split", settings, count=2, devices=2))
    assert (split["devices"], split["shares"]) == (4, 2)
    # Adam makes much of gradients that are hardly more than rounding, as those of keys' biases.
    check_equal(runs / "whole", runs / "split", 5e-4)
    assert one["test"]["sentences"] == split["test"]["sentences"]
    shards = split["shards"]
    halves = {path for path, share in shards.items() if share == 0.5}
    assert {"decoder_0_feedforward_inner/kernel", "encoder_0_attention/output/kernel"} <= halves
    assert shards["decoder_norm/gamma"] == 1


def test_processes_that_do_not_fit_change_nothing(recipe, runs):
    folder = runs / "unlike"
    script = "training_process.py"
    arguments = [[script, recipe, folder, 0, 0, *GRU, f"training.seed={i}"] for i in range(2)]
    outcomes = ended(start(arguments))
    assert all(status for status, *_ in outcomes)
    told = " ".join(errors for *_, errors in outcomes)
    assert "All processes must have the same recipe and run folder. Received: recipe: " in told
    assert not folder.exists()


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_never_comes_is_named(recipe, runs, index):
    folder = runs / "alone"
    arguments = ["training_process.py", recipe, folder, 0, 0, *GRU, "distribution.timeout=1"]
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(index, 2, free_port()),
        cwd=os.path.dirname(__file__),
        timeout=120,
    )
    assert process.returncode == 1
    told = [
        "1 of 2 processes did not come within 1 s: process 1 has not reached port",
        "Process 0 was not reached within 1 s at 127.0.0.1:",
    ]
    assert told[index] in process.stderr
    assert not folder.exists()
