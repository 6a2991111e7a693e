import json
import warnings

import pytest

from keras_seq2seq.cli.messages import about, json_safe, say, tell, told_warnings

HOSTILE = "\x1b[2J\x9b31m\u202ered\x7f\ud800 \u2028é☂ 𝄞\u200d"


def test_messages_and_reports_are_escaped(capsys):
    tell(f"first {HOSTILE}\nsecond")
    say(f"table {HOSTILE}\n- row")
    for stream in capsys.readouterr():
        assert stream.count("\n") == 2
        assert "\\x1b[2J\\x9b31m\\u202ered\\x7f\\ud800 \\u2028é☂ 𝄞" in stream
        assert all(c.isprintable() or c in "\n\u200d" for c in stream)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_says_the_same_and_steers_no_terminal(indent):
    value = {HOSTILE: [HOSTILE, "\U000e0001", 1.5]}
    text = json_safe(json.dumps(value, indent=indent, ensure_ascii=False))
    assert json.loads(text) == value
    assert all(c.isprintable() or c in "\n\u200d" for c in text)
    assert "é☂ 𝄞" in text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "out.txt"), "out.txt: No space left on device"),
        (OSError(18, "Cross-device link", "a", None, "b"), "a -> b: Cross-device link"),
        (OSError(2, "No such file", "none/.partial-a.png"), "none/a.png: No such file"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (FileExistsError("out exists. Pass --force."), "out exists. Pass --force."),
        (MemoryError(), "out of memory"),
        (ValueError("`x` must be 1."), "`x` must be 1."),
    ],
)
def test_an_error_names_its_file_first(error, message):
    assert about(error) == message


def test_warnings_of_the_package_are_messages(capsys, recwarn):
    with warnings.catch_warnings(), told_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"Left out: {HOSTILE}", stacklevel=1)
    told = capsys.readouterr().err
    assert told.startswith("keras-seq2seq: warning: Left out: \\x1b[2J") and told.count("\n") == 1
