import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import pytest
from conftest import ROOT, word_pairs
from word_corpus import write_corpus

from keras_seq2seq import Recipe, Seq2Seq, TokenizerPair, load_model
from keras_seq2seq.cli.main import main
from keras_seq2seq.training import train as run_module
from keras_seq2seq.training.folder_lock import locked
from keras_seq2seq.training.history import read_history
from keras_seq2seq.training.prepare import prepare
from keras_seq2seq.training.train import train
from keras_seq2seq.training.training_state import StateError, TrainingState

FILES = {
    "history.csv",
    "history.png",
    "model.keras",
    "recipe.toml",
    "report.json",
    "samples.txt",
    "sources.txt",
    "state.npz",
    "source_tokenizer.model",
    "target_tokenizer.model",
    "tensorboard",
}


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def finished(recipe_path, tmp_path_factory):
    """The folder of one whole run, and what `train` returned."""
    folder = tmp_path_factory.mktemp("runs") / 'é l\'eau "#1"\n[a-z]* 100%s $HOME ~.'
    return folder, train(Recipe.load(recipe_path, ["training.warmup_steps=2"]), folder)


def test_the_run_folder_holds_everything(finished):
    folder, _ = finished
    assert {path.name for path in folder.iterdir()} == FILES


def test_the_report_tells_of_the_run(finished):
    folder, report = finished
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    assert report["pairs"] == {"train": 200, "validation": 20, "test": 15}
    assert report["interrupted"] is False
    assert (report["epochs"], report["dropped_pairs"]) == (2, 0)
    assert report["tokens_per_second"] > 0
    parts = {"other", "steps", "batches", "saving", "validation", "translating", "test"}
    assert set(report["seconds"]) == parts
    assert report["training_seconds"] <= sum(report["seconds"].values()) + 1
    assert 0 <= report["padding_share"] < 1
    assert report["backend"] == keras.backend.backend()
    assert {"python", "keras", "keras_seq2seq", "sacrebleu"} <= set(report["versions"])
    assert report["test"]["sentences"] == 15
    assert report["test"]["bleu_signature"].startswith("nrefs:1")


def test_the_kept_model_is_the_one_reported(finished):
    folder, report = finished
    model = load_model(folder / "model.keras")
    assert model.count_params() == report["parameters"]
    assert model.tokenizers == TokenizerPair.load(folder)
    sources, references = zip(*word_pairs(15, 2), strict=True)
    found = model.translate(sources)
    equal = sum(a == b for a, b in zip(found, references, strict=True))
    assert report["test"]["exact_match"] == pytest.approx(100 * equal / 15)


def test_the_history_is_there_as_numbers_and_as_a_picture(finished):
    folder, report = finished
    history = read_history(folder / "history.csv")
    assert history["epoch"] == [0, 1]
    assert history["loss"][1] < history["loss"][0]
    names = {"token_accuracy", "perplexity", "tokens_per_second", "val_loss", "val_bleu"}
    assert names | {"val_chrf", "val_exact_match"} <= set(history)
    assert report["best_val_bleu"] == max(history["val_bleu"])
    assert (folder / "history.png").read_bytes().startswith(b"\x89PNG")


def test_samples_of_each_epoch(finished):
    text = (finished[0] / "samples.txt").read_text("utf-8")
    assert text.startswith("epoch 1\n")
    assert text.count("  source     ") == text.count("  model      ") == 10


def test_the_copied_recipe_is_whole_and_loads(finished):
    recipe = Recipe.load(finished[0] / "recipe.toml")
    assert recipe.training.warmup_steps == 2
    assert recipe.training.tokens_per_batch == 200
    assert dict(recipe.model)["units"] == 16


