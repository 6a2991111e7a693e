"""Commands that a signal or a reader that left ends."""

import contextlib
import os
import signal
import subprocess
import threading

import pytest
from command_line import COMMANDS, default_signals, released_bundle, started

from keras_seq2seq.cli import bundle_commands
from keras_seq2seq.cli.main import main
from keras_seq2seq.cli.output_lines import OutputLines
from keras_seq2seq.cli.signals import Held, Stopped, stoppable

LONG = "x" * 300_000  # more than a pipe takes at once


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_that_waits_for_input(number):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = started("translate", released_bundle(), prepared=default_signals, **pipes)
    process.stdin.write(b"the dog\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"le\n"
    process.send_signal(number)
    assert process.communicate() == (b"", b"")
    assert process.returncode == -number  # a shell shows 128 + number


@pytest.mark.parametrize(("command", "place"), COMMANDS)
def test_a_reader_that_left_ends_a_command_quietly(command, place):
    reading, writing = os.pipe()
    os.close(reading)
    pipes = {"stdin": subprocess.PIPE, "stdout": writing}
    process = started(command, released_bundle() / place, **pipes)
    os.close(writing)
    assert process.communicate(b"the dog\n" * 9)[1] == b""
    assert process.returncode == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_main_returns_the_status_of_a_signal(number, status, monkeypatch):
    def stop(path):
        signal.raise_signal(number)

    monkeypatch.setattr(bundle_commands, "inspect", stop)
    handlers = {signal.SIGINT: signal.default_int_handler, number: signal.SIG_DFL}
    former = {n: signal.signal(n, handler) for n, handler in handlers.items()}
    try:
        assert main(["inspect", "bundle"]) == status
        assert signal.getsignal(number) is handlers[number]
    finally:
        for n, handler in former.items():
            signal.signal(n, handler)


def test_an_ignored_signal_stays_ignored():
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable(), Held() as held:
            held.begun = True
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)


def held_through(count, *, begun):
    """Raises a signal several times in a held block; returns how many it went on after."""
    passed = []
    with contextlib.suppress(Stopped), stoppable(), Held() as held:
        held.begun = begun
        for number in range(count):
            signal.raise_signal(signal.SIGTERM)
            passed.append(number)
        return None
    return len(passed)


@pytest.mark.parametrize(
    ("count", "begun", "passed"), [(0, True, None), (1, True, 1), (2, True, 1), (1, False, 0)]
)
def test_one_signal_waits_for_what_has_begun(count, begun, passed):
    assert held_through(count, begun=begun) == passed


def stopped_while_writing(line):
    """Writes lines until the pipe is full and a signal comes; returns all that was read."""
    reading, writing = os.pipe()
    received = []

    def act():
        os.kill(os.getpid(), signal.SIGTERM)
        with open(reading, "rb") as source:
            received.append(source.read())

    with open(writing, "wb", buffering=0) as sink:
        output = OutputLines(sink, "pipe")
        timer = threading.Timer(0.2, act)
        timer.start()
        with stoppable(), pytest.raises(Stopped):
            output.write(line for _ in range(100_000))
    timer.join()
    return received[0], output


@pytest.mark.parametrize("line", ["short", "é" * 1500, LONG])
def test_a_signal_while_a_pipe_is_full_leaves_whole_lines(line):
    received, output = stopped_while_writing(line)
    expected = f"{line}\n".encode()
    assert received and received == expected * (len(received) // len(expected))
    assert output.lines <= len(received) // len(expected)
