"""A prompt for whoever types, and none for pipes and files."""

import os
import pty
import select
import signal
import subprocess

from command_line import COMMAND, default_signals, released_bundle, started
from conftest import ROOT

PATIENCE = 60


def until(terminal, mark):
    """Returns what a terminal shows, up to a mark at its end, or to its end."""
    shown = b""
    while not mark or not shown.endswith(mark):
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        assert ready, f"nothing more came after {shown!r}"
        try:
            read = os.read(terminal, 4096)
        except OSError:  # Linux: the other side is closed
            break
        if not read:
            break
        shown += read
    return shown


def typed(*lines, end):
    """Types lines into `translate` on a terminal, then calls `end` with the terminal and the
    process; returns what the terminal shows, and the status.
    """
    terminal, side = pty.openpty()
    command = [*COMMAND, "translate", str(released_bundle())]
    process = subprocess.Popen(
        command, stdin=side, stdout=side, stderr=side, cwd=ROOT, preexec_fn=default_signals
    )
    os.close(side)
    shown = b""
    for line in lines:
        shown += until(terminal, b"> ")
        os.write(terminal, line)
    shown += until(terminal, b"> ")
    end(terminal, process)
    shown += until(terminal, b"")
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n"), process.wait(PATIENCE)


def test_each_line_is_translated_before_the_next_is_asked_for():
    shown, status = typed(b"one two\n", b"three\n", end=lambda t, _: os.write(t, b"\x04"))
    assert status == 0
    lines = shown.splitlines()
    assert lines[0] == "keras-seq2seq: type a sentence and press Enter; Ctrl-D ends."
    assert lines[1] == "> one two" and lines[3] == "> three"
    assert lines[2] and lines[4] and lines[5].startswith("> ")
    piped = started("translate", released_bundle(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, told = piped.communicate(b"one two\nthree\n", PATIENCE)
    assert out.decode().splitlines() == [lines[2], lines[4]]
    assert told == b""


def test_ctrl_c_at_the_prompt_ends_without_a_message():
    shown, status = typed(end=lambda _, process: process.send_signal(signal.SIGINT))
    assert status == -signal.SIGINT
    assert "Traceback" not in shown
