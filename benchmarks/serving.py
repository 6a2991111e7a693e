"""Soaks a SavedModel through TensorFlow's C API, as a server runs it, without Python TensorFlow.

Threads share one session and send requests with random signatures, batch sizes and lengths, some of
them bad. Every answer is compared with what each row gives on its own, every error with the one in
docs/tf_serving.md. The exit status is 1 if an answer is wrong, or if the resident memory grows by
more than `--max-growth` MiB from the end of the warm-up to the end. Memory is read after the C
library has returned what is free, so that only memory in use counts. The warm-up is a number of
requests, not a time: TensorFlow keeps something for each shape that it meets.

Without `--bundle` it soaks a small model with random weights. Linux only (/proc, malloc_trim).

Usage: python benchmarks/serving.py [--seconds 60] [--threads 8] [--bundle FOLDER]
"""

import argparse
import collections
import ctypes
import dataclasses
import multiprocessing
import os
import pathlib
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests"))

from saved_model_c_api import SavedModelSession, StatusError

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.text.tokenizer import TokenizerPair, pad_batch

INVALID_ARGUMENT, FLOAT = 3, 1
TOLERANCE = 1e-3  # of a score (a sum of log-probabilities) in another batch
SENTENCES, LARGEST_BATCH = 20, 6
LONG_LINE = 2**20  # bytes, of a repeated text: an unknown word may be one token
ODD_TEXTS = ["", " ", "\0", "zebra ☂ ​", "a" * 200]
NOT_UTF8, REPLACED = b"a \xff\xc3 b", "a ��� b"
WORDS = ["river", "stone", "cloud", "forest", "winter", "copper", "garden", "silver"]


@dataclasses.dataclass(frozen=True)
class Alone:
    """The answers to a text in a request of its own."""

    ids: list[int]
    default: tuple[str, float]
    greedy: list[int]
    n_best: list[str]
    score: float


