"""Memory and time of a training step with a large vocabulary, with all logits and in parts.

A small Transformer with tied ids on JAX, each way in a process of its own: what XLA says that the
step needs beside its arguments, the peak of the process, and its CPU time for two steps with
compiling.

Usage: python benchmarks/vocabulary.py [--ids 100000] [--rows 32] [--length 32] [--positions 8]
"""

import argparse
import os
import resource
import subprocess
import sys
import time

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ids", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument(
        "--positions", type=int, nargs="+", default=[0, 8], help="0 is all at once (default: 0 8)"
    )
    options = parser.parse_args()
    if len(options.positions) == 1:
        return measure(options, options.positions[0])
    print(f"logits: {options.rows * options.length * options.ids * 4 / 2**20:,.0f} MiB")
    print("| positions | temporary MiB, by XLA | peak MiB | CPU s |\n|---|---|---|---|", flush=True)
    for positions in options.positions:
        # The last of several values of an option counts.
        command = [sys.executable, __file__, *sys.argv[1:], "--positions", str(positions)]
        subprocess.run(command, check=True)
    return 0


def measure(options: argparse.Namespace, positions: int) -> int:
    """Prints the row of one way."""
    import jax
    import keras
    import numpy as np

    from keras_seq2seq import Seq2Seq, Seq2SeqConfig

    config = Seq2SeqConfig(
        source_vocabulary_size=options.ids,
        target_vocabulary_size=options.ids,
        encoder="transformer",
        decoder="transformer",
        num_heads=4,
        embedding_dim=options.units,
        units=options.units,
        feedforward_dim=4 * options.units,
        share_embeddings=True,
        tie_output=True,
        max_length=options.length,
    )
    model = Seq2Seq(config)
    model.compile(keras.optimizers.Adam(1e-3))
    if positions:
        model.chunk_loss(positions)
    ids = np.random.default_rng(0).integers(4, options.ids, (options.rows, options.length), "int32")
    batch = {"source_ids": ids, "target_ids": ids}, ids
    before = time.process_time()
    for _ in range(2):
        model.train_on_batch(*batch)
    seconds = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    step = jax.jit(model.train_step).lower(state, batch).compile()
    temporary = step.memory_analysis().temp_size_in_bytes / 2**20
    print(f"| {positions or 'all'} | {temporary:,.0f} | {peak:,.0f} | {seconds:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
