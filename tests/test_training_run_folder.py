import json

import pytest

from keras_seq2seq import Recipe
from keras_seq2seq.training.run_folder import RunFolder

SAMPLES = "epoch 1\n  source     a\nepoch 2\n  source     b\nepoch 3\n  source     c\n"


@pytest.fixture
def folder(tmp_path):
    """A run of three epochs, its state that of the second."""
    run = RunFolder(tmp_path)
    run.recipe.write_text(Recipe().to_toml(), "utf-8")
    run.history.write_text("epoch,loss\n0,3\n1,2\n2,1\n", "utf-8")
    run.samples.write_text(SAMPLES, "utf-8")
    run.model.write_bytes(b"model")
    return run


def recipe(**training):
    return Recipe.from_tables({"training": training})


def test_an_empty_folder_takes_a_new_run(tmp_path):
    run = RunFolder(tmp_path / "new" / "run")
    assert run.goes_on(recipe(), force=False) is False
    assert not run.path.exists()
    run.prepare(goes_on=False)
    assert list(run.path.iterdir()) == []


def test_an_unfinished_run_goes_on(folder, monkeypatch):
    folder.state.touch()
    monkeypatch.setattr("keras_seq2seq.training.run_folder.completed_epochs", lambda path: 2)
    assert folder.goes_on(recipe(), force=False) is True
    folder.prepare(goes_on=True)
    assert folder.history.read_text("utf-8") == "epoch,loss\n0,3\n1,2\n"
    assert folder.samples.read_text("utf-8") == SAMPLES[: SAMPLES.index("epoch 3")]


def test_without_a_state_it_begins_again(folder):
    assert folder.goes_on(recipe(), force=False) is True
    folder.prepare(goes_on=True)
    assert (folder.history.read_text("utf-8"), folder.samples.read_text("utf-8")) == ("", "")
    assert folder.model.read_bytes() == b"model"


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_report_tells_whether_a_run_is_finished(folder, interrupted):
    folder.write_report({"interrupted": interrupted})
    assert json.loads(folder.report.read_text("utf-8")) == {"interrupted": interrupted}
    if interrupted:
        assert folder.goes_on(recipe(), force=False)
    else:
        with pytest.raises(FileExistsError, match=r"holds a finished run\. Name another.*--force"):
            folder.goes_on(recipe(), force=False)
    assert folder.goes_on(recipe(), force=True) is False


def test_another_recipe_is_refused_by_its_settings(folder):
    with pytest.raises(FileExistsError, match=r"differs: training.seed = 7, was 0\..*--force"):
        folder.goes_on(recipe(seed=7), force=False)
    assert folder.history.read_text("utf-8").count("\n") == 4


@pytest.mark.parametrize("finished", [True, False])
def test_only_more_epochs_go_on(folder, finished):
    if finished:
        folder.write_report({"interrupted": False})
    folder.recipe.write_text(recipe(epochs=5).to_toml(), "utf-8")
    assert folder.goes_on(recipe(epochs=6), force=False) is True
    for other in ({"epochs": 4}, {"epochs": 6, "seed": 7}, {"epochs": 6, "schedule": "cosine"}):
        with pytest.raises(FileExistsError):
            folder.goes_on(recipe(**other), force=False)
    folder.recipe.write_text(recipe(epochs=5, schedule="cosine").to_toml(), "utf-8")
    with pytest.raises(FileExistsError):  # its learning rates were those of 5 epochs
        folder.goes_on(recipe(epochs=6, schedule="cosine"), force=False)


def test_a_new_run_leaves_nothing_of_the_old_one_but_its_model(folder):
    folder.epochs.mkdir()
    (folder.epochs / "0001.weights.h5").touch()
    folder.prepare(goes_on=False)
    assert {path.name for path in folder.path.iterdir()} == {"model.keras"}


def test_a_sample_that_looks_like_an_epoch_is_none(folder, monkeypatch):
    folder.samples.write_text("epoch 1\n  model      a\nepoch of b\nepoch 2\n", "utf-8")
    folder.state.touch()
    monkeypatch.setattr("keras_seq2seq.training.run_folder.completed_epochs", lambda path: 1)
    folder.prepare(goes_on=True)
    assert folder.samples.read_text("utf-8") == "epoch 1\n  model      a\nepoch of b\n"


def test_the_recipe_is_written_last(folder, monkeypatch):
    folder.prepare(goes_on=False)

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recipe, "to_toml", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.write_start(recipe(), ["a", "b"])
    assert folder.sources.read_text("utf-8") == "a\nb\n"
    assert folder.goes_on(recipe(), force=False) is False
