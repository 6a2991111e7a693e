import os
import signal
import threading
import time

import pytest

from keras_seq2seq.training.interruption import (
    Interruption,
    Terminated,
    stopped_at_once,
    within_reach_of_signals,
)


@pytest.fixture(autouse=True)
def interruptible():
    """A test run in the background ignores Ctrl-C."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_the_second_raises(number, capsys):
    with Interruption() as interruption:
        assert not interruption.noted
        os.kill(os.getpid(), number)
        assert interruption.noted
        assert "Stopping after this step" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def stop_and_wait():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)
    pytest.fail("not stopped")


def test_an_outer_block_passes_its_signal_on_and_hears_of_others():
    with Interruption() as outer:
        with Interruption() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
        assert inner.noted == outer.noted == signal.SIGTERM
        with pytest.raises(Terminated), Interruption() as again:
            again.check()


def test_work_that_changes_nothing_is_stopped_at_once():
    with stopped_at_once():  # no block is open: signals do what they did
        pass
    with Interruption():
        with pytest.raises(Terminated), stopped_at_once():
            stop_and_wait()
        with pytest.raises(Terminated), stopped_at_once():
            pytest.fail("the signal was there before")


def test_a_long_call_is_within_reach_of_signals():
    released = threading.Event()
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        within_reach_of_signals(lambda: released.wait(20))
    assert not released.is_set()
    released.set()
    assert within_reach_of_signals(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within_reach_of_signals(lambda: 1 / 0)


def test_the_former_handlers_come_back():
    former = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) is not former
    assert signal.getsignal(signal.SIGTERM) is former
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
    assert not interruption.noted


def test_outside_the_main_thread_nothing_is_touched():
    handlers = []

    def enter():
        with Interruption():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
