"""The bulk jobs as a user starts them; each engine where it is installed."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from command_line import released_bundle
from conftest import ROOT, word_pairs

from keras_seq2seq import load

FOLDER = ROOT / "export" / "bulk"
TEXTS = [source for source, _ in word_pairs(60, seed=4)]
has = importlib.util.find_spec


@pytest.fixture(scope="module")
def wanted():
    return load(released_bundle(), "onnx").translate(TEXTS)


@pytest.fixture
def environment(tmp_path):
    """An environment with the command on its path; the first call of each part is killed."""
    command = tmp_path / "bin" / "keras-seq2seq"
    command.parent.mkdir()
    command.write_text(
        f"""#!/usr/bin/env bash
if mkdir "{tmp_path}/killed-${{4##*/}}" 2> /dev/null; then
    {sys.executable} -m keras_seq2seq.cli "$@" | true
    kill -9 $$
fi
exec {sys.executable} -m keras_seq2seq.cli "$@"
"""
    )
    command.chmod(0o755)
    paths = {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **paths}


def split_xargs(environment, *arguments, **options):
    command = ["bash", FOLDER / "split_xargs.sh", released_bundle(), *arguments]
    return subprocess.run(
        command, env={**environment, **options}, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("xargs") is None, reason="needs xargs and split of GNU")
def test_split_and_xargs_give_a_line_for_each_line(environment, tmp_path, wanted):
    given, output = tmp_path / "in put", tmp_path / "out put"
    given.write_text("\n".join(TEXTS), "utf-8")  # the last line has no end
    options = {"JOBS": "2", "LINES": "30"}
    done = split_xargs(environment, given, output, "--runtime", "onnx", **options)
    assert done.returncode == 0, done.stderr
    assert output.read_text("utf-8").split("\n") == [*wanted, ""]
    # Each part died once, and nothing is left of the parts.
    assert sorted(path.name for path in tmp_path.glob("killed-*")) == [
        f"killed-in.00000{i}.partial" for i in (0, 1)
    ]
    assert not list(tmp_path.glob("out put.*"))


@pytest.mark.skipif(shutil.which("xargs") is None, reason="needs xargs and split of GNU")
def test_split_and_xargs_tell_what_stays_wrong_and_go_on_later(environment, tmp_path):
    given, output = tmp_path / "in", tmp_path / "out"
    given.write_text("the dog\n", "utf-8")
    done = split_xargs(environment, given, output, "--alpha", "1")
    assert done.returncode != 0 and "--alpha would change nothing" in done.stderr
    assert not output.exists()
    given.write_text("the dog\na cat\n", "utf-8")
    done = split_xargs(environment, given, output)
    assert done.returncode == 2 and "belongs to another INPUT" in done.stderr
    given.write_text("", "utf-8")
    shutil.rmtree(tmp_path / "out.parts")
    assert split_xargs(environment, given, output).returncode == 0
    assert output.read_bytes() == b""


def job(name, tmp_path, *options):
    """Runs a job over Parquet; returns its rows by their id."""
    import pyarrow
    import pyarrow.parquet

    columns = {"id": list(range(len(TEXTS))), "en": TEXTS}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "in.parquet")
    files = ["--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    names = ["--source", "en", "--target", "fr", "--runtime", "onnx"]
    done = subprocess.run(
        [sys.executable, FOLDER / name, "--bundle", released_bundle(), *files, *names, *options],
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = pyarrow.parquet.read_table(tmp_path / "out").sort_by("id")
    assert found.column("en").to_pylist() == TEXTS
    return found.column("fr").to_pylist()


@pytest.mark.skipif(
    not (has("pyspark") and has("pandas") and has("pyarrow") and shutil.which("java")),
    reason="needs pyspark, pandas, pyarrow and Java",
)
def test_spark(tmp_path, wanted):
    assert job("spark_job.py", tmp_path, "--partitions", "2") == wanted


@pytest.mark.skipif(not (has("ray") and has("pyarrow")), reason="needs ray and pyarrow")
def test_ray(tmp_path, wanted):
    assert job("ray_job.py", tmp_path) == wanted
