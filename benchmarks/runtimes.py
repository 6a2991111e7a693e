"""Times greedy translation in every runtime beside the plain Keras loop, in one run.

The model has random weights and a search that runs to `max_length`: every system does the same
work. One thread each; medians; the ratio is to the plain loop, `predict` for each token, as the
official Keras example does it.

Usage: python benchmarks/runtimes.py [--repeats 20]
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import keras_seq2seq
from keras_seq2seq.bundle import Bundle
from keras_seq2seq.config import BOS_ID, EOS_ID
from keras_seq2seq.translator import SEARCHES, Translator

WORDS = ["river", "stone", "cloud", "forest", "winter", "copper", "garden", "silver"]
SOURCE_LENGTH, MAX_LENGTH = 13, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="default: %(default)s")
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        model = random_model()
        bundle = pathlib.Path(folder) / "bundle"
        keras_seq2seq.export(model, bundle, verbose=False)
        source_ids = np.random.default_rng(0).integers(4, 200, (1, SOURCE_LENGTH)).astype("int32")
        source_ids[:, -1] = EOS_ID
        rows = [("plain Keras loop", "", lambda: keras_loop(model, source_ids))]
        opened = Bundle.open(bundle)
        for name, quantization in opened.artefacts:
            runtime = opened.runtime(name, quantization)
            for search in SEARCHES:
                translator = Translator(
                    runtime, opened.tokenizers, max_length=MAX_LENGTH, search=search
                )
                rows.append((f"{name} {quantization}", search, searcher(translator, source_ids)))
        report(rows, repeats, model.count_params())


def random_model() -> keras_seq2seq.Seq2Seq:
    """A bidirectional GRU with attention, 5 M parameters, over a tokenizer of made-up words."""
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


def keras_loop(model: keras_seq2seq.Seq2Seq, source_ids: np.ndarray) -> None:
    """Calls `predict` once for the source and once for each target token."""
    state = model.encoder.predict(source_ids, verbose=0)
    ids = np.array([[BOS_ID]], "int32")
    for _ in range(MAX_LENGTH):
        fed = {k: v for k, v in state.items() if k in model.decoder.input}
        outputs = model.decoder_step.predict({"target_ids": ids, **fed}, verbose=0)
        state |= {k: v for k, v in outputs.items() if k.startswith("state_")}
        ids = outputs["logits"][:, 0].argmax(-1, keepdims=True).astype("int32")


def searcher(translator: Translator, source_ids: np.ndarray) -> Callable[[], object]:
    return lambda: translator.search_ids(source_ids)


def report(
    rows: list[tuple[str, str, Callable[[], object]]], repeats: int, parameters: int
) -> None:
    """Prints the median milliseconds of each row and its ratio to the first."""
    print(f"{parameters:,} parameters, {SOURCE_LENGTH} source tokens, {MAX_LENGTH} steps, batch 1")
    print(f"{'system':24} {'search':8} {'ms':>9} {'times faster':>13}")
    base = None
    for name, search, run in rows:
        run()
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        median = 1000 * statistics.median(seconds)
        base = base or median
        print(f"{name:24} {search:8} {median:9.2f} {base / median:13.1f}")


if __name__ == "__main__":
    main()
