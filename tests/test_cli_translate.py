"""The command translate over ONNX and LiteRT files: every line, clean or not."""

import contextlib
import io
import json
import random
import shutil
import sys

import pytest
from command_line import ran, released_bundle, whole

import keras_seq2seq
from keras_seq2seq.cli.main import main

WORDS = ["the", "a", "dog", "cat", "red", "sees", "café", "☃"]


@pytest.fixture
def translate(monkeypatch, capfdbinary):
    """Runs the command; returns its status, what it printed, and what it told."""

    def run(text, *options, bundle=None):
        return ran(
            monkeypatch, capfdbinary, text, "translate", bundle or released_bundle(), *options
        )

    return run


@pytest.fixture
def litert_alone(tmp_path):
    """A bundle as `export --formats litert` writes it."""
    folder = shutil.copytree(released_bundle(), tmp_path / "bundle")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    for name in ("onnx", "saved_model"):
        shutil.rmtree(folder / name)
        del manifest["artefacts"][name]
        files = manifest["files"]
        manifest["files"] = {key: files[key] for key in files if not key.startswith(f"{name}/")}
    path.write_text(json.dumps(manifest), "utf-8")
    return folder


def sentences(count):
    draw = random.Random(count)
    return "".join(f"{' '.join(draw.choices(WORDS, k=draw.randint(0, 6)))}\n" for _ in range(count))


def test_a_bundle_with_litert_alone_is_translated_by_default(translate, litert_alone):
    assert keras_seq2seq.load(litert_alone).runtime.name == "litert"
    found = translate(b"the dog\nred\n", bundle=litert_alone)
    assert found == translate(b"the dog\nred\n") == (0, b"le\nrouge rouge rouge\n", "")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (b"the dog\r\nred\r\n", b"the dog\nred\n"),
        (b"the dog\nred", b"the dog\nred\n"),
        (b"\xef\xbb\xbfthe dog\nred\n", b"the dog\nred\n"),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ends_of_lines_and_a_mark_change_nothing(translate, text, same, options):
    assert translate(text, *options) == translate(same, *options)


def test_one_line_out_for_each_line_of_any_bytes(translate):
    draw = random.Random(7)
    kinds = [0, 9, 10, 13, 27, 65, 0x85, 0xC3, 0xA9, 0xE2, 0xFF]
    text = b"red" + bytes(draw.choices(kinds, k=2000)) + b"\n\n" + b"long " * 20_000 + b"\nend"
    status, out, told = translate(text)
    assert status == 0
    assert out.count(b"\n") == text.count(b"\n") + 1
    out.decode("utf-8")
    assert "are not UTF-8" in told and "hold NUL" in told


def test_json_holds_the_texts_as_they_came(translate):
    text = "caf\xe9 \u2603\x1b[2J\x9b\u202e"
    status, out, told = translate(f"\ufeff{text}\n".encode(), "--json")
    assert (status, told) == (0, "")
    assert json.loads(out)["source"] == text
    assert "caf\xe9 \u2603".encode() in out
    assert not any(c in out.decode() for c in "\x1b\x9b\u202e")


def test_strict_refuses_a_line_and_prints_nothing(translate):
    status, out, told = translate(b"red\ncaf\xe9\n", "--errors", "strict")
    assert (status, out) == (1, b"")
    assert told.startswith("keras-seq2seq: standard input:2: a line must be UTF-8 without NUL.")


def test_an_output_file_goes_on_where_it_ends(translate, tmp_path):
    path, text = tmp_path / "out", sentences(90)
    assert translate(text.encode(), "--output", path) == (0, b"", "")
    lines = whole(path)
    assert len(lines) == 90
    content = path.read_bytes()
    cut = content.index(lines[60].encode(), len("\n".join(lines[:60]).encode())) + 1
    path.write_bytes(content[:cut])
    assert translate(text.encode(), "--output", path, "--resume") == (0, b"", "")
    assert path.read_bytes() == content


@pytest.mark.parametrize("options", [(), ("--beam-size", "3"), ("--json",)])
def test_another_input_or_search_does_not_go_on(translate, tmp_path, options):
    path, text = tmp_path / "out", sentences(40)
    translate(text.encode(), "--output", path)
    content = path.read_bytes()
    other = text if options else "a cat\n" + text
    status, _, told = translate(other.encode(), "--output", path, "--resume", *options)
    assert status == 1 and "--resume needs the same input, bundle and options" in told
    assert path.read_bytes() == content


def test_what_fails_before_the_first_line_changes_no_file(translate, tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old\n")
    for options in (("--prefix", "le " * 10), ("--errors", "strict"), ("--batch-size", "0")):
        status, *_ = translate(b"caf\xe9\n", "--output", path, "--force", *options)
        assert status == 1 and path.read_bytes() == b"old\n"


def test_a_failure_tells_what_the_file_holds(translate, tmp_path):
    path = tmp_path / "out"
    options = ("--output", path, "--errors", "strict", "--window", "1")
    status, _, told = translate(b"red\nthe dog\ncaf\xe9\n", *options)
    assert status == 1 and f"{path} has 2 whole lines; --resume goes on after them." in told
    assert whole(path) == ["rouge rouge rouge", "le"]


def test_the_second_hypothesis_is_in_json(translate):
    status, out, _ = translate(b"the dog\n", "--json", "--beam-size", "3", "--num-hypotheses", "2")
    hypotheses = json.loads(out)["hypotheses"]
    assert status == 0 and [one["translation"] for one in hypotheses] == ["le", "le chien"]


def test_a_standard_output_of_texts_alone_gets_the_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the dog\nred\n")))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["translate", str(released_bundle())]) == 0
    assert printed.getvalue() == "le\nrouge rouge rouge\n"


@pytest.mark.parametrize("command", ["translate", "inspect", "train"])
def test_a_hostile_file_name_steers_no_terminal(command, tmp_path, capsys):
    assert main([command, str(tmp_path / "\x1b[2J\u202e\x9b")]) == 1
    printed = capsys.readouterr().err
    assert "\\x1b[2J\\u202e\\x9b" in printed
    assert all(c.isprintable() or c == "\n" for c in printed)
