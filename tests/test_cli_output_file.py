import os
import pathlib
import sys

import pytest

from keras_seq2seq.cli.output_file import OutputFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out"


def written(path, lines, **options):
    output = OutputFile(path, **{"resume": False, "force": False, **options})
    before = output.lines
    output.write(lines)
    output.finish()
    output.close()
    return before, path.read_bytes()


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_holds_nothing_is_taken(path, content):
    if content is not None:
        path.write_bytes(content)
    assert written(path, ["un", "deux"]) == (0, b"un\ndeux\n")


def test_a_file_that_holds_something_is_refused(path):
    path.write_bytes(b"x")
    with pytest.raises(FileExistsError, match="Pass --resume to go on where it ends, --force"):
        OutputFile(path, resume=False, force=False)
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("content", "lines", "kept"),
    [
        *((b"", 0, b""), (b"ha", 0, b""), (b"a\n", 1, b"a\n"), (b"a\n\nha", 2, b"a\n\n")),
        (b"x\n" * 700_000 + b"half", 700_000, b"x\n" * 700_000),
    ],
)
def test_whole_lines_stay_and_half_a_line_goes(path, content, lines, kept):
    path.write_bytes(content)
    assert written(path, ["z"], resume=True) == (lines, kept + b"z\n")


def test_what_a_file_held_goes_with_the_first_line_only(path):
    path.write_bytes(b"old\n" * 9)
    output = OutputFile(path, resume=False, force=True)
    output.close()
    assert path.read_bytes() == b"old\n" * 9
    assert written(path, [], force=True) == (0, b"")


def test_lines_are_read_by_their_places(path):
    path.write_bytes("\n".join(["é", "", "c\r", "half"]).encode())
    output = OutputFile(path, resume=True, force=False)
    assert output.read([0, 2]) == ["é", "c\r"]
    output.close()


def test_a_new_file_that_got_nothing_is_removed(path):
    OutputFile(path, resume=True, force=False).close()
    assert not path.exists()


def test_a_file_that_is_read_is_not_written(path, monkeypatch):
    path.write_bytes(b"the dog\n")
    with path.open() as source:
        monkeypatch.setattr(sys, "stdin", source)
        with pytest.raises(ValueError, match="must be another file than standard input"):
            OutputFile(path, resume=False, force=True)
    assert path.read_bytes() == b"the dog\n"


def test_a_device_is_written_and_not_continued(tmp_path):
    null = pathlib.Path(os.devnull)
    output = OutputFile(null, resume=False, force=False)
    output.write(["un"])
    output.finish()
    output.close()
    assert null.exists()
    with pytest.raises(ValueError, match="--resume needs a regular file. Received: /dev/null"):
        OutputFile(null, resume=True, force=False)


@pytest.mark.parametrize("name", ["none/out", "."])
def test_what_cannot_be_written_is_told_at_once(tmp_path, name):
    with pytest.raises(OSError, match="No such file|Is a directory"):
        OutputFile(tmp_path / name, resume=False, force=False)