class Soak:
    """Requests with their right answers, and threads that send them.

    Args:
        session: A loaded SavedModel that takes text.
        tokenizers: The bundle's.
        texts: Source texts to draw from.
    """

    def __init__(
        self, session: SavedModelSession, tokenizers: TokenizerPair, texts: list[str]
    ) -> None:
        self.session = session
        self.alone = {text: self._alone(text, tokenizers) for text in texts}
        self.texts = texts
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.lock = threading.Lock()
        repeated = f"{texts[0]} ".encode()
        self.line = (repeated * (LONG_LINE // len(repeated) + 1))[:LONG_LINE]
        long = session.run("serving_default", {"text": [self.line]})
        self.cut = long["translation"][0]
        if long["finished"] != [False]:
            self.faults.append("a line of 1 MiB was not cut")
        self.replaced = session.run("serving_default", {"text": [REPLACED]})["translation"]
        kinds = (self.default, self.greedy, self.n_best, self.score)
        bad = (self.wrong_dtype, self.rank_2, self.unequal, self.outside, self.empty, self.not_utf8)
        self.kinds = [(kind, 40) for kind in kinds] + [(kind, 5) for kind in bad]
        self.kinds.append((self.long_line, 1))

    def _alone(self, text: str, tokenizers: TokenizerPair) -> Alone:
        run, ids = self.session.run, tokenizers.source.encode(text, add_eos=True)
        default = run("serving_default", {"text": [text]})
        return Alone(
            ids,
            (default["translation"][0], default["score"][0]),
            run("translate_greedy", {"source_ids": [ids]})["target_ids"][0],
            run("translate", {"text": [text]})["translations"][0],
            run("score", {"text": [text], "translation": default["translation"]})["scores"][0],
        )

    def drawn(self, draw: random.Random) -> tuple[list[str], list[Alone]]:
        texts = draw.choices(self.texts, k=draw.randint(1, LARGEST_BATCH))
        return texts, [self.alone[text] for text in texts]

    def default(self, draw: random.Random) -> bool:
        texts, alone = self.drawn(draw)
        found = self.session.run("serving_default", {"text": texts})
        return found["translation"] == [one.default[0] for one in alone] and near(
            found["score"], [one.default[1] for one in alone]
        )

    def greedy(self, draw: random.Random) -> bool:
        alone = self.drawn(draw)[1]
        source_ids = pad_batch([one.ids for one in alone]).tolist()
        found = self.session.run("translate_greedy", {"source_ids": source_ids})
        return found["target_ids"] == [one.greedy for one in alone]

    def n_best(self, draw: random.Random) -> bool:
        texts, alone = self.drawn(draw)
        found = self.session.run("translate", {"text": texts})
        return found["translations"] == [one.n_best for one in alone]

    def score(self, draw: random.Random) -> bool:
        texts, alone = self.drawn(draw)
        given = {"text": texts, "translation": [one.default[0] for one in alone]}
        return near(self.session.run("score", given)["scores"], [one.score for one in alone])

    def wrong_dtype(self, draw: random.Random) -> bool:
        return self.refused("serving_default", {"text": [1.0]}, "float", dtypes={"text": FLOAT})

    def rank_2(self, draw: random.Random) -> bool:
        return self.refused("serving_default", {"text": [["a", "b"]]}, "expected shape [?]")

    def unequal(self, draw: random.Random) -> bool:
        given = {"text": ["a", "b"], "translation": ["c"]}
        return self.refused("score", given, "equally many rows")

    def outside(self, draw: random.Random) -> bool:
        return self.refused("translate_greedy", {"source_ids": [[-1, 3]]}, "must be 0 to")

    def empty(self, draw: random.Random) -> bool:
        return not any(self.session.run("serving_default", {"text": []}).values())

    def not_utf8(self, draw: random.Random) -> bool:
        found = self.session.run("serving_default", {"text": [NOT_UTF8]})
        return found["translation"] == self.replaced

    def long_line(self, draw: random.Random) -> bool:
        text = draw.choice(self.texts)
        found = self.session.run("serving_default", {"text": [self.line, text]})
        return found["translation"] == [self.cut, self.alone[text].default[0]]

    def refused(self, signature: str, inputs: Any, message: str, **options: Any) -> bool:
        try:
            self.session.run(signature, inputs, **options)
        except StatusError as error:
            return error.code == INVALID_ARGUMENT and message in str(error)
        return False

    def work(self, seed: int, more: Callable[[], bool]) -> None:
        """Sends requests as long as `more` says so."""
        draw = random.Random(seed)
        kinds, weights = zip(*self.kinds, strict=True)
        while more():
            (kind,) = draw.choices(kinds, weights)
            fault = failure(kind, draw)
            with self.lock:
                self.counts[kind.__name__] += 1
                if fault:
                    self.faults.append(fault)

    def run(self, threads: int, more: Callable[[], bool], seed: int) -> None:
        seeds = range(seed, seed + threads)
        workers = [threading.Thread(target=self.work, args=(one, more)) for one in seeds]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def failure(kind: Callable[[random.Random], bool], draw: random.Random) -> str:
    """Returns what was wrong with one request, or ""."""
    try:
        return "" if kind(draw) else f"{kind.__name__}: another answer than alone"
    except (StatusError, ValueError) as error:
        return f"{kind.__name__}: {error}"


def near(found: list[float], wanted: list[float]) -> bool:
    return len(found) == len(wanted) and all(
        abs(one - other) <= TOLERANCE for one, other in zip(found, wanted, strict=True)
    )


def resident() -> float:
    """Returns the resident memory of this process in MiB, without what malloc could give back."""
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(pathlib.Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def write_random_bundle(folder: pathlib.Path, formats: Sequence[str] = ("saved_model",)) -> None:
    """Exports a small model that translates to something; in a process of its own."""
    import keras_seq2seq

    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 12))) for _ in range(300)]
    pairs = [(text, text.upper()) for text in texts]
    tokenizers = keras_seq2seq.TokenizerPair.train(pairs, source_level="word", target_level="word")
    sizes = (tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size)
    config = keras_seq2seq.Seq2SeqConfig(*sizes, embedding_dim=32, units=32, max_length=20)
    model = keras_seq2seq.Seq2Seq(config, tokenizers=tokenizers)
    for weight in model.trainable_weights:
        weight.assign(weight * 3.0)
    keras_seq2seq.export(model, folder, formats=formats, sentences=texts[:SENTENCES], verbose=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument("--warm-up", type=int, default=3000, help="requests; default: %(default)s")
    parser.add_argument("--threads", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--max-growth", type=float, default=32, help="MiB; default: %(default)s")
    parser.add_argument("--bundle", type=pathlib.Path, help="a bundle with a SavedModel")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = given.bundle or pathlib.Path(folder) / "bundle"
        if given.bundle is None:
            child = multiprocessing.get_context("spawn").Process(
                target=write_random_bundle, args=(bundle,)
            )
            child.start()
            child.join()
        return soak(Bundle.open(bundle), given)


def soak(bundle: Bundle, given: argparse.Namespace) -> int:
    lines = (bundle.folder / "verify.txt").read_text("utf-8").splitlines()
    entry = bundle.manifest["artefacts"]["saved_model"]
    version = bundle.folder / entry["path"] / entry["files"]["float32"]
    soaked = Soak(SavedModelSession(version), bundle.tokenizers, [*lines[:SENTENCES], *ODD_TEXTS])
    soaked.run(given.threads, lambda: soaked.counts.total() < given.warm_up, seed=0)
    warm, start, before = resident(), time.monotonic(), soaked.counts.total()
    soaked.run(given.threads, lambda: time.monotonic() < start + given.seconds, seed=1000)
    seconds, end = time.monotonic() - start, resident()
    requests = soaked.counts.total() - before
    for name, count in sorted(soaked.counts.items()):
        print(f"{name:<12} {count:>7}")
    print(
        f"threads {given.threads}, {seconds:.0f} s, {requests} requests, {requests / seconds:.1f}/s"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"resident memory: {warm:.1f} MiB after the warm-up, {end:.1f} at the end, peak {peak:.0f}"
    )
    print(f"wrong answers: {len(soaked.faults)}")
    found = complaints(soaked.faults, end - warm, given.max_growth)
    print(*found, sep="\n")
    return int(bool(found))


def complaints(faults: list[str], growth: float, max_growth: float) -> list[str]:
    """Returns why a soak failed, if it did."""
    found = faults[:5]
    if growth > max_growth:
        found.append(f"memory grew by {growth:.1f} MiB, more than {max_growth:.1f}")
    if "tensorflow" in sys.modules:
        found.append("Python TensorFlow was imported")
    return found


if __name__ == "__main__":
    sys.exit(main())
