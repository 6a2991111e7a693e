import pytest

from keras_seq2seq.text.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x9b31m", r"\x9b31m"),
        ("gpj\u202e.exe \u2066x\u2069", r"gpj\u202e.exe \u2066x\u2069"),
        ("a\u2028b\u2029c\ufeff", r"a\u2028b\u2029c\ufeff"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text", ["Ça va ?", "日本語\u3000です", "می\u200cخواهم", "👩\u200d👩\u200d👧 🇫🇷", "1\u00a0000"]
)
def test_texts_of_every_script_stay(text):
    assert printable(text) == text


def test_lines_of_a_message_may_stay():
    assert printable("two errors:\n- \x1b[1m", keep="\n") == "two errors:\n- \\x1b[1m"
