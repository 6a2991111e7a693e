"""The command line as a process, over a bundle that runs without TensorFlow and Keras."""

import io
import os
import pathlib
import signal
import subprocess
import sys
import tarfile

from conftest import ROOT
from written_once import written_once

from keras_seq2seq.cli.main import main

ARCHIVE = ROOT / "tests" / "data" / "release_0_1_0.tar.xz"
# Commands that start fast, and the place in a bundle that they take.
COMMANDS = [("translate", "."), ("inspect", "litert/model_float32.tflite")]
COMMAND = (sys.executable, "-m", "keras_seq2seq.cli")


def released_bundle():
    """Returns a bundle of all formats, float32 and quantised; do not change it."""

    def extract(folder):
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="data")

    return written_once("release_0_1_0", extract) / "bundles" / "gru"


def default_signals():
    """Undoes what this process ignores, such as SIGINT where it runs in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(*arguments, environment=(), prepared=None, **streams):
    """Starts a command as a process of its own, with standard error in a pipe."""
    streams = {"stderr": subprocess.PIPE, "cwd": ROOT, **streams}
    env = {**os.environ, **dict(environment)}
    command = [*COMMAND, *map(os.fspath, arguments)]
    return subprocess.Popen(command, env=env, preexec_fn=prepared, **streams)


def ran(monkeypatch, capfdbinary, text, *arguments):
    """Runs a command in this process; returns its status, standard output and error."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    status = main([os.fspath(argument) for argument in arguments])
    printed = capfdbinary.readouterr()
    return status, printed.out, printed.err.decode()


def whole(path: pathlib.Path):
    """Returns the lines of a file that must end with a whole one."""
    content = path.read_bytes()
    assert not content or content.endswith(b"\n")
    return content.decode().split("\n")[:-1]
