import gzip

import pytest

from keras_seq2seq.cli.input_texts import InputTexts, pairs_of_files, texts_of_file

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        ([b"a\n", b"b"], ["a", "b"]),
        ([b"a\r\n", b"\r\n", b"b\r\r\n"], ["a", "", "b\r"]),
        ([MARK + b"a\n", MARK + b"b\n"], ["a", "\ufeffb"]),
        ([MARK], [""]),
        (["é\u2028☂\x0b\n".encode()], ["é\u2028☂\x0b"]),
        ([], []),
    ],
)
def test_clean_lines_are_texts_and_nothing_is_told(lines, texts, capsys):
    found = InputTexts("input", "strict")
    assert [found.text(line) for line in lines] == texts
    found.tell()
    assert capsys.readouterr().err == ""


def test_lines_of_another_encoding_are_counted(capsys):
    found = InputTexts("in\x1b[31m", "replace")
    lines = [b"red\n", b"caf\xe9\n", b"a\0b\n", b"\xe9\0\n"]
    assert [found.text(line) for line in lines] == ["red", "caf\ufffd", "a\0b", "\ufffd\0"]
    found.tell()
    first, second = capsys.readouterr().err.splitlines()
    assert "in\\x1b[31m: 2 of 4 lines are not UTF-8, wrong bytes were read as U+FFFD; the" in first
    assert "first is line 2." in first and "--errors strict" in first
    assert "2 of 4 lines hold NUL, which was read as a space; the first is line 3." in second


@pytest.mark.parametrize(
    ("line", "received"),
    [(b"caf\xe9", "byte 0xe9"), (b"a\0", "NUL"), (b"\xed\xa0\x80", "byte 0xed")],
)
def test_strict_refuses_a_line_by_its_number(line, received):
    found = InputTexts("input", "strict")
    found.text(b"good\n")
    with pytest.raises(ValueError, match=f"input:2: a line must be UTF-8 .* Received: {received};"):
        found.text(line)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_other_encodings_are_refused_by_their_mark(encoding, errors):
    line = "the dog\n".encode(encoding)
    with pytest.raises(ValueError, match=f"must be UTF-8. Received: {encoding.upper()}, by its"):
        InputTexts("input", errors).text(line)


def test_files_are_read_and_counted_alike(tmp_path, capsys):
    (tmp_path / "source").write_bytes(b"the dog\ncaf\xe9\0\n")
    with gzip.open(tmp_path / "target.gz", "wb") as file:
        file.write("le chien\ncafé\n".encode())
    paths = tmp_path / "source", tmp_path / "target.gz"
    pairs = pairs_of_files(*paths, errors="replace")
    assert pairs == [("the dog", "le chien"), ("caf\ufffd ", "café")]
    assert "source: 1 of 2 lines hold NUL" in capsys.readouterr().err
    with pytest.raises(ValueError, match="source:2: a line must be UTF-8"):
        texts_of_file(paths[0], errors="strict")


def test_files_must_be_of_equal_length(tmp_path):
    (tmp_path / "one").write_text("a\n", "utf-8")
    (tmp_path / "two").write_text("a\nb\n", "utf-8")
    with pytest.raises(ValueError, match="the same number of lines. Received: 1 in .*one, 2 in"):
        pairs_of_files(tmp_path / "one", tmp_path / "two", errors="replace")
