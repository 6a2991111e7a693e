import threading

import pytest

from keras_seq2seq.training import time_spent as module
from keras_seq2seq.training.time_spent import TimeSpent, spent_on, time_spent, told


@pytest.fixture
def clock(monkeypatch):
    """A clock that is turned by hand."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_what_is_within_counts_for_itself(clock):
    with time_spent() as spent:
        spent.begin("other")
        clock[0] += 1
        with spent_on("steps"):
            clock[0] += 10
            with spent_on("saving"):
                clock[0] += 3
            clock[0] += 10
            spent.begin("validation")
            clock[0] += 2
            spent.end()
        clock[0] += 1
        assert spent.rounded() == {"other": 2, "steps": 20, "saving": 3, "validation": 2}
    assert told(spent.seconds) == ("27 s, of it other 7 %, steps 74 %, saving 11 %, validation 7 %")


def test_an_exception_ends_what_it_leaves_open(clock):
    spent = TimeSpent()
    spent.begin("other")

    def interrupted():
        with spent.on("steps"):
            spent.begin("validation")
            clock[0] += 4
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    clock[0] += 1
    assert spent.rounded() == {"other": 1, "steps": 0, "validation": 4}


def test_other_threads_and_other_trainings_do_not_count(clock):
    def read():
        with spent_on("batches"):
            clock[0] += 5

    read()
    with time_spent() as spent:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        with time_spent():
            read()
    assert spent.seconds == {}


def test_no_time_at_all_is_told():
    assert told({"other": 0.0}) == "0 s, of it other 0 %"
