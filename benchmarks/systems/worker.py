"""What both systems of the training benchmark share: batches in, and a line of JSON a round.

A worker is a process of its own that stands still between its rounds.
"""

import argparse
import dataclasses
import json
import pathlib
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

LABEL_SMOOTHING = 0.1

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker is to train.

    Args:
        preset: "gru_small" or "transformer_small".
        vocabulary_size: int > 0.
        threads: int > 0.
        batches: Source ids, target ids and labels, int32, each of shape (rows, length).
        xla: Compile the training step with XLA, where the worker can.
    """

    preset: str
    vocabulary_size: int
    threads: int
    batches: list[Batch]
    xla: bool


def read_job() -> Job:
    """Reads the command line: the batches are in a file of `write_batches`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("preset")
    parser.add_argument("vocabulary_size", type=int)
    parser.add_argument("threads", type=int)
    parser.add_argument("batches", type=pathlib.Path)
    parser.add_argument("--xla", action="store_true")
    given = parser.parse_args()
    with np.load(given.batches) as arrays:
        flat = [arrays[name] for name in arrays.files]
    batches = [tuple(flat[i : i + 3]) for i in range(0, len(flat), 3)]
    return Job(given.preset, given.vocabulary_size, given.threads, batches, given.xla)


def write_batches(path: pathlib.Path, batches: list[Batch]) -> None:
    """Writes batches for `read_job`."""
    np.savez(path, *(ids for batch in batches for ids in batch))


def serve(parameters: int, train: Callable[[], float]) -> None:
    """Answers each line of standard input with a round: one pass over the batches.

    Args:
        parameters: Number of trained weights, which is the first answer.
        train: Does a round and returns its mean loss in nats per token.
    """
    print(json.dumps({"parameters": parameters}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        loss = train()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(json.dumps({"seconds": seconds, "loss": loss, "peak_mb": peak}), flush=True)
