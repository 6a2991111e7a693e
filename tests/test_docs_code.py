"""The code of the pages runs as a reader runs it: block after block, in an empty folder."""

import contextlib
import json
import os
import runpy
import socket
import subprocess
import sys

import pytest
from conftest import ROOT
from docs_pages import DOCS, blocks

# The pages whose blocks of Python are one script each, and what makes it shorter, if anything does.
SCRIPTS = {
    "script": {},
    "watching": {},
    "resuming": {},
    "fine_tuning": {},
    "freezing": {},
    "quantising": {},
    "architectures": {},
    "../README": {
        "size=100_000": "size=1_000",
        "1400": "500",
        'export(model, "bundle"': 'export(model, "bundle", formats=("litert",)',
    },
    "quickstart": {
        '"training/phrasebook_en_fr.toml"': f'"{ROOT}/training/phrasebook_en_fr.toml", SHORT',
        'bundle", sentences=': 'bundle", formats=("litert",), sentences=',
    },
}
SHORT = ["data.size=1000", "tokenizer.vocabulary_size=900", "training.epochs=1"]
# What makes the tutorial shorter; everything else is run as it stands.
SHORTER = {"size=20_000": "size=3_000"}
START = """
set -euo pipefail
waiting="--silent --show-error --fail --retry 90 --retry-connrefused --retry-delay 1"
curl() { command curl $waiting "$@"; echo; }
trap '[ -z "${server:-}" ] || kill $server' EXIT
"""


@pytest.mark.long
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_blocks_of_a_page_are_a_script(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = [b.code for b in blocks(DOCS / f"{name}.md") if b.language == "python"]
    text = "\n".join(code)
    assert text
    for long, short in SCRIPTS[name].items():
        assert long in text
        text = text.replace(long, short)
    script = tmp_path / "script.py"
    script.write_text(text, "utf-8")
    runpy.run_path(str(script), {"SHORT": SHORT})


@pytest.mark.long
def test_the_notebook_goes_through(tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "training" / "tutorial.ipynb").read_text("utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells)
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for long, short in {
        "size=20_000": "size=1_000",
        "=800": "=500",
        "epochs=4": "epochs=1",
    }.items():
        assert long in text
        text = text.replace(long, short)
    script = tmp_path / "script.py"
    script.write_text(text, "utf-8")
    found = runpy.run_path(str(script))
    assert found["parity"].passed
    assert (tmp_path / "attention.png").stat().st_size > 5_000


def tutorial(port):
    """Returns the tutorial as a shell script, with the files that it has its reader save."""
    parts = [START]
    for block in blocks(DOCS / "tutorial.md"):
        code = block.code.replace("8501", str(port))
        for long, short in SHORTER.items():
            code = code.replace(long, short)
        if block.mark.startswith("file: "):
            parts.append(f"cat > {block.mark[6:]} <<'END_OF_FILE'\n{code}END_OF_FILE\n")
        elif block.mark == "background":
            parts.append(f"{code.strip()} > server.log 2>&1 &\nserver=$!\n")
        elif block.language == "bash":
            parts.append(code)
        else:
            assert block.language in ("", "text"), f"line {block.line} would not be run"
    return "\n".join(parts)


def test_nothing_of_the_tutorial_is_passed_over():
    script = tutorial(1)
    for said in (
        "make_pairs.py",
        " clean ",
        " init ",
        " train ",
        " export ",
        " serve ",
        " verify ",
    ):
        assert said in script
    for short in SHORTER.values():
        assert short in script


@pytest.mark.long
def test_the_tutorial_goes_through(tmp_path):
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    (tmp_path / "bin").mkdir()
    for name, options in {"python": "", "keras-seq2seq": "-m keras_seq2seq.cli"}.items():
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {options} "$@"\n')
        command.chmod(0o755)
    work = tmp_path / "my_model"
    work.mkdir()
    root = str(DOCS.parent)
    done = subprocess.run(
        ["bash", "-c", tutorial(port)],
        cwd=work,
        env={
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        },
        text=True,
        capture_output=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("passed")
    assert '"translatedText"' in done.stdout and '"predictions"' in done.stdout
