"""Processes that talk over sockets, here as threads of one process; no backend computes."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import threading
import time

import pytest
from several_processes import free_port

from keras_seq2seq.training import processes as module
from keras_seq2seq.training.agreed_stop import AgreedStop
from keras_seq2seq.training.channel import ProcessError, gathered_links, link_to_first
from keras_seq2seq.training.folder_lock import locked
from keras_seq2seq.training.interruption import Interruption
from keras_seq2seq.training.processes import Processes

MET = []


@pytest.fixture(autouse=True)
def closed():
    yield
    for one in MET:
        one.watching = False
        one.close()
        for listener in one._listeners:
            listener.join()
    MET.clear()


def meet(count, *, timeout=20.0, releases=None, indices=None):
    """Lets processes meet; returns the outcome of each, `Processes` or an error."""
    port = free_port()
    releases = releases or ["1"] * count

    def first():
        return Processes(0, gathered_links(port, count, releases[0], timeout))

    def other(index):
        link = link_to_first(("127.0.0.1", port), index, count, releases[index], timeout)
        return Processes.of_other(index, count, link)

    indices = range(1, count) if indices is None else indices
    with concurrent.futures.ThreadPoolExecutor() as pool:
        futures = [pool.submit(first), *(pool.submit(other, index) for index in indices)]
        found = [future.exception() or future.result() for future in futures]
    MET.extend(one for one in found if isinstance(one, Processes))
    return found


def each(processes, work):
    """Calls `work` with each process at the same time; returns results or errors."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        futures = [pool.submit(work, one) for one in processes]
        return [future.exception() or future.result() for future in futures]


@pytest.fixture(params=[1, 2, 4])
def processes(request):
    return meet(request.param) if request.param > 1 else [Processes()]


def test_all_get_the_values_of_all_in_order(processes):
    def work(one):
        return [one.gather("texts", f"é\n{one.index}" * 1000), one.from_first("x", lambda: [1])]

    texts = [f"é\n{index}" * 1000 for index in range(len(processes))]
    assert each(processes, work) == [[texts, [1]]] * len(processes)
    assert [one.index for one in processes] == list(range(len(processes)))
    assert [one.writes for one in processes] == [True] + [False] * (len(processes) - 1)


def test_only_the_first_works():
    def never():
        raise AssertionError

    def work(one):
        return one.from_first("it", (lambda: os.getpid()) if one.writes else never)

    assert each(meet(3), work) == [os.getpid()] * 3


def test_what_differs_is_named_everywhere():
    def work(one):
        one.agree("recipe", {"same": (1, None), "pairs": "x" * 99 if one.index == 2 else "y"})

    errors = each(meet(3), work)
    assert all(isinstance(error, ValueError) for error in errors)
    told = 'the same recipe. Received: pairs: "y" in process 0, "xxxx'
    assert all(told in str(error) and "in process 2. Give" in str(error) for error in errors)
    assert each([Processes()], work) == [None]


@pytest.mark.parametrize("slow", [0, 1])
def test_all_end_by_what_differs_and_none_by_another(monkeypatch, slow):
    ends = []
    monkeypatch.setattr(module.os, "_exit", ends.append)
    processes = meet(2)
    gathered = processes[slow]._gathered

    def late(*given):
        found = gathered(*given)
        time.sleep(0.5)  # meanwhile the other one has failed and says so
        return found

    def work(one):
        with one.at_work():
            one.agree("recipe", {"seed": one.index})

    monkeypatch.setattr(processes[slow], "_gathered", late)
    assert [type(error) for error in each(processes, work)] == [ValueError] * 2
    assert not ends


def test_processes_at_different_places_are_told():
    first, other = meet(2)
    other._links[0].send({"gather": "a model", "value": None})
    told = "must do the same. Received: a model from process 1, but a state in process 0"
    with pytest.raises(ProcessError, match=told):
        first.gather("a state")


@pytest.mark.parametrize("signalled", [0, 1, 2])
@pytest.mark.parametrize("step", [0, 3])
def test_a_signal_stops_all_after_the_same_step(signalled, step):
    """As a training: no process ends a step before all have begun it."""
    processes = meet(3)
    barrier = threading.Barrier(3, timeout=20)

    def work(one):
        interruption = Interruption()
        stop = AgreedStop(interruption, one)
        for now in range(10_000):
            barrier.wait()
            if one.index == signalled and now == step:
                interruption.noted = signal.SIGTERM
            if stop.comes():
                with pytest.raises(KeyboardInterrupt):
                    stop.check()
                return now
            stop.check()
            time.sleep(0.001)
        return None

    found = each(processes, work)
    assert found[0] is not None and set(found) == {found[0]} and found[0] > step


def test_a_lost_process_ends_the_others(monkeypatch, capsys, tmp_path):
    ends = []
    lock = tmp_path / "run" / ".lock"
    done = threading.Event()

    def end(status):
        ends.append(status)
        done.set()

    monkeypatch.setattr(module.os, "_exit", end)

    def work(one):
        with one.at_work(), locked(lock, "it") if one.writes else contextlib.nullcontext():
            if one.index == 1:
                one.watching = False
                while not lock.exists():
                    time.sleep(0.01)
                one._links[0].close()
            assert done.wait(10)
            assert not lock.parent.exists()
            one.watching = False
            raise InterruptedError

    assert [type(error) for error in each(meet(2), work)] == [InterruptedError] * 2
    assert ends == [1]
    assert "Process 1 of 2 has ended. Process 0 ends with it" in capsys.readouterr().err


