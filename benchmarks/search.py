"""Times greedy and beam search in every runtime against the plain Keras loop, in one run.

The plain loop calls `predict` for each token, as the official Keras example does it, and is always
greedy; speed-ups are relative to it at the same batch size. Each repeat gives every system one
turn, so that noise affects all equally; figures are medians. Each system has one thread. Tokenizing
and compiling are not timed.

Without `--bundle` the model has random weights and an output bias that puts eos 100 nats behind, so
that no hypothesis ends: every search takes `MAX_LENGTH` steps, which is checked by counting tokens.
With `--bundle` searches end where they do (see the column of tokens), and the beam is the one
inside its files.

Usage: python benchmarks/search.py [--repeats 15] [--bundle FOLDER --text FILE [--lines 32]]
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.text.tokenizer import pad_batch
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID
from keras_seq2seq.translator import SEARCHES, Translator

WORDS = ["river", "stone", "cloud", "forest", "winter", "copper", "garden", "silver"]
SOURCE_LENGTH, MAX_LENGTH = 13, 20
BATCH_SIZES = (1, 32)
NAMES = {
    ("keras", "float32"): "Keras",
    ("saved_model", "float32"): "SavedModel",
    ("litert", "float32"): "LiteRT float32",
    ("litert", "dynamic_int8"): "LiteRT dynamic int8",
    ("onnx", "float32"): "ONNX float32",
    ("onnx", "dynamic_int8"): "ONNX dynamic int8",
}
HEADER = "| system              | search  | beam | tokens | ms/sentence | sentences/s | speed-up |"


@dataclasses.dataclass(frozen=True)
class System:
    """One system that is timed.

    Args:
        name: What runs it.
        search: "in_file", "host" or "" for a loop of its own.
        beam_size: int > 0; 1 is greedy.
        run: From source ids, int32, (batch, source_length), to the tokens of each translation,
            eos included.
        max_batch_size: Most rows of one call, or None for any number.
    """

    name: str
    search: str
    beam_size: int
    run: Callable[[np.ndarray], list[int]]
    max_batch_size: int | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """What a system does in one turn: translate all batches, a call for each."""

    system: System
    batch_size: int
    batches: list[np.ndarray]

    def __call__(self) -> list[int]:
        """Returns the tokens of each translation."""
        return [tokens for source_ids in self.batches for tokens in self.system.run(source_ids)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--bundle", type=pathlib.Path, help="a bundle of your own")
    parser.add_argument("--text", type=pathlib.Path, help="source texts for it, one per line")
    parser.add_argument("--lines", type=int, default=32, help="of the text; default: %(default)s")
    given = parser.parse_args()
    if (given.bundle is None) != (given.text is None):
        parser.error("--bundle and --text go together.")
    with tempfile.TemporaryDirectory() as folder:
        if given.bundle:
            bundle = Bundle.open(given.bundle)
            sentences = dict.fromkeys(BATCH_SIZES, read(bundle, given.text, given.lines))
        else:
            bundle = random_bundle(pathlib.Path(folder) / "bundle")
            sentences = {size: random_sentences(size) for size in BATCH_SIZES}
        jobs = [
            Job(system, size, batches(sentences[size], size, system.max_batch_size or size))
            for system in systems(bundle)
            for size in BATCH_SIZES
        ]
        tokens = {job: job() for job in jobs}  # the first call compiles
        if not given.bundle:
            check_steps(tokens)
        report(tokens, medians(jobs, given.repeats), given.repeats)


def random_bundle(folder: pathlib.Path) -> Bundle:
    """Exports a model that never ends a sentence, with a beam of 5 in every file."""
    model = random_model()
    bias = model.decoder.get_layer("logits").bias
    bias.assign(np.where(np.arange(bias.shape[0]) == EOS_ID, -100.0, 0.0))
    keras_seq2seq.export(model, folder, beam=BeamSearch(5), verbose=False)
    return Bundle.open(folder)


def random_model() -> keras_seq2seq.Seq2Seq:
    """A bidirectional GRU with attention, 6 M parameters, over a tokenizer of made-up words."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 5)) for _ in range(400)]
    tokenizers = keras_seq2seq.TokenizerPair.train(
        [(text, text) for text in texts],
        joint=True,
        source_level="character",
        target_level="character",
    )
    size = tokenizers.source.vocabulary_size
    config = keras_seq2seq.Seq2SeqConfig(
        size, size, embedding_dim=256, units=768, max_length=MAX_LENGTH
    )
    return keras_seq2seq.Seq2Seq(config, tokenizers=tokenizers)


def random_sentences(count: int) -> list[list[int]]:
    ids = np.random.default_rng(0).integers(4, 200, (count, SOURCE_LENGTH - 1))
    return [[*row, EOS_ID] for row in ids.tolist()]


