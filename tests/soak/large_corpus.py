"""Prepares millions of pairs, trains on them, kills, resumes; tells the cost of each stage.

    python tests/soak/large_corpus.py --source train.en.gz --target train.de.gz --pairs 10000000

The pairs are made by recombination: the first half of one pair and the second half of another. Each
stage runs in a process of its own. Its CPU time, the peak of its memory, and the part of that which
is not the mapped files (the kernel takes those back when it needs room) are printed as a table.
Exits 1 if a training that was killed and resumed does not end with the weights, bit by bit, of one
that was not, or if a training from texts does not end with those of one from prepared pairs.
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

STEPS, SAVE_EVERY, KILLED_AT = 200, 50, (60, 170)
MODEL = {"cell": "gru", "attention": "scaled", "embedding_dim": 64, "units": 64, "dropout": 0.1}
RECIPE = """
[data]
format = "parallel"
folder = {folder}
train = ["{name}.source", "{name}.target"]
policy = "drop"
prepared = {prepared}
[tokenizer]
vocabulary_size = 8000
max_sentences = 300000
sampling_alpha = 0.2
[model]
max_length = 64
"""


def make(options):
    """Writes the pairs, the same for the same number and seed."""

    def words(path):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [line.split() for line in file]

    pairs = list(zip(words(options.source), words(options.target), strict=True))
    halves = [
        [(" ".join(s[: len(s) // 2]), " ".join(t[: len(t) // 2])) for s, t in pairs],
        [(" ".join(s[len(s) // 2 :]), " ".join(t[len(t) // 2 :])) for s, t in pairs],
    ]
    draw = random.Random(options.seed)
    for name, count in (("large", options.pairs), ("small", options.small)):
        paths = [options.folder / f"{name}.{side}" for side in ("source", "target")]
        with paths[0].open("w") as sources, paths[1].open("w") as targets:
            for _ in range(count):
                first, second = draw.choice(halves[0]), draw.choice(halves[1])
                sources.write(f"{first[0]} {second[0]}\n")
                targets.write(f"{first[1]} {second[1]}\n")
        recipe = RECIPE.format(
            folder=json.dumps(str(options.folder)),
            name=name,
            prepared=json.dumps(str(options.folder / f"{name}.prepared")),
        )
        (options.folder / f"{name}.toml").write_text(recipe)


def train(options):
    """Trains for 200 steps from the last state, and prints the digest of all weights."""
    import keras

    from keras_seq2seq import (
        PairBatches,
        PreparedPairs,
        Recipe,
        Seq2Seq,
        Seq2SeqConfig,
        resumable_fit,
    )
    from keras_seq2seq.training.corpus_parts import StreamedParts
    from keras_seq2seq.training.training_state import TrainingState

    keras.utils.set_random_seed(1)
    started = time.process_time()
    recipe = Recipe.load(options.folder / f"{options.corpus}.toml")
    prepared = PreparedPairs(recipe.prepared)
    pairs = prepared
    if options.from_texts:
        pairs = list(StreamedParts.open(recipe, in_memory=True).train)
    batches = PairBatches(
        pairs,
        prepared.tokenizers,
        tokens_per_batch=1024,
        num_shapes=2,
        sampling_alpha=0.2,
        seed=5,
    )
    print(f"start {time.process_time() - started:.2f}", flush=True)
    config = Seq2SeqConfig(*prepared.tokenizers.vocabulary_sizes, **MODEL)
    model = Seq2Seq(config, tokenizers=prepared.tokenizers)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0))

    class Steps(keras.callbacks.Callback):
        remembered = ()

        def on_train_batch_end(self, batch, logs=None):
            print(f"step {batch + 1}", flush=True)
            if batch + 1 > STEPS:  # by now the state after them is on the disk
                state = TrainingState.load(pathlib.Path(options.state))
                digest = hashlib.sha256(b"".join(value.tobytes() for value in state.variables))
                print(f"loss {logs['loss']:.4f}\nweights {digest.hexdigest()}", flush=True)
                os._exit(0)

    resumable_fit(
        model,
        batches,
        epochs=1,
        state_path=options.state,
        save_every=SAVE_EVERY,
        callbacks=[Steps()],
        verbose=0,
    )


class Stage:
    """A process of which the cost is told.

    Args:
        name: For the table.
        command: Arguments of this script, or of the interpreter if they begin with "-m".
        killed_at: Step after which it is killed.
    """

    def __init__(self, name, command, killed_at=None):
        command = list(map(str, command))
        script = [] if command[0] == "-m" else [__file__]
        started = time.perf_counter()
        self.name, self.anonymous = name, 0
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen([sys.executable, *script, *command], stdout=output)
            status, usage = self._watched(process, output, killed_at)
            self.lines = printed(output)
        self.seconds = time.perf_counter() - started
        self.cpu, self.peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        if status != (-signal.SIGKILL if killed_at else 0):
            raise SystemExit(f"{name} ended with {status}: {self.lines[-3:]}")
        print(self, flush=True)

    def _watched(self, process, output, killed_at):
        """Returns the exit status of a process, and what it used."""
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, usage
            self.anonymous = max(self.anonymous, anonymous_memory(process.pid))
            if killed_at and f"step {killed_at}" in printed(output):
                process.send_signal(signal.SIGKILL)
            time.sleep(0.1)

    def __str__(self):
        megabytes = " | ".join(f"{size / 2**20:,.0f}" for size in (self.peak, self.anonymous))
        return f"| {self.name} | {self.cpu:,.1f} | {self.seconds:,.1f} | {megabytes} |"

    def found(self, what):
        return [line.split()[1] for line in self.lines if line.startswith(f"{what} ")]


def printed(output):
    """Returns the lines that a process has printed so far."""
    # Not `seek`: the process writes at the same place of the same open file.
    return os.pread(output.fileno(), 2**24, 0).decode().splitlines()


def anonymous_memory(pid):
    """Returns the bytes of a process that are no pages of files; 0 if it is gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(
        int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon")
    )