def test_a_failure_is_told_to_the_others(monkeypatch, capsys):
    done = threading.Event()
    monkeypatch.setattr(module.os, "_exit", lambda status: done.set())
    processes = meet(2)

    def work(one):
        with one.at_work():
            if one.index == 1:
                raise OSError("No space left.")
            assert done.wait(10)
            one.watching = False
            raise InterruptedError

    errors = each(processes, work)
    assert [type(error) for error in errors] == [InterruptedError, OSError]
    assert "Process 1 of 2 has failed: No space left. Process 0 ends" in capsys.readouterr().err


def test_processes_may_leave_after_the_end(monkeypatch):
    monkeypatch.setattr(module.os, "_exit", lambda status: pytest.fail("it ended"))

    def work(one):
        with one.at_work():
            pass
        for link in one._links:
            link.close()

    assert each(meet(3), work) == [None, None, None]


def test_who_does_not_come_is_named():
    first, second = meet(3, timeout=0.5, indices=[2])
    told = "1 of 3 processes did not come within 0.5 s: process 1 has not reached port"
    assert isinstance(first, ProcessError) and told in str(first)
    assert isinstance(second, ProcessError) and told in str(second)
    with pytest.raises(ProcessError, match=r"Process 0 was not reached within 0.3 s at 127\.0\.0"):
        link_to_first(("127.0.0.1", free_port()), 1, 2, "1", 0.3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"releases": ["keras 1", "keras 2"]}, "runs keras 2, process 0 keras 1"),
        ({"count": 3, "indices": [1, 1]}, "two processes are number 1"),
    ],
)
def test_processes_that_do_not_fit_are_told(options, told):
    options = {"count": 2, **options}
    outcomes = meet(options.pop("count"), timeout=2, **options)
    assert any(isinstance(one, ProcessError) and told in str(one) for one in outcomes)


def test_a_stranger_at_the_port_is_sent_away():
    port = free_port()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(gathered_links, port, 2, "1", 20.0)
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"[" * 2000, b""):
            while True:
                try:
                    stranger = socket.create_connection(("127.0.0.1", port))
                    break
                except OSError:
                    time.sleep(0.05)
            stranger.sendall(said)
            stranger.close()
        other = pool.submit(link_to_first, ("127.0.0.1", port), 1, 2, "1", 20.0)
        MET.extend([Processes(0, first.result()), Processes.of_other(1, 2, other.result())])
        assert [one.count for one in MET] == [2, 2]


def test_a_port_in_use_is_told():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ProcessError, match=f"Process 0 cannot listen on port {port} .*Name"):
            gathered_links(port, 2, "1", 1.0)


NAMES = {
    "ADDRESSES": "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "COUNT": "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "INDEX": "KERAS_DISTRIBUTION_PROCESS_ID",
}


def of_environment(monkeypatch, backend="jax", **values):
    for name in (*NAMES.values(), "WORLD_SIZE", "TF_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(NAMES.get(name, name), value)
    from keras_seq2seq.training import process_environment as environment

    monkeypatch.setattr(environment.keras.backend, "backend", lambda: backend)
    return environment.process_environment()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (1, 0, None)),
        ({"COUNT": "1", "INDEX": "0"}, (1, 0, None)),
        ({"COUNT": "2", "INDEX": "1", "ADDRESSES": "h:12"}, (2, 1, ("h", 12))),
        (
            {"COUNT": "2", "INDEX": "0", "ADDRESSES": "10.0.0.1:12,10.0.0.2:9"},
            (2, 0, ("10.0.0.1", 12)),
        ),
        ({"COUNT": "2", "INDEX": "0", "ADDRESSES": "[::1]:12"}, (2, 0, ("::1", 12))),
    ],
)
def test_the_environment_names_the_process(monkeypatch, values, expected):
    assert of_environment(monkeypatch, **values) == expected


@pytest.mark.parametrize(
    ("backend", "values", "told"),
    [
        ("jax", {"COUNT": "2", "INDEX": "0"}, "JOB_ADDRESSES='' does not begin with HOST:PORT"),
        ("jax", {"COUNT": "2", "ADDRESSES": "h:1"}, "PROCESS_ID is not set"),
        ("jax", {"COUNT": "2", "INDEX": "2", "ADDRESSES": "h:1"}, "='2' is no number from 0 to 1"),
        ("jax", {"COUNT": "x", "INDEX": "0", "ADDRESSES": "h:1"}, "='x' is no number above 0"),
        ("jax", {"COUNT": "2", "INDEX": "0", "ADDRESSES": "a:1,b:1,c:1"}, "names 3 processes"),
        (
            "tensorflow",
            {"COUNT": "2", "INDEX": "0", "ADDRESSES": "h:1"},
            "the Keras backend tensorf",
        ),
        ("torch", {"WORLD_SIZE": "2"}, "Received: WORLD_SIZE=2 of torchrun"),
        (
            "tensorflow",
            {"TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1", "b:1"]}})},
            "TF_CONFIG with 2 workers",
        ),
    ],
)
def test_an_environment_that_names_none_is_told(monkeypatch, backend, values, told):
    with pytest.raises(ValueError, match="in several processes") as error:
        of_environment(monkeypatch, backend, **values)
    assert told in str(error.value)
