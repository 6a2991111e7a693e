import json
import os

import pytest
from nasty_names import NASTY_NAMES

from keras_seq2seq import Recipe
from keras_seq2seq.training.run_folder import RunFolder
from keras_seq2seq.training.training_state import StateError, TrainingState

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


def with_state(run, epoch, callbacks=None, validation=None):
    state = TrainingState(
        epoch, 0, "data", "tensorflow", (), (), (), callbacks or {}, validation=validation or {}
    )
    state.save(run.state)


def contents(run):
    return {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}


def test_an_empty_folder_takes_a_new_run(tmp_path):
    run = RunFolder(tmp_path / "new" / "run")
    assert run.goes_on(recipe(), force=False) is False
    assert not run.path.exists()
    run.prepare(goes_on=False)
    assert list(run.path.iterdir()) == []


def test_an_unfinished_run_goes_on(folder):
    with_state(folder, 2)
    before = contents(folder)
    assert folder.goes_on(recipe(), force=False) is True
    assert contents(folder) == before
    folder.prepare(goes_on=True)
    assert folder.history.read_text("utf-8") == "epoch,loss\n0,3\n1,2\n"
    assert folder.samples.read_text("utf-8") == SAMPLES[: SAMPLES.index("epoch 3")]


def test_a_history_is_cut_between_its_rows(folder):
    with_state(folder, 1)
    folder.history.write_bytes(b"epoch,loss\r\n0,3\r\n1,")
    folder.prepare(goes_on=True)
    assert folder.history.read_bytes() == b"epoch,loss\r\n0,3\r\n"


def test_a_run_that_was_killed_at_once_begins_again(folder):
    folder.model.unlink()
    folder.history.write_text("epoch,loss\n", "utf-8")
    assert folder.goes_on(recipe(), force=False) is True
    folder.prepare(goes_on=True)
    assert (folder.history.read_text("utf-8"), folder.samples.read_text("utf-8")) == ("", "")


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("state.npz", r"holds model.keras, history.csv of 3 epochs but no state.npz: a run can"),
        ("model.keras", "a state after 2 epochs, but no model.keras"),
        ("history.csv", "a state after 2 epochs, but history.csv with 0"),
        ("epochs/0002.weights.h5", "needs weights of epochs, but no epochs/0002.weights.h5: a"),
        ("recipe.toml", "holds state.npz, model.keras but no recipe.toml"),
    ],
)
def test_a_run_that_misses_a_file_is_refused(folder, lost, told):
    with_state(folder, 2, {"5 KeepEpochs": {"values": {"1": 0.0, "2": 1.0}}})
    folder.epochs.mkdir()
    for number in (1, 2):
        (folder.epochs / f"000{number}.weights.h5").touch()
    assert folder.goes_on(recipe(), force=False) is True
    (folder.path / lost).unlink()
    before = contents(folder)
    with pytest.raises(FileNotFoundError, match=f"{told}.*Nothing was changed.*--force"):
        folder.goes_on(recipe(), force=False)
    assert contents(folder) == before
    assert folder.goes_on(recipe(), force=True) is False


def test_a_file_of_the_former_release_may_be_replaced_by_the_next_epoch(folder):
    with_state(folder, 2, {"5 KeepEpochs": {"values": {"1": 0.0, "2": 1.0}}})
    folder.epochs.mkdir()
    for number in (2, 3):
        (folder.epochs / f"000{number}.weights.h5").touch()
    assert folder.goes_on(recipe(), force=False) is True


def test_a_damaged_state_or_report_is_told_at_the_start(folder):
    folder.state.write_bytes(b"PK nothing")
    with pytest.raises(StateError, match=r"state.npz cannot be read.*--force"):
        folder.goes_on(recipe(), force=False)
    with_state(folder, 2)
    folder.report.write_text("{", "utf-8")
    with pytest.raises(ValueError, match=r"report.json cannot be read.*Delete it.*--force"):
        folder.goes_on(recipe(), force=False)


@pytest.mark.parametrize("validation", [{}, {"validation_data": "a"}])
def test_where_the_data_lies_may_change(folder, tmp_path, validation):
    def of(place, **names):
        (tmp_path / place).mkdir(exist_ok=True)
        for name in ("train", "other"):
            (tmp_path / place / name).touch()
        data = {"format": "tsv", "folder": str(tmp_path / place), "train": ["train"], **names}
        return Recipe.from_tables({"data": data})

    folder.recipe.write_text(of("here").to_toml(), "utf-8")
    with_state(folder, 2, validation=validation)
    assert folder.goes_on(of("there"), force=False) is True
    if validation:  # the state knows all pairs
        assert folder.goes_on(of("there", train=["other"]), force=False) is True
    else:
        with pytest.raises(FileExistsError, match="data.train = .*other"):
            folder.goes_on(of("there", train=["other"]), force=False)


@pytest.mark.parametrize("name", NASTY_NAMES.values(), ids=NASTY_NAMES)
def test_nasty_names_are_run_folders_or_refused(tmp_path, name):
    run = RunFolder(tmp_path / name)
    if name == NASTY_NAMES["not UTF-8"]:
        with pytest.raises(ValueError, match=r"must be UTF-8.*Received: b'.*caf\\xe9'"):
            run.check_name()
    else:
        run.check_name()
        run.prepare(goes_on=False)
        run.check_name()
        run.write_start(recipe(), ["a"])
        with_state(run, 0)
        assert run.goes_on(recipe(), force=False) is True


def test_a_folder_too_deep_for_its_files_is_refused(tmp_path):
    deep = tmp_path
    while len(os.fspath(deep)) < os.pathconf(tmp_path, "PC_PATH_MAX") - 150:
        deep = deep / ("d" * 100)
    with pytest.raises(ValueError, match="must be possible in its folder.*too long"):
        RunFolder(deep).check_name()


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(NotADirectoryError, match="there is a file of that name, or above it"):
            RunFolder(path).check_name()


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_report_tells_whether_a_run_is_finished(folder, interrupted):
    with_state(folder, 3)
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
    with_state(folder, 3)
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


@pytest.mark.parametrize("place", ["other", "."])
def test_a_search_and_a_shortlist_come_with_the_run_to_start_from(folder, tmp_path, place):
    given = tmp_path / place
    given.mkdir(exist_ok=True)
    wanted = {"search.json": b"{}", "shortlist.npz": b"PK"}
    for name, data in wanted.items():
        (given / name).write_bytes(data)
    folder.prepare(goes_on=False, fine_tune=given)
    assert {name: (folder.path / name).read_bytes() for name in wanted} == wanted
    folder.prepare(goes_on=True, fine_tune=tmp_path)
    assert {name: (folder.path / name).read_bytes() for name in wanted} == wanted
    # They would be wrong of a model that has nothing to do with the import.
    folder.prepare(goes_on=False)
    assert not wanted.keys() & {path.name for path in folder.path.iterdir()}


def test_a_sample_that_looks_like_an_epoch_is_none(folder):
    folder.samples.write_text("epoch 1\n  model      a\nepoch of b\nepoch 2\n", "utf-8")
    with_state(folder, 1)
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
    assert not folder.recipe.exists()
