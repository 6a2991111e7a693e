import io
import sys

import pytest

from keras_seq2seq import progress as module
from keras_seq2seq.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_work_is_counted_on_standard_error(capsys):
    with progress(3, "texts", verbose=True) as advance:
        advance(1)
        advance(2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3/3 texts" in printed.err


def test_a_total_need_not_be_known(capsys):
    with progress(None, "lines", verbose=True) as advance:
        advance(5)
    assert "5/? lines" in capsys.readouterr().err


def test_a_log_gets_few_plain_lines(capsys):
    with progress(3000, "texts", verbose=True) as advance:
        for _ in range(3000):
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{i}00/3000 texts" for i in range(3, 31, 3)]
    assert "\x1b" not in "".join(lines) and "\r" not in "".join(lines)


def test_without_a_total_the_pauses_grow(capsys, monkeypatch):
    clock = iter(range(100_000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress(None, "lines", verbose=True) as advance:
        for _ in range(5000):
            advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert 5 < len(lines) < 15
    assert lines[-1].startswith("10000/? lines")


@pytest.mark.parametrize("verbose", [False, None])
def test_nothing_is_shown_unless_on_a_terminal(capsys, verbose):
    with progress(3, "texts", verbose) as advance:
        advance(3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, False), (2.0, True)])
def test_on_a_terminal_only_long_work_has_a_bar(monkeypatch, seconds, shown):
    monkeypatch.setattr(module, "PATIENCE", 1.0 - seconds)
    monkeypatch.setattr(module.sys, "stderr", Terminal())
    with progress(3, "texts") as advance:
        advance(3)
    assert ("3/3" in sys.stderr.getvalue()) == shown
