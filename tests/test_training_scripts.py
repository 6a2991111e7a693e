"""The scripts in the folder training/ run as a user runs them."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent.parent / "training" / "dates.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="needs the checkout: the wheel has no training/")
def test_dates_script_trains_reloads_exports_and_translates(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), "4"],
        capture_output=True,
        check=True,
        timeout=600,
    )
    lines = done.stdout.decode().splitlines()
    assert lines[-1] == "2014-07-14"
    assert (tmp_path / "dates.keras").is_file()
    assert (tmp_path / "bundle" / "manifest.json").is_file()
