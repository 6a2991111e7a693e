"""The kit of export/web with its packages, for tests in Node and in a browser."""

import pathlib
import shutil
import subprocess

import pytest
from written_once import written_once

KIT = pathlib.Path(__file__).parent.parent / "export" / "web"
MARKS = [
    pytest.mark.skipif(not KIT.exists(), reason="needs the checkout: the wheel has no export/"),
    pytest.mark.skipif(not shutil.which("npm"), reason="npm and node are not installed"),
]


def installed_kit() -> pathlib.Path:
    """Returns a copy of the kit with its packages, which come from the npm registry."""
    return written_once("web_kit", _install)


def _install(folder: pathlib.Path) -> None:
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(KIT, folder, ignore=ignored, dirs_exist_ok=True)
    # The scripts of the packages only fetch what a GPU needs.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    waiting = ["--fetch-retries=0", "--fetch-timeout=60000"]
    try:
        done = subprocess.run(
            [*command, *waiting], cwd=folder, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry did not answer in time")
    if done.returncode and any(code in done.stderr for code in ("ENOTFOUND", "EAI_AGAIN", "ECONN")):
        pytest.skip(f"the npm registry does not answer: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