def test_an_existing_run_is_refused_before_anything_is_read(finished, recipe_path):
    with pytest.raises(FileExistsError, match="holds a finished run. Name another .* pass --for"):
        train(Recipe.load(recipe_path), finished[0])


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished run, to start again."""
    return pathlib.Path(shutil.copytree(finished[0], tmp_path / "run"))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moved(recipe_path, folder, **replaced):
    """Copies the corpus to files of other names; returns the settings that name them."""
    settings = [f"data.folder={json.dumps(str(folder))}", "training.warmup_steps=2"]
    for part, short in {"train": "train", "validation": "val", "test": "test"}.items():
        for side in ("src", "tgt"):
            text = (recipe_path.parent / f"{short}.{side}").read_text("utf-8")
            text = text.replace(*replaced.get(part, ("", "")))
            (folder / f"{short}-2.{side}").write_text(text, "utf-8")
        settings.append(f'data.{part}=["{short}-2.src", "{short}-2.tgt"]')
    return settings


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("train", "other pairs, tokenizers"),
        ("validation", r"other validation pairs \(validation_data, TranslationQuality\)"),
    ],
)
def test_a_refused_start_leaves_a_finished_run_as_it_was(
    recipe_path, copied, tmp_path, part, named
):
    settings = moved(recipe_path, tmp_path, **{part: ("old", "red")})
    recipe = Recipe.load(recipe_path, [*settings, "training.epochs=3"])
    before = contents(copied)
    with pytest.raises(StateError, match=f"only from its own state.*{named}.*--force"):
        train(recipe, copied)
    assert contents(copied) == before


def test_a_second_process_changes_nothing(recipe_path, copied):
    recipe = Recipe.load(recipe_path, ["training.warmup_steps=2", "training.epochs=3"])
    with locked(copied / ".lock", "it"):
        before = contents(copied)
        told = rf"process {os.getpid()} on .* is at work on the run folder .*run\. Nothing was"
        with pytest.raises(BlockingIOError, match=told):
            train(recipe, copied)
        assert contents(copied) == before


def signalled(monkeypatch, target, name):
    """Lets SIGTERM come when a function is called, once."""
    original = getattr(target, name)

    def call(*arguments, **options):
        monkeypatch.setattr(target, name, original)
        os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments, **options)

    monkeypatch.setattr(target, name, call)


def test_a_signal_in_the_test_part_leaves_a_run_that_ends_later(
    recipe_path, finished, copied, monkeypatch
):
    report_path = copied / "report.json"
    report_path.write_text('{"interrupted": true}', "utf-8")
    recipe = Recipe.load(recipe_path, ["training.warmup_steps=2"])
    signalled(monkeypatch, run_module, "_test")
    report = train(recipe, copied)
    assert (report["interrupted"], report["signal"]) == (True, "SIGTERM")
    assert "test" not in report and json.loads(report_path.read_text("utf-8")) == report
    report = train(recipe, copied)
    assert report["interrupted"] is False and report["test"] == finished[1]["test"]


def test_a_signal_in_an_evaluation_loses_no_step(recipe_path, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    signalled(monkeypatch, Seq2Seq, "translate")
    report = train(Recipe.load(recipe_path), folder)
    assert (report["interrupted"], report["signal"], report["epochs"]) == (True, "SIGTERM", 0)
    state = TrainingState.load(folder / "state.npz")
    assert (state.epoch, state.batch) == (0, report["steps_per_epoch"] - 1)
    assert load_model(folder / "model.keras", compile=False).tokenizers is not None


def test_what_a_run_needs_at_its_end_is_asked_for_at_its_start(recipe_path, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "missing_packages", lambda names: list(names))
    with pytest.raises(ImportError, match="A training run needs matplotlib, sacrebleu: "):
        train(Recipe.load(recipe_path), tmp_path / "run")


def interrupt(monkeypatch, epoch):
    """Lets a KeyboardInterrupt come at the first batch of an epoch."""

    class Interrupting(run_module.Throughput):
        def on_epoch_begin(self, now, logs=None):
            super().on_epoch_begin(now, logs)
            self.now = now

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.now == epoch:
                raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "Throughput", Interrupting)


@pytest.mark.long
@pytest.mark.parametrize("epoch", [0, 1])
def test_ctrl_c_leaves_a_model_and_a_report(recipe_path, tmp_path, monkeypatch, epoch):
    interrupt(monkeypatch, epoch)
    report = train(Recipe.load(recipe_path), tmp_path / "run")
    assert report["interrupted"] is True
    assert report["signal"] == "SIGINT"
    assert report["epochs"] == epoch
    assert "test" not in report
    assert isinstance(load_model(tmp_path / "run" / "model.keras").translate("the dog"), str)


@pytest.mark.long
def test_force_writes_over_an_old_run(recipe_path, tmp_path, monkeypatch):
    interrupt(monkeypatch, 1)
    for _ in range(2):
        report = train(Recipe.load(recipe_path), tmp_path / "run", force=True)
    assert report["epochs"] == 1
    assert (tmp_path / "run" / "samples.txt").read_text("utf-8").count("epoch 1\n") == 1


# A test run in the background ignores the signal, and its children would too.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from keras_seq2seq.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def started(recipe_path, folder, file, *settings):
    """Starts a training by the command line and returns its process when a file is there."""
    arguments = ["train", recipe_path, "--output-dir", folder]
    arguments += [part for setting in settings for part in ("--set", setting)]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not (folder / file).exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_a_signal_ends_the_training_not_the_run(recipe_path, tmp_path):
    folder = tmp_path / "run"
    process = started(recipe_path, folder, "model.keras", "training.epochs=10000")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 143, errors
    assert json.loads((folder / "report.json").read_text("utf-8"))["interrupted"] is True
    assert load_model(folder / "model.keras", compile=False).tokenizers is not None


@pytest.mark.long
def test_a_killed_run_goes_on_by_the_same_call(recipe_path, tmp_path):
    settings = ["training.epochs=3", "training.save_every=3", "training.average_last=2"]
    settings += ["model.dropout=0.2", "training.patience=9"]
    recipe = Recipe.load(recipe_path, settings)
    folders = tmp_path / "whole", tmp_path / "killed"
    process = started(recipe_path, folders[1], "state.npz", *settings)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folders[1] / "report.json").exists()
    with pytest.raises(FileExistsError, match=r"differs: training.seed = 4, was 3"):
        train(Recipe.load(recipe_path, [*settings, "training.seed=4"]), folders[1])
    same_runs(folders, [train(recipe, folder) for folder in folders])


@pytest.mark.long
def test_a_finished_run_goes_on_with_more_epochs_and_its_data_elsewhere(recipe_path, tmp_path):
    folders = tmp_path / "whole", tmp_path / "twice"
    settings = ["training.average_last=2", "model.dropout=0.2"]
    train(Recipe.load(recipe_path, [*settings, "training.epochs=2"]), folders[1])
    settings += [*moved(recipe_path, tmp_path), "training.warmup_steps=0", "training.epochs=3"]
    recipe = Recipe.load(recipe_path, settings)
    same_runs(folders, [train(recipe, folder) for folder in folders])
    assert "epochs = 3" in (folders[1] / "recipe.toml").read_text("utf-8").splitlines()


def same_runs(folders, reports):
    """Checks that two runs of three epochs came to the same."""
    assert [report["epochs"] for report in reports] == [3, 3]
    assert reports[0]["test"] == reports[1]["test"]
    histories = [read_history(folder / "history.csv") for folder in folders]
    for history in histories:
        del history["tokens_per_second"]
    assert histories[0] == histories[1]
    texts = [(folder / "samples.txt").read_text("utf-8") for folder in folders]
    assert texts[0] == texts[1]
    models = [load_model(folder / "model.keras", compile=False) for folder in folders]
    for a, b in zip(models[0].weights, models[1].weights, strict=True):
        assert (keras.ops.convert_to_numpy(a) == keras.ops.convert_to_numpy(b)).all()


@pytest.mark.long
def test_a_run_goes_on_with_prepared_pairs(finished, recipe_path, copied, tmp_path):
    settings = ["training.warmup_steps=2", f"data.prepared={tmp_path / 'prepared'}"]
    prepare(Recipe.load(recipe_path, settings))
    report = train(Recipe.load(recipe_path, [*settings, "training.epochs=3"]), copied)
    assert report["epochs"] == 3
    assert report["pairs"] == {"train": 200, "validation": 20, "test": 15}
    assert TokenizerPair.load(copied) == TokenizerPair.load(finished[0])


@pytest.mark.long
def test_pairs_longer_than_the_model_takes(recipe_path, tmp_path, capsys):
    settings = ["model.max_length=5", "training.epochs=1"]
    told = r"\d+ of 200 training pairs have a side of more than model.max_length=5 tokens, up to 7"
    with pytest.raises(ValueError, match=rf"must fit the model. Received: {told}; raise"):
        train(Recipe.load(recipe_path, settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    report = train(Recipe.load(recipe_path, [*settings, "data.policy=drop"]), tmp_path / "run")
    printed = capsys.readouterr().out
    assert re.search(f"Left out: {told}", printed)
    assert "\x1b" not in printed and printed.count("\n") < 12  # it is no terminal
    assert report["dropped_pairs"] > 0


@pytest.mark.long
def test_a_loss_that_is_not_a_number_keeps_the_model(recipe_path, tmp_path, monkeypatch, capsys):
    class Poisoning(run_module.Throughput):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch == 1:
                weight = self.model.trainable_weights[0]
                weight.assign(weight * float("nan"))

    monkeypatch.setattr(run_module, "Throughput", Poisoning)
    folder = tmp_path / "run"
    assert main(["train", str(recipe_path), "--output-dir", str(folder)]) == 1
    assert "the loss is nan at epoch 2, step 1; the state" in capsys.readouterr().err
    assert isinstance(load_model(folder / "model.keras").translate("the dog"), str)
