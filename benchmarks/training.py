"""Times training with `fit` against a bare PyTorch loop over the same batches, in one run.

Presets gru_small and transformer_small with 8,000 ids, in float32. Both sides have the same
function, sizes, dropout, initial weights, Adam, clipping and label smoothing; `fit` also computes
its metrics. The second row shows what `keras_seq2seq.models.freed_memory` brings: malloc's
threshold for maps of their own stays there as TensorFlow sets it. Each system is a process of its
own, which waits while another has its turn. Each round gives every system one turn, a pass over all
batches, so that noise affects all equally; figures are medians. A first pass, which compiles, is
not timed. Target tokens are counted without padding. The mean losses of the first and the last pass
show that all learn alike.

The pairs are made up. They are as long as those of Multi30k English-French in 8,000 subwords (14.4
and 16.7 tokens on average), their words follow Zipf's law, and each target word translates one
source word. `PairBatches` makes the batches.

PyTorch multiplies matrices with MKL, which does not use AVX-512 on AMD processors: the ratio is
higher there than on Intel's. The cores must be idle: next to other work, threads that wait for each
other would measure the wait.

Usage: python benchmarks/training.py [--steps 20] [--rounds 5] [--threads 2] [--pytorch PYTHON]
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence

import numpy as np
from systems.worker import Batch, write_batches

from keras_seq2seq.text.vocabulary import EOS_ID
from keras_seq2seq.training.batches import PairBatches

SYSTEMS = pathlib.Path(__file__).parent / "systems"
VOCABULARY_SIZE = 8000
TOKENS_PER_BATCH = 1000
NUM_SHAPES = 4
PAIRS = 10_000
PRESETS = ("gru_small", "transformer_small")
# What TensorFlow sets; `fit` leaves malloc alone where the environment says it.
THRESHOLD = (("MALLOC_MMAP_THRESHOLD_", str(128 << 10)),)
HEADER = (
    "| system                   | target tokens/s | ratio | first loss | last loss | parameters "
    "| peak MB |"
)


@dataclasses.dataclass(frozen=True)
class System:
    """One system that is timed.

    Args:
        name: What runs it.
        script: File in `SYSTEMS`.
        xla: Compile the training step with XLA.
        environment: Names and values of variables that it gets.
    """

    name: str
    script: str
    xla: bool = False
    environment: tuple[tuple[str, str], ...] = ()


# The others are compared with the last.
COMPARED = (
    System("keras_seq2seq, fit", "keras_fit.py"),
    System("the same, mmap threshold", "keras_fit.py", environment=THRESHOLD),
    System("keras_seq2seq, fit, XLA", "keras_fit.py", xla=True),
    System("PyTorch", "pytorch_loop.py"),
)


class Worker:
    """A process that trains a round on request.

    Args:
        command: Command that starts it.
        threads: int > 0.
        environment: Variables beside those of this process.
    """

    def __init__(
        self, command: Sequence[str], threads: int, environment: Mapping[str, str]
    ) -> None:
        count = str(threads)
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "KERAS_BACKEND": "tensorflow",
                **dict.fromkeys(names, count),
                **environment,
            },
        )
        self.parameters = self._answer()["parameters"]
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self.peak_mb = 0.0

    def train(self) -> None:
        """Trains a round."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.losses.append(answer["loss"])
        self.seconds.append(answer["seconds"])
        self.peak_mb = answer["peak_mb"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                "A worker stopped without an answer, with exit status "
                f"{self.process.wait()}: {self.process.args}."
            )
        return json.loads(line)


