"""The scripts in the folder training/ run as a user runs them."""

import pathlib
import runpy
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent.parent / "training" / "dates.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="needs the checkout: the wheel has no training/")
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
