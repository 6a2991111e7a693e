"""Asks `keras-seq2seq serve` with some clients at once: requests a second, and how long they wait.

Every client is a thread with a connection of its own that sends one sentence, waits for the answer
and sends the next. Each answer is compared with what one process says. Then many clients ask a
server whose queue is short: every request must be answered rightly or refused with status 503, and
memory must not grow. For comparison the same sentences go to the SavedModel in TensorFlow's C API,
in a process without Python TensorFlow, from as many threads, without HTTP and without a queue.

The clients run on the same machine and take their part of it; the CPU time is that of the server
alone, and of the threads with the C API. Linux only (/proc).

Usage: python benchmarks/load.py [--bundle FOLDER] [--runtimes onnx saved_model] [--seconds 10]
"""

import argparse
import contextlib
import http.client
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests"))

from serving import write_random_bundle

from keras_seq2seq import Bundle, load

PATH = "/v1/models/translator:predict"
C_API = "C API"
WARM_UP = 2.0  # seconds
OVERLOAD = {"clients": 64, "texts": 8, "queue": 64}
ROUNDS = 4


class Load:
    """Sends texts from some threads, and keeps what came back.

    Args:
        texts: Texts to send, in turn.
        wanted: What each must give.
    """

    def __init__(self, texts: list[str], wanted: list[str]) -> None:
        self.pairs = itertools.cycle(list(zip(texts, wanted, strict=True)))
        self.lock = threading.Lock()
        self.seconds: list[float] = []
        self.busy = self.wrong = 0

    def run(self, ask: Callable[[], Callable], clients: int, seconds: float, texts: int) -> None:
        """Runs clients for a time.

        Args:
            ask: Returns a function from texts to their translations, or None for status 503.
            clients: Number of threads.
            seconds: How long.
            texts: Number of texts of a request.
        """
        end = time.monotonic() + seconds

        def work() -> None:
            asked = ask()
            while time.monotonic() < end:
                with self.lock:
                    given = list(itertools.islice(self.pairs, texts))
                started = time.monotonic()
                found = asked([text for text, _ in given])
                took = time.monotonic() - started
                with self.lock:
                    self.busy += found is None
                    self.wrong += found is not None and found != [one for _, one in given]
                    self.seconds += [took] if found is not None else []
                if found is None:
                    time.sleep(0.05)

        threads = [threading.Thread(target=work) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def client(port: int) -> Callable[[list[str]], list[str] | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def asked(texts: list[str]) -> list[str] | None:
        connection.request("POST", PATH, json.dumps({"inputs": texts}))
        response = connection.getresponse()
        content = json.loads(response.read())
        if response.status == 503:
            return None
        if response.status != 200:
            raise ConnectionError(f"status {response.status}: {content}")
        return content["outputs"]["translation"]

    return asked


@contextlib.contextmanager
def serving(bundle: pathlib.Path, runtime: str, *options: str) -> Iterator[tuple[int, int]]:
    """Yields the port and the process number of a server."""
    command = [sys.executable, "-m", "keras_seq2seq.cli", "serve", str(bundle), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--runtime", runtime, *options], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        told = ""
        for line in process.stderr:  # a runtime may have something to say first
            told += line
            if found := re.search(r" at http://127\.0\.0\.1:(\d+): ", line):
                break
        else:
            raise RuntimeError(told)
        yield int(found[1]), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def resident(pid: int | str) -> float:
    """Returns the resident memory of a process in MiB."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int | str) -> float:
    """Returns the time that all threads of a process have computed."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(name: str, clients: int, load: Load, seconds: float, cpu: float) -> str:
    times = sorted(load.seconds)
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    return (
        f"| {name} | {clients} | {len(times) / seconds:.0f} | {cuts[49] * 1e3:.1f} | "
        f"{cuts[98] * 1e3:.1f} | {cpu / max(1, len(times)) * 1e3:.1f} | {load.wrong} |"
    )


def measured(
    given: argparse.Namespace, texts: list[str], wanted: list[str]
) -> tuple[int, dict[str, float]]:
    """Prints a row for each number of clients; returns wrong answers, and MiB of each server."""
    wrong, memory = 0, {}
    for runtime in given.runtimes:
        with serving(given.bundle, runtime, *given.options) as (port, pid):
            ask = lambda port=port: client(port)  # noqa: E731
            Load(texts, wanted).run(ask, 16, WARM_UP, 1)
            for clients in given.clients:
                found, before = Load(texts, wanted), cpu_seconds(pid)
                found.run(ask, clients, given.seconds, 1)
                cpu = cpu_seconds(pid) - before
                print(row(f"serve, {runtime}", clients, found, given.seconds, cpu), flush=True)
                wrong += found.wrong
            memory[f"serve, {runtime}"] = resident(pid)
    return wrong, memory


def overloaded(given: argparse.Namespace, texts: list[str], wanted: list[str]) -> int:
    runtime, size = given.runtimes[0], OVERLOAD
    with serving(given.bundle, runtime, "--max-queue-size", str(size["queue"])) as (port, pid):
        ask = lambda: client(port)  # noqa: E731
        memory, found = [], Load(texts, wanted)
        for _ in range(ROUNDS):
            found.run(ask, size["clients"], given.seconds, size["texts"])
            memory.append(resident(pid))
    print(
        f"overload: {size['clients']} clients, {size['texts']} texts a request, a queue of "
        f"{size['queue']}: {len(found.seconds)} requests answered, {found.busy} refused with 503, "
        f"{found.wrong} wrong; MiB after each of {ROUNDS} parts: "
        f"{', '.join(f'{one:.1f}' for one in memory)}"
    )
    return found.wrong


def through_the_c_api(given: argparse.Namespace, texts: list[str], wanted: list[str]) -> int:
    from saved_model_c_api import SavedModelSession

    entry = Bundle.open(given.bundle).manifest["artefacts"]["saved_model"]
    session = SavedModelSession(given.bundle / entry["path"] / entry["files"]["float32"])

    def ask() -> Callable[[list[str]], list[str]]:
        return lambda given: session.run("serving_default", {"text": given})["translation"]

    Load(texts, wanted).run(ask, 16, WARM_UP, 1)
    wrong = 0
    for clients in given.clients:
        found, before = Load(texts, wanted), cpu_seconds("self")
        found.run(ask, clients, given.seconds, 1)
        cpu = cpu_seconds("self") - before
        name = f"SavedModel, {C_API}, no HTTP"
        print(row(name, clients, found, given.seconds, cpu), flush=True)
        wrong += found.wrong
    if "tensorflow" in sys.modules:
        raise RuntimeError("Python TensorFlow was imported.")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--bundle", type=pathlib.Path, help="with both formats; default: a small random model"
    )
    parser.add_argument("--runtimes", nargs="+", default=["onnx", "saved_model"])
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=10, help="default: %(default)s")
    parser.add_argument("--greedy", action="store_true", help="not with the beam of the bundle")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--c-api", action="store_true", help="only the SavedModel in the C API")
    only.add_argument("--overload", action="store_true", help="only the queue that is too short")
    only.add_argument("--servers", action="store_true", help="only `serve` under load")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of serve")
    given = parser.parse_args()
    if given.greedy:
        given.options += ["--beam-size", "1"]
    with tempfile.TemporaryDirectory() as folder:
        if given.bundle is None:
            given.bundle = pathlib.Path(folder) / "bundle"
            # In a process of its own: TensorFlow would take its part of this one.
            child = multiprocessing.get_context("spawn").Process(
                target=write_random_bundle, args=(given.bundle, ["onnx", "saved_model"])
            )
            child.start()
            child.join()
        return load_test(given)


def load_test(given: argparse.Namespace) -> int:
    texts = (given.bundle / "verify.txt").read_text("utf-8").splitlines()
    beam = None if given.greedy else Bundle.open(given.bundle).beam
    wanted = load(given.bundle, "onnx", strategy=beam).translate(texts)
    if given.c_api:
        return int(through_the_c_api(given, texts, wanted) > 0)
    if given.overload:
        return int(overloaded(given, texts, wanted) > 0)
    titles = ("server", "clients", "requests/s", "p50 ms", "p99 ms", "CPU ms a request", "wrong")
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    wrong, memory = measured(given, texts, wanted)
    if not given.servers:
        # A process of its own, without what the clients have loaded.
        clients = ["--clients", *map(str, given.clients), "--seconds", str(given.seconds)]
        command = [sys.executable, __file__, "--c-api", "--bundle", str(given.bundle), *clients]
        wrong += subprocess.run(command, check=False).returncode
    print("", *(f"{name}: {size:.0f} MiB" for name, size in memory.items()), sep="\n", flush=True)
    if not given.servers:
        wrong += overloaded(given, texts, wanted)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
