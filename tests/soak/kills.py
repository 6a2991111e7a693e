"""Kills trainings at random moments, and lets two start at once; each run must end as ever.

    python tests/soak/kills.py --kills 108 --races 9 --seed 1

Each of nine configurations is trained once without a kill. Then it is started again and again in
another folder and killed (SIGKILL, to the process itself) at a random moment of its run, and goes
on to its end at last. Weights, optimizer, history, samples, report and files must be those of the
run without a kill, bit by bit. In a race two processes start in one folder at the same moment:
one trains, the other must be told the process that does. Exits 1 if anything differs.

The processes are forked from one that has imported everything and computed nothing.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from small_runs import CONFIGURATIONS, FINE_TUNED, differences, run, write_corpus

REFUSED = 3  # status of a process that found the folder locked
MOST_FAULTS = 3  # of one configuration, before it is given up


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=108, help="default: %(default)s")
    parser.add_argument("--races", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument(
        "--configurations", nargs="+", choices=CONFIGURATIONS, default=list(CONFIGURATIONS)
    )
    given = parser.parse_args(argv)
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    _import_everything()
    room = pathlib.Path(tempfile.mkdtemp(prefix="soak_"))
    write_corpus(room)
    names = given.configurations
    if FINE_TUNED in names:
        _wait(_start(room, room / "base", "recurrent"))
    print("| configuration | kills | of them while a file was written | starts | different ends |")
    print("|---|---|---|---|---|", flush=True)
    faults = 0
    for number, name in enumerate(names):
        draw = random.Random(f"{seed} {name}")
        kills = given.kills // len(names) + (number < given.kills % len(names))
        faults += _killed(room, name, kills, draw)
    refused = 0
    for number in range(given.races):
        name = names[number % len(names)]
        found = _race(room, name)
        refused += not found
        faults += bool(found)
    print(f"\n{given.races} races: {refused} with one trained, one refused and the same end")
    if not faults:
        shutil.rmtree(room)
    print(f"{faults} faults" if faults else "no faults", flush=True)
    return 1 if faults else 0


def _import_everything() -> None:
    import keras
    import matplotlib.figure
    import sacrebleu

    from keras_seq2seq.training import train

    assert keras and matplotlib and sacrebleu
    # Its files are not compared, and its graph takes a third of a small run.
    train.is_installed = lambda package: package != "tensorboard"


def _start(room: pathlib.Path, folder: pathlib.Path, name: str, at: float = 0.0) -> int:
    """Forks a process that trains; `at` is a moment of time.time() to wait for."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        log = os.open(room / f"{folder.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        time.sleep(max(0.0, at - time.time()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(room, folder, name)
        status = 0
    except BlockingIOError as error:
        print(error, flush=True)
        status = REFUSED
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _whole(room: pathlib.Path, name: str) -> tuple[pathlib.Path, float]:
    """Returns the folder of a run without a kill, and its seconds."""
    folder = room / f"whole {name}"
    started = time.monotonic()
    if not folder.exists() and _wait(_start(room, folder, name)):
        raise SystemExit(f"{name} does not train: see {room / folder.name}.log")
    return folder, time.monotonic() - started


def _killed(room: pathlib.Path, name: str, kills: int, draw: random.Random) -> int:
    """Kills a configuration some times; prints its row and returns the number of faults."""
    whole, seconds = _whole(room, name)
    folder = room / f"killed {name}"
    done = starts = writing = 0
    faults: list[str] = []
    while done < kills and len(faults) < MOST_FAULTS:
        child, starts = _start(room, folder, name), starts + 1
        if draw.random() < 0.3:
            killed = _kill_while_it_writes(child, folder)
        else:
            killed = _kill_after(child, draw.uniform(0, seconds))
        writing += bool(list(folder.glob(".partial-*"))) if killed else 0
        done += killed
        if not killed or _is_finished(folder):  # to its end: the next kills get a new run
            faults += _ended(room, whole, folder, name)
            shutil.rmtree(folder, ignore_errors=True)
    starts += 1
    faults += _ended(room, whole, folder, name)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"| {name} | {done} | {writing} | {starts} | {len(faults)} |", flush=True)
    for fault in faults:
        print(f"  FAULT {name}: {fault}", flush=True)
    return len(faults)


def _ended(room: pathlib.Path, whole: pathlib.Path, folder: pathlib.Path, name: str) -> list[str]:
    """Lets a run go on to its end; returns what differs from the run without a kill."""
    if not _is_finished(folder) and (status := _wait(_start(room, folder, name))):
        return [f"status {status}, see {room / folder.name}.log"]
    if found := differences(whole, folder):
        shutil.copytree(folder, room / f"different {name} {time.time():.0f}")
        return ["; ".join(found)]
    return []


def _is_finished(folder: pathlib.Path) -> bool:
    report = folder / "report.json"
    return report.exists() and '"interrupted": false' in report.read_text("utf-8")


def _kill_after(child: int, seconds: float) -> bool:
    """Kills a process after some seconds; returns False if it ended before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return _wait(child) == -signal.SIGKILL


def _kill_while_it_writes(child: int, folder: pathlib.Path) -> bool:
    """Kills a process as soon as half a file lies in its folder."""
    for partial in folder.glob(".partial-*"):
        partial.unlink()
    while not list(folder.glob(".partial-*")):
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    return _wait(child) == -signal.SIGKILL


def _race(room: pathlib.Path, name: str) -> str:
    """Starts two at the same moment; returns what went wrong, or ""."""
    whole, _ = _whole(room, name)
    folder = room / f"race {name}"
    log = room / f"{folder.name}.log"
    at = time.time() + 0.2
    children = [_start(room, folder, name, at) for _ in range(2)]
    statuses = [_wait(child) for child in children]
    told = log.read_text("utf-8")
    owner = children[statuses.index(0)] if 0 in statuses else 0
    fault = ""
    if sorted(statuses) != [0, REFUSED] or f"process {owner} on" not in told:
        fault = f"statuses {statuses}: {told}"
    else:
        fault = "; ".join(differences(whole, folder))
    if fault:
        print(f"  FAULT race {name}: {fault}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    log.unlink()
    return fault


if __name__ == "__main__":
    sys.exit(main())
