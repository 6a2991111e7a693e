"""Checks every preset in every runtime: trains it briefly, exports it, verifies the bundle.

Each preset sees the same few batches of the embedded phrasebook, so its translations are bad, and
of every length. All files must give the same ones, greedy and by a beam, in the file and on the
host; if one differs, the exit status is 1.

Usage: python benchmarks/presets.py [--presets NAME ...] [--steps 150] [--lines 100]
"""

import argparse
import pathlib
import sys
import tempfile
import time
import warnings

from systems.phrasebook_model import VOCABULARY_SIZE, trained

from keras_seq2seq import BeamSearch, Seq2Seq, TokenizerPair, export
from keras_seq2seq.models.presets import PRESETS
from keras_seq2seq.phrasebook import generate
from keras_seq2seq.verification.parity import Parity

HEADER = (
    "| preset | parameters | loss | SavedModel MB | LiteRT MB | ONNX MB | "
    "same words, float32 | dynamic int8 | largest score gap, float32 |"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--steps", type=int, default=150, help="training steps")
    parser.add_argument("--lines", type=int, default=100, help="sentences to verify on")
    arguments = parser.parse_args()
    book = generate(size=20_000)
    tokenizers = TokenizerPair.train(book.train, VOCABULARY_SIZE, joint=True)
    sentences = [source for source, _ in book.test[: arguments.lines]]
    print(HEADER)
    print("|---" * HEADER.count(" | ") + "|---|")
    passed = True
    for name in arguments.presets:
        started = time.perf_counter()
        model = trained(name, book, steps=arguments.steps, tokenizers=tokenizers)
        loss = model.history.history["loss"][-1]
        with tempfile.TemporaryDirectory() as room, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a failed parity is reported below
            folder = pathlib.Path(room) / "bundle"
            beam = BeamSearch(4, num_hypotheses=4)
            parity = export(model, folder, sentences=sentences, beam=beam, verbose=False)
            print(_row(name, model, loss, folder, parity), flush=True)
        passed = passed and parity.passed
        print(f"{name}: {time.perf_counter() - started:.0f} s\n{parity}\n", file=sys.stderr)
    return 0 if passed else 1


def _row(name: str, model: Seq2Seq, loss: float, folder: pathlib.Path, parity: Parity) -> str:
    sizes = [_megabytes(folder / part) for part in ("saved_model", "litert", "onnx")]
    same = []
    for exact in (True, False):
        chosen = [a for a in parity.agreements if (a.quantization == "float32") is exact]
        same.append((sum(a.identical for a in chosen), sum(a.sentences for a in chosen)))
    gap = max(a.largest_gap for a in parity.agreements if a.quantization == "float32")
    columns = [name, f"{model.count_params():,}", f"{loss:.2f}"]
    columns += [f"{size:.1f}" for size in sizes]
    columns += [f"{a:,} of {b:,}" for a, b in same]
    return f"| {' | '.join([*columns, f'{gap:.1e}'])} |"


def _megabytes(folder: pathlib.Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
