"""Standard streams in any locale, closed or full."""

import io
import json
import os
import shutil
import subprocess
import sys

import pytest
from command_line import COMMAND, COMMANDS, ROOT, released_bundle, started

from keras_seq2seq.cli.streams import standard_input, utf8_streams

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = [{"PYTHONIOENCODING": "latin-1"}, ASCII, {**ASCII, "PYTHONIOENCODING": "cp1252"}]


@pytest.mark.parametrize("locale", LOCALES, ids=range(len(LOCALES)))
def test_texts_and_file_names_are_utf8_in_every_locale(locale, tmp_path):
    bundle = shutil.copytree(released_bundle(), tmp_path / "bündel ☂")
    output = tmp_path / "été.txt"
    options = ("--json", "--prefix", "é", "--output", output)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = started("translate", bundle, *options, environment=locale, **pipes)
    _, errors = process.communicate("été ☂ 𝄞\n".encode())
    assert process.returncode == 0, errors
    assert json.loads(output.read_text("utf-8"))["source"] == "été ☂ 𝄞"


def test_a_message_is_utf8_in_every_locale():
    process = started("inspect", "é☂", environment=ASCII)
    assert "é☂" in process.communicate()[1].decode()
    assert process.returncode == 1


def closed(redirection, *arguments, **options):
    """Runs a command that a shell starts with a closed stream."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, **options)


@pytest.mark.parametrize(
    ("redirection", "message"),
    [("<&-", b"Standard input is closed"), (">&-", b"Standard output is closed")],
)
def test_a_closed_stream_is_told(redirection, message):
    done = closed(redirection, "translate", released_bundle())
    assert done.returncode == 1 and done.stdout == b""
    assert message in done.stderr and done.stderr.count(b"\n") == 1


def test_messages_to_a_closed_standard_error_go_nowhere(tmp_path):
    output = tmp_path / "out"
    options = ("--output", output)
    done = closed("2>&-", "translate", released_bundle(), *options, input=b"red\n\xff\n")
    assert done.returncode == 0 and done.stdout == b""
    assert output.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(("command", "place"), [("--help", None), *COMMANDS])
def test_a_full_disk_is_told_for_standard_output(command, place):
    arguments = [] if place is None else [released_bundle() / place]
    with open("/dev/full", "wb") as full:
        pipes = {"stdin": subprocess.PIPE, "stdout": full}
        buffered = {"PYTHONUNBUFFERED": ""}
        process = started(command, *arguments, environment=buffered, **pipes)
        _, errors = process.communicate(b"red\n")
    assert process.returncode == 1
    assert errors.startswith(b"keras-seq2seq: standard output: No space left on device")
    assert errors.count(b"\n") == 1


def test_streams_are_utf8_within_the_block_only(monkeypatch):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, "ascii", "strict")
    monkeypatch.setattr(sys, "stdout", stream)
    with utf8_streams():
        print("é\udcff", end="")
        stream.flush()
    assert written.getvalue() == b"\xc3\xa9\\udcff"
    assert (stream.encoding, stream.errors) == ("ascii", "strict")


def test_a_folder_is_no_standard_input(monkeypatch, tmp_path):
    # Python itself dies if its standard input is a folder from the start.
    class Folder:
        def fileno(self):
            return descriptor

    descriptor = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(sys, "stdin", Folder())
    with pytest.raises(OSError, match="Is a directory: 'standard input'"):
        standard_input()
    os.close(descriptor)