class Numbers:
    """A tokenizer of texts that are ids already, written as numbers."""

    vocabulary_size = VOCABULARY_SIZE

    def encode(self, texts: list[str], *, add_eos: bool, num_threads: int) -> list[list[int]]:
        return [[int(word) for word in text.split()] + [EOS_ID] * add_eos for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="per round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="per system; default: %(default)s")
    parser.add_argument("--pytorch", default=sys.executable, help="a Python that has torch")
    given = parser.parse_args()
    if subprocess.run([given.pytorch, "-c", "import torch"], capture_output=True).returncode:
        parser.exit(1, f'{given.pytorch} has no torch: pip install "keras_seq2seq[bench]"\n')
    limit_cores(given.threads)
    batches = made_up_batches(given.steps)
    print(f"{processor()}; {given.threads} threads each; medians of {given.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "batches.npz"
        write_batches(path, batches)
        for preset in PRESETS:
            job = (preset, str(VOCABULARY_SIZE), str(given.threads), str(path))
            workers = compare(job, given.pytorch, given.threads, given.rounds)
            check_sizes(workers)
            report(preset, workers, batches)


def processor() -> str:
    """Returns the name of the processor, if the system reports it."""
    told = pathlib.Path("/proc/cpuinfo")
    lines = told.read_text("utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def limit_cores(threads: int) -> None:
    """Limits this process and its workers to one core per thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def made_up_batches(count: int) -> list[Batch]:
    """Returns the first full batches of an epoch of made-up pairs."""
    numbers = types.SimpleNamespace(source=Numbers(), target=Numbers())
    made = PairBatches(
        made_up_pairs(), numbers, tokens_per_batch=TOKENS_PER_BATCH, num_shapes=NUM_SHAPES
    )
    every = [(*inputs.values(), labels) for inputs, labels in made]
    full = [batch for batch in every if batch[-1][-1].any()]
    if count > len(full):
        raise ValueError(f"`--steps` must be at most {len(full)}. Received: {count}.")
    return full[:count]


def made_up_pairs() -> list[tuple[str, str]]:
    """Returns pairs of numbers of words, as long as those of Multi30k English-French."""
    generator = np.random.default_rng(0)
    words = np.arange(4, VOCABULARY_SIZE)
    frequencies = 1 / np.arange(1, len(words) + 1)
    dictionary = generator.permutation(words)
    pairs = []
    for _ in range(PAIRS):
        source_length = round(generator.lognormal(2.62, 0.31))
        target_length = round(source_length * generator.lognormal(0.14, 0.19))
        source = generator.choice(len(words), source_length, p=frequencies / frequencies.sum())
        target = dictionary[source[np.arange(target_length) * source_length // target_length]]
        pairs.append((" ".join(map(str, words[source])), " ".join(map(str, target))))
    return pairs


def compare(job: Sequence[str], pytorch: str, threads: int, rounds: int) -> dict[System, Worker]:
    """Trains with every system in turn.

    Args:
        job: Arguments of every worker.
        pytorch: A Python that has torch.
        threads: int > 0. Threads of each worker.
        rounds: int > 0. Timed rounds, after one that is not timed.
    """
    workers = {}
    for system in COMPARED:
        python = pytorch if system.name == "PyTorch" else sys.executable
        command = [python, str(SYSTEMS / system.script), *job, *["--xla"] * system.xla]
        workers[system] = Worker(command, threads, dict(system.environment))
    for _ in range(1 + rounds):
        for worker in workers.values():
            worker.train()
    for worker in workers.values():
        worker.stop()
    return workers


def check_sizes(workers: dict[System, Worker]) -> None:
    """Checks that all train as many weights, to 1 %."""
    counts = {system.name: worker.parameters for system, worker in workers.items()}
    if max(counts.values()) > 1.01 * min(counts.values()):
        raise RuntimeError(f"All systems must have as many parameters. Received: {counts}.")


def report(preset: str, workers: dict[System, Worker], batches: list[Batch]) -> None:
    """Prints a Markdown table."""
    tokens = sum(int(np.count_nonzero(labels)) for *_, labels in batches)
    seconds = {system: statistics.median(w.seconds[1:]) for system, w in workers.items()}
    print(
        f"\n{preset}: {len(batches)} steps of {tokens / len(batches):.0f} target tokens a round\n"
    )
    print(HEADER)
    print("|---|---:|---:|---:|---:|---:|---:|")
    for system, worker in workers.items():
        print(
            f"| {system.name:24} | {tokens / seconds[system]:15.0f} "
            f"| {seconds[COMPARED[-1]] / seconds[system]:5.2f} | {worker.losses[0]:10.3f} "
            f"| {worker.losses[-1]:9.3f} | {worker.parameters:10} | {worker.peak_mb:7.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