def read(bundle: Bundle, text: pathlib.Path, lines: int) -> list[list[int]]:
    """Returns the ids of the first lines of a text that are not blank."""
    texts = [line for line in text.read_text("utf-8").splitlines() if line.strip()][:lines]
    return bundle.tokenizers.source.encode(texts, add_eos=True)


def batches(sentences: list[list[int]], size: int, most: int) -> list[np.ndarray]:
    """Returns padded batches, above a size of 1 of like length, with at most `most` rows."""
    ordered = sorted(sentences, key=len) if size > 1 else sentences
    rows = min(size, most)
    return [pad_batch(ordered[i : i + rows]) for i in range(0, len(ordered), rows)]


def systems(bundle: Bundle) -> Iterator[System]:
    """Yields the plain loop, then each search: greedy, and the beam of the bundle, or of 5."""
    path = bundle.folder / bundle.manifest["artefacts"]["keras"]["path"]
    model = keras_seq2seq.load_model(path, compile=False)
    yield System("plain Keras loop", "", 1, functools.partial(keras_loop, model, bundle.max_length))
    runtimes = {NAMES[artefact]: bundle.runtime(*artefact) for artefact in bundle.artefacts}
    for strategy in (GREEDY, bundle.beam or BeamSearch(5)):
        beam_size = strategy.beam_size if isinstance(strategy, BeamSearch) else 1
        for name, runtime in runtimes.items():
            for search in SEARCHES if runtime.has(strategy) else ("host",):
                translator = Translator(
                    runtime,
                    bundle.tokenizers,
                    max_length=bundle.max_length,
                    search=search,
                    strategy=strategy,
                    shortlist=bundle.shortlist,
                )
                run = functools.partial(translate, translator)
                yield System(name, search, beam_size, run, runtime.max_batch_size)


def keras_loop(model: keras_seq2seq.Seq2Seq, max_length: int, source_ids: np.ndarray) -> list[int]:
    """Calls `predict` once for the sources and once for each token, until all rows have ended."""
    state = model.encoder.predict(source_ids, verbose=0)
    ids = np.full(len(source_ids), BOS_ID, "int32")
    tokens = np.zeros(len(source_ids), int)
    ended = np.zeros(len(source_ids), bool)
    while not ended.all() and tokens.max() < max_length:
        fed = {k: v for k, v in state.items() if k in model.decoder_step.input}
        outputs = model.decoder_step.predict({"target_ids": ids, **fed}, verbose=0)
        state |= {k: v for k, v in outputs.items() if k.startswith("state_")}
        ids = outputs["logits"].argmax(-1).astype("int32")
        tokens += ~ended
        ended |= ids == EOS_ID
    return tokens.tolist()


def translate(translator: Translator, source_ids: np.ndarray) -> list[int]:
    return [len(best.token_log_probs) for best, *_ in translator.search_ids(source_ids)]


def check_steps(tokens: dict[Job, list[int]]) -> None:
    """Checks that all searches went to the end, so that all did the same work."""
    for job, counts in tokens.items():
        if set(counts) != {MAX_LENGTH}:
            system = job.system
            raise RuntimeError(
                f"Every translation must have {MAX_LENGTH} tokens. Received: {counts} of "
                f"{system.name} {system.search}, beam {system.beam_size}, batch {job.batch_size}."
            )


def medians(jobs: list[Job], repeats: int) -> dict[Job, float]:
    """Returns the median seconds of a turn of each job."""
    seconds: dict[Job, list[float]] = {job: [] for job in jobs}
    for _ in range(repeats):
        for job in jobs:
            start = time.perf_counter()
            job()
            seconds[job].append(time.perf_counter() - start)
    return {job: statistics.median(turns) for job, turns in seconds.items()}


def report(tokens: dict[Job, list[int]], seconds: dict[Job, float], repeats: int) -> None:
    """Prints a Markdown table for each batch size.

    Args:
        tokens: Tokens of each translation of each job, the plain loop's first.
        seconds: Of a turn of each job.
        repeats: int > 0. What `seconds` are medians of.
    """
    for size in BATCH_SIZES:
        jobs = [job for job in tokens if job.batch_size == size]
        calls = "; LiteRT: a call for each sentence" if size > 1 else ""
        print(f"\nBatch of {size}{calls}; medians of {repeats}, one thread each\n")
        print(HEADER)
        print("|---|---|---:|---:|---:|---:|---:|")
        plain = seconds[jobs[0]] / len(tokens[jobs[0]])
        for job in jobs:
            system, took = job.system, seconds[job] / len(tokens[job])
            print(
                f"| {system.name:19} | {system.search:7} | {system.beam_size:4} "
                f"| {statistics.mean(tokens[job]):6.1f} | {1000 * took:11.2f} | {1 / took:11.1f} "
                f"| {plain / took:8.1f} |"
            )


if __name__ == "__main__":
    main()
