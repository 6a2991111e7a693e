"""Tells how many tokens a second PairBatches makes on one core, with subword sampling and without.

Tokens are those of both sides, without padding. In the first epoch, the segmentations of each word
are looked for; later epochs only draw.

Usage: python benchmarks/batches.py [--source TRAIN.gz --target TRAIN.gz] [--vocabulary-size 8000]
"""

import argparse
import os
import pathlib
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

from keras_seq2seq import PairBatches, TokenizerPair, read_parallel
from keras_seq2seq.phrasebook import generate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=pathlib.Path, help="default: the phrasebook")
    parser.add_argument("--target", type=pathlib.Path)
    parser.add_argument("--vocabulary-size", type=int, default=8000)
    parser.add_argument("--tokens-per-batch", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    if options.source:
        pairs = read_parallel(options.source, options.target, policy="drop").pairs
    else:
        pairs = generate(size=30_000).train
    size = options.vocabulary_size if options.source else 1000
    tokenizers = TokenizerPair.train(pairs, size, joint=True)
    print(
        "| subword sampling | " + " | ".join(f"epoch {e + 1}" for e in range(options.epochs)) + " |"
    )
    print("|---" * (options.epochs + 1) + "|")
    for alpha in (None, 0.2):
        batches = PairBatches(
            pairs,
            tokenizers,
            tokens_per_batch=options.tokens_per_batch,
            max_length=128,
            sampling_alpha=alpha,
        )
        found = [tokens_and_seconds(batches, epoch) for epoch in range(options.epochs)]
        rates = [f"{tokens / seconds:,.0f}" for tokens, seconds in found]
        print(f"| {alpha or 'off'} | " + " | ".join(rates) + " |", flush=True)
    if options.epochs > 1:
        words = sum(len(sampler._known.numbers) for sampler in batches._samplers)
        (tokens, first), (_, second) = found[:2]
        print(
            f"{words:,} different words in {tokens:,} tokens; {(first - second) / words * 1e6:.0f} "
            "microseconds for each new word"
        )
    return 0


def tokens_and_seconds(batches: PairBatches, epoch: int) -> tuple[int, float]:
    """Returns the real tokens of an epoch and the CPU time that they took."""
    started, tokens = time.process_time(), 0
    for index in range(len(batches)):
        inputs, labels = batches.batch(epoch, index)
        tokens += int(np.count_nonzero(inputs["source_ids"]) + np.count_nonzero(labels))
    return tokens, time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
