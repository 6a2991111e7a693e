import os
import signal
import subprocess
import sys
import threading

import pytest
from conftest import ROOT
from nasty_names import NASTY_NAMES

from keras_seq2seq.training import folder_lock
from keras_seq2seq.training.folder_lock import locked

HOLDER = """
import os, sys, time
from keras_seq2seq.training.folder_lock import locked
with locked(sys.argv[1], "it"):
    child = os.fork()
    if not child:  # a worker that outlives its parent
        os.close(1)
        time.sleep(20)
        os._exit(0)
    print("held", child, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds tmp_path/run/.lock until it dies or its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run" / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    _, child = process.stdout.readline().split()
    yield process
    process.kill()
    process.communicate()
    os.kill(int(child), signal.SIGKILL)


def test_a_second_process_is_told_who_holds_the_lock(holder, tmp_path):
    path = tmp_path / "run" / ".lock"
    told = rf"Another process \(process {holder.pid} on .*\) is at work on runs/a. Nothing was"
    with pytest.raises(BlockingIOError, match=told), locked(path, "runs/a"):
        pass
    holder.communicate()
    assert not path.parent.exists()
    with locked(path, "runs/a"):
        assert path.exists()


def test_the_lock_of_a_killed_process_holds_nobody_up(holder, tmp_path):
    path = tmp_path / "run" / ".lock"
    holder.kill()
    holder.communicate()
    assert path.exists()
    with locked(path, "runs/a"):
        assert path.read_text().split()[0] == str(os.getpid())
    assert list(path.parent.iterdir()) == []


def test_threads_of_one_process_keep_each_other_out(tmp_path):
    found = []

    def second():
        try:
            with locked(tmp_path / ".lock", "it"):
                found.append("both")
        except BlockingIOError as error:
            found.append(str(error))

    with locked(tmp_path / ".lock", "it"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in found[0]


def test_folders_made_for_a_lock_stay_only_if_they_hold_something(tmp_path):
    for keeps in (False, True):
        with locked(tmp_path / "runs" / "a" / ".lock", "it"):
            if keeps:
                (tmp_path / "runs" / "a" / "file").touch()
        assert (tmp_path / "runs").exists() == keeps
    assert [path.name for path in (tmp_path / "runs" / "a").iterdir()] == ["file"]


def test_a_process_that_ends_in_the_block_can_free_its_locks(tmp_path):
    path = tmp_path / "a" / "run" / ".lock"
    with locked(path, "it"), locked(path.parent / "state.lock", "its state"):
        folder_lock.free_all()
        assert not path.parent.parent.exists()
        with locked(path, "it"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_many_threads_hold_it_one_after_the_other(tmp_path):
    inside, most, turns = [0], [0], []

    def work():
        while len(turns) < 60:
            try:
                with locked(tmp_path / "run" / ".lock", "it"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
                    turns.append(0)
            except BlockingIOError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_folder_that_vanishes_while_it_is_looked_at_is_made_again(tmp_path, monkeypatch):
    make, answers = os.mkdir, [FileExistsError]

    def mkdir(*arguments):
        if answers:
            raise answers.pop()
        make(*arguments)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with locked(tmp_path / "run" / ".lock", "it"):
        assert (tmp_path / "run" / ".lock").exists()


def test_a_file_in_the_place_of_the_folder_stays_an_error(tmp_path):
    (tmp_path / "run").touch()
    with (
        pytest.raises(FileExistsError, match="run"),
        locked(tmp_path / "run" / ".lock", "it"),
    ):
        pass


def test_without_locks_of_the_system_there_is_a_warning(tmp_path, monkeypatch):
    import fcntl

    def refuse(descriptor, operation):
        raise OSError(folder_lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.warns(UserWarning, match="cannot lock files .*No locks available"),
        locked(tmp_path / ".lock", "it"),
    ):
        pass


@pytest.mark.parametrize("name", NASTY_NAMES.values(), ids=NASTY_NAMES)
def test_a_lock_in_a_nasty_folder(tmp_path, name):
    with locked(tmp_path / name / ".lock", "it"):
        assert (tmp_path / name / ".lock").exists()
    assert not (tmp_path / name).exists()
