import codecs
import gzip

import pytest

from keras_seq2seq.text.lines import clean_text, read_lines, read_texts


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\0b", "a b"),
        ("\ud83d", "\ufffd"),
        ("a\udc80\ud800", "a\ufffd\ufffd"),
        (b"a\xffb", "a\ufffdb"),
        (b"\xe2\x82a", "\ufffda"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("e\u0301\u200d\U0001f600", "e\u0301\u200d\U0001f600"),
    ],
)
def test_clean_text(text, cleaned):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize("text", [None, 3, ["a"]])
def test_clean_text_refuses_other_types(text):
    with pytest.raises(TypeError, match="must be str or bytes. Received: (NoneType|int|list)"):
        clean_text(text)


@pytest.mark.parametrize("name", ["lines.txt", "lines.txt.gz"])
def test_only_newlines_end_lines(tmp_path, name):
    lines = ["a\u2028b\x0bc\x85d\x1ce\rf", "", "\ufeffkept", "last"]
    content = "\r\n".join(lines).encode("utf-8-sig")
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert [line.decode() for line in read_lines(path)] == lines


@pytest.mark.parametrize("damage", [slice(0, -9), slice(5, None), slice(0, 30)])
def test_damaged_gzip_is_named(tmp_path, damage):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 9)[damage])
    with pytest.raises(ValueError, match=r"a\.gz is not a complete gzip file \(.*; copy"):
        list(read_lines(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("é".encode("latin-1"), "a.txt:1 with the byte 0xe9 at position 0; convert it"),
        ("a\nbé".encode("cp1252"), "a.txt:2 with the byte 0xe9 at position 1"),
        ("a\nb".encode("utf-16"), "with the byte order mark of UTF-16"),
        (codecs.BOM_UTF16_BE + "a\nb".encode("utf-16-be"), "with the byte order mark of UTF-16"),
        ("a\nb".encode("utf-32"), "with the byte order mark of UTF-16 or UTF-32"),
        ("ab\nb".encode("utf-16-le"), "a.txt with a NUL in every other place"),
        (b"a\rb\rc\r", r"must end in .*a.txt with .r alone"),
    ],
)
def test_files_of_other_encodings_and_systems_are_refused(tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_texts(path)


def test_one_line_that_ends_in_a_carriage_return_is_a_line(tmp_path):
    (tmp_path / "a").write_bytes(b"a b\r")
    assert read_texts(tmp_path / "a") == ["a b"]