def run(options):
    """Runs all stages; returns the exit status."""
    folder = options.folder
    given = ["--source", options.source, "--target", options.target, "--seed", options.seed]
    given += ["--pairs", options.pairs, "--small", options.small, "--folder", folder]
    print("| stage | CPU s | wall s | peak MiB | of it not mapped files |\n|---|---|---|---|---|")
    Stage("make the pairs", ["--stage", "make", *given])
    weights = {}

    def trained(name, corpus, state, *more, **extra):
        state = folder / f"{state}.npz"
        arguments = ["--stage", "train", "--corpus", corpus, "--state", state, *more, *given]
        stage = Stage(name, arguments, **extra)
        weights[name] = stage.found("weights")
        loss = "".join(f", loss {value}" for value in stage.found("loss"))
        return f"{name}: ready after {stage.found('start')[0]} CPU s{loss}"

    told = []
    for corpus, count in (("large", options.pairs), ("small", options.small)):
        command = ["-m", "keras_seq2seq.cli.main", "prepare", folder / f"{corpus}.toml"]
        Stage(f"prepare {count:,} pairs", command)
        told.append(trained(f"{count:,}: train 200 steps", corpus, f"{corpus}-whole"))
    for at in KILLED_AT:
        told.append(trained(f"killed at step {at}", "large", "killed", killed_at=at))
    told.append(trained("resumed", "large", "killed"))
    texts = f"{options.small:,}: train 200 steps from texts"
    told.append(trained(texts, "small", "texts", "--from-texts"))
    print("\n".join(told))
    large, small = (weights[f"{n:,}: train 200 steps"] for n in (options.pairs, options.small))
    equal = {
        "resumed = never killed": weights["resumed"] == large,
        "from texts = prepared": weights[texts] == small,
    }
    for name in ("large", "small"):
        size = sum(path.stat().st_size for path in (folder / f"{name}.prepared").iterdir())
        text = sum((folder / f"{name}.{side}").stat().st_size for side in ("source", "target"))
        print(f"{name}: {text / 2**20:,.0f} MiB of text, {size / 2**20:,.0f} MiB prepared")
    print(f"bit by bit: {equal}, {large[0][:16]}")
    return 0 if all(equal.values()) and large else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=pathlib.Path, required=True, help=".gz, a text a line")
    parser.add_argument(
        "--target", type=pathlib.Path, required=True, help="the same, of the target"
    )
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=200_000, help="pairs of a corpus for memory")
    parser.add_argument("--folder", type=pathlib.Path, help="kept; default: a temporary one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=["make", "train"], help=argparse.SUPPRESS)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    parser.add_argument("--state", help=argparse.SUPPRESS)
    parser.add_argument("--from-texts", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        {"make": make, "train": train}[options.stage](options)
        return 0
    if options.folder:
        options.folder = options.folder.resolve()
        options.folder.mkdir(parents=True, exist_ok=True)
        return run(options)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = pathlib.Path(folder)
        return run(options)


if __name__ == "__main__":
    sys.exit(main())
