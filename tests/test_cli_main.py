import subprocess
import sys

import pytest
from conftest import ROOT
from word_corpus import write_corpus

import keras_seq2seq
from keras_seq2seq.cli.main import main
from keras_seq2seq.training import train as run_module


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def recorded(monkeypatch):
    """What `train` was called with, instead of a training."""
    calls = []

    def train(recipe, folder, *, fine_tune, force):
        calls.append((recipe, folder, fine_tune, force))
        test = {"bleu": 12.5, "sentences": 3}
        seconds = {"steps": 9.0, "test": 1.0}
        return {
            "interrupted": False,
            "test": test,
            "test_beam": {"bleu": 13.0},
            "seconds": seconds,
        }

    monkeypatch.setattr(run_module, "train", train)
    return calls


def test_train_passes_everything_on(recipe_path, recorded, tmp_path, capsys):
    settings = ["--set", "training.epochs=7", "--set", "model.cell=lstm"]
    folder = tmp_path / "run"
    arguments = ["train", str(recipe_path), "--output-dir", str(folder), *settings, "--force"]
    assert main([*arguments, "--fine-tune", "old"]) == 0
    ((recipe, given, fine_tune, force),) = recorded
    assert (recipe.training.epochs, recipe.model["cell"], given) == (7, "lstm", folder)
    assert (str(fine_tune), force) == ("old", True)
    assert capsys.readouterr().out.splitlines() == [
        "test bleu: 12.5",
        "test sentences: 3",
        "test_beam bleu: 13.0",
        "time: 10 s, of it steps 90 %, test 10 %",
        f"run folder: {folder}",
    ]


def test_the_run_folder_is_named_after_the_recipe(recipe_path, recorded, capsys):
    assert main(["train", str(recipe_path)]) == 0
    ((_, folder, fine_tune, force),) = recorded
    assert folder.parts == ("runs", "words")
    assert (fine_tune, force) == (None, False)


@pytest.mark.parametrize(("signal", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_training_ends_as_its_signal(recipe_path, monkeypatch, signal, status):
    report = {"interrupted": True, "signal": signal, "seconds": {"other": 0.0}}
    monkeypatch.setattr(run_module, "train", lambda *_, **__: report)
    assert main(["train", str(recipe_path)]) == status


def test_ctrl_c_outside_of_training_is_130(recipe_path, monkeypatch, capsys):
    def train(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "train", train)
    assert main(["train", str(recipe_path)]) == 130
    assert capsys.readouterr().err == ""


def test_a_real_training_by_the_command_line(recipe_path, tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ["train", str(recipe_path), "--output-dir", str(folder)]
    arguments += ["--set", "training.epochs=1"]
    assert main(arguments) == 0
    assert (folder / "model.keras").is_file()
    assert "test exact_match: " in capsys.readouterr().out
    assert main(arguments) == 1
    assert "holds a finished run. Name another folder" in capsys.readouterr().err


def failed(arguments, capsys):
    """Returns what a failing command told on standard error."""
    assert main(list(map(str, arguments))) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("keras-seq2seq: ")
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return captured.err


def test_a_bad_recipe_lists_its_faults(tmp_path, capsys):
    path = tmp_path / "bad.toml"
    path.write_text('[training]\nepochs = 0\nlr = 1\n[model]\ncell = "rnn"\n')
    told = failed(["train", path, "--set", "training.seed=x"], capsys)
    for part in ("The recipe has errors", "`training.epochs`", "'lr'", "`cell`", "`training.seed`"):
        assert part in told
    assert not (tmp_path / "runs").exists()


def test_a_missing_recipe_is_named(tmp_path, capsys):
    assert "none.toml" in failed(["train", tmp_path / "none.toml"], capsys)


def test_a_faulty_corpus_is_told_by_line(tmp_path, capsys):
    path = write_corpus(tmp_path)
    (tmp_path / "val.tgt").write_text("\n" * 20)
    told = failed(["train", path, "--output-dir", tmp_path / "run"], capsys)
    assert "val.tgt:1: blank" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["translate", "verify"])
def test_a_missing_bundle_is_named(tmp_path, capsys, command):
    told = failed([command, tmp_path / "none"], capsys)
    assert "is not a bundle: it has no manifest.json" in told
    assert "keras-seq2seq export" in told


def test_a_missing_run_is_named(tmp_path, capsys):
    told = failed(["export", tmp_path / "none.keras", "--output-dir", tmp_path / "b"], capsys)
    assert "none.keras" in told


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fit"],
        ["train"],
        ["export", "run"],
        ["translate", "bundle", "--runtime", "torch"],
        ["train", "recipe.toml", "--epochs", "3"],
    ],
)
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: keras-seq2seq" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == keras_seq2seq.__version__


@pytest.mark.parametrize("command", ["train", "translate", "export", "verify"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"usage: keras-seq2seq {command}" in capsys.readouterr().out


def test_the_installed_command_helps_without_loading_keras():
    code = "import sys; sys.argv[0] = 'keras-seq2seq'; from keras_seq2seq.cli.main import main\n"
    code += "try: main(['--help'])\nfinally: assert not {'keras', 'tensorflow'} & set(sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in ("train", "translate", "export", "verify"):
        assert f"    {command}" in process.stdout
