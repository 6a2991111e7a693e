"""The kit of export/web with its packages, for tests in Node and in a browser."""

import functools
import pathlib
import shutil
import subprocess

import pytest
from conftest import TEXTS
from kit_models import kit_models
from written_once import written_once

from keras_seq2seq import BeamSearch, Seq2Seq, TokenizerPair, export

KIT = pathlib.Path(__file__).parent.parent / "export" / "web"
BEAM = BeamSearch(3, 2)
# What drives a browser in the tests.
TOOLS = pathlib.Path(__file__).parent / "web"
MARKS = [
    pytest.mark.skipif(not KIT.exists(), reason="needs the checkout: the wheel has no export/"),
    pytest.mark.skipif(not shutil.which("npm"), reason="npm and node are not installed"),
]


def installed_kit() -> pathlib.Path:
    """Returns a copy of the kit with its packages, which come from the npm registry."""
    return written_once("web_kit", functools.partial(_install, KIT))


def installed_tools() -> pathlib.Path:
    """Returns a copy of tests/web with its packages."""
    return written_once("web_tools", functools.partial(_install, TOOLS))


def browser_bundles(tokenizers: TokenizerPair) -> dict[str, pathlib.Path]:
    """Returns a bundle of each model, with all that a browser runs.

    That of the GRU has a beam search inside, and languages.
    """

    def write(name: str, model: Seq2Seq, folder: pathlib.Path) -> None:
        parity = export(
            model,
            folder / name,
            formats=["onnx", "litert"],
            quantization="dynamic_int8",
            beam=BEAM if name == "gru" else None,
            languages=("en", "fr-CA") if name == "gru" else None,
            sentences=TEXTS,
            max_source_length=24,
            verbose=False,
        )
        assert parity.passed, str(parity)

    return {
        name: written_once(f"browser_{name}", functools.partial(write, name, model)) / name
        for name, model in kit_models(tokenizers)
    }


def _install(source: pathlib.Path, folder: pathlib.Path) -> None:
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(source, folder, ignore=ignored, dirs_exist_ok=True)
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
