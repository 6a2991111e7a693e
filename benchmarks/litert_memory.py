"""Measures what it takes to open a LiteRT file of real size, its packed weights shared and not.

Each way opens the float32 file of a model with random weights in processes of its own and
translates a sentence. Time is that of both, a median; memory is the peak of the process less what
it had before.

Usage: python benchmarks/litert_memory.py [--preset transformer_base] [--vocabulary-size 32000]
           [--turns 5]
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from exports import MEGABYTE, built

import keras_seq2seq

WAYS = ("shared", "packed for each loop")
OPENED = """
import json, sys, time
import numpy as np
import ai_edge_litert.compiled_model, ai_edge_litert.interpreter
from keras_seq2seq.runtimes import litert

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))

folder, lengths, shared = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
if shared != "shared":
    litert.LARGE = float("inf")
before, started = peak(), time.perf_counter()
runtime = litert.LiteRTRuntime(
    f"{folder}/model_float32.tflite",
    source_lengths=lengths,
    steps_path=f"{folder}/steps_float32.tflite",
)
found = runtime.search(np.array([[5, 6, 7, 3]], "int32"))
print(json.dumps([time.perf_counter() - started, peak() - before, found[0][0].ids]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="transformer_base")
    parser.add_argument("--vocabulary-size", type=int, default=32_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = pathlib.Path(room)
        build = {"path": str(folder / "model.keras"), "preset": options.preset, "fields": {}}
        built({**build, "vocabulary": options.vocabulary_size})
        model = keras_seq2seq.load_model(folder / "model.keras", compile=False)
        keras_seq2seq.export(model, folder / "bundle", formats=["litert"], sentences=["w1 w2"])
        manifest = json.loads((folder / "bundle/manifest.json").read_text("utf-8"))
        lengths = json.dumps(manifest["artefacts"]["litert"]["source_lengths"])
        command = [sys.executable, "-c", OPENED, str(folder / "bundle/litert"), lengths]
        found = {way: [] for way in WAYS}
        for _ in range(options.turns):  # side by side
            for way, answers in found.items():
                said = subprocess.run([*command, way], stdout=subprocess.PIPE, check=True)
                answers.append(json.loads(said.stdout))
        if len({tuple(ids) for answers in found.values() for *_, ids in answers}) > 1:
            raise SystemExit("the ways translate differently")
        size = (folder / "bundle/litert/model_float32.tflite").stat().st_size
    print(f"the file: {size / MEGABYTE:.0f} MB\n")
    print("| weights of XNNPACK | s to open and translate once | peak MB | times the file |")
    print("|---|---|---|---|")
    for way, answers in found.items():
        seconds, peak = (
            statistics.median(column) for column in list(zip(*answers, strict=True))[:2]
        )
        print(f"| {way} | {seconds:.2f} | {peak / MEGABYTE:.0f} | {peak / size:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
