"""Times an imported student of Firefox' shape beside the engine that Firefox has.

A folder is written as Firefox' models are: 6 + 2 layers, 256, inner 1,536, an SSRU in place of the
decoder's self-attention, 32,000 ids, 8 bits of intgemm with the scales of activations, and a
shortlist of 50 frequent ids and 50 for each source id. Weights are random; every text and every
translation has 24 tokens. The folder is imported and exported with the shortlist and without. An
export that needs more than 6 GB is killed, and its files are not timed.

Each system is a process of its own, gets texts and gives texts. Each has its turn at each batch,
after one turn that is not timed. "tokens/s" comes from the median over the batches of the time by
the number of target tokens; "of the engine" is that of its 8 bits, with a shortlist or without.
Words are compared with those of the ONNX file in float32: random numbers in 8 bits give other
words, so only times tell there. If another file in float32, or the engine in float32, differs in
more than one sentence of a hundred, the exit status is 1.

The engine needs a Python 3.10 with the wheel bergamot 0.4.5; without --engine it is left out.

Usage: python benchmarks/students.py [--engine PYTHON310] [--sentences 64] [--rounds 3]
           [--threads 1] [--formats onnx litert] [--keep FOLDER] [--vocabulary-size 32000]
"""

import argparse
import itertools
import json
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
from exports import MEGABYTE
from inference import WORKER, System, Worker
from pretrained import VERIFIED, file_megabytes
from systems.command import command
from systems.random_model import LENGTH, random_model, random_texts

import keras_seq2seq
from keras_seq2seq import Bundle, Seq2Seq
from keras_seq2seq.models.presets import PRESETS

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))
from marian_files import (
    is_matrix,
    marian_options,
    marian_tensors,
    marian_vocabulary,
    quantized,
    with_options,
    write_bin,
    write_lex,
)

FREQUENT, CANDIDATES = 50, 50
LARGEST = 5.0  # activation that is not cut off in 8 bits
BATCH_SIZES = (1, 32)
LITERT_ROWS = 8
MODEL, SHORTLIST, VOCABULARY = (
    *("model.enxx.intgemm.alphas.bin", "lex.50.50.enxx.s2t.bin"),
    "vocab.enxx.spm",
)
NPZ = "float32.npz"
WITH = "shortlist: "
ENGINE_INT8 = "engine int8"
# Those of Firefox, but for the length of a batch and of a translation.
SETTINGS = {
    **{"beam-size": 1, "normalize": 1.0, "word-penalty": 0, "skip-cost": True},
    **{"mini-batch": 32, "maxi-batch": 100, "maxi-batch-sort": "src", "mini-batch-words": 4096},
    **{"workspace": 128, "max-length-factor": 1.0, "max-length-break": 128},
    **{"cpu-threads": 0, "quiet": True, "quiet-translation": True},
    **{"ssplit-mode": "paragraph", "ssplit-prefix-file": ""},
}
HEADER = (
    "| system | MB | start s | tokens/s, batch 1 | of the engine | batch 32 | of the engine | "
    "peak MB | same words |"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", metavar="PYTHON310", help="a Python 3.10 that has bergamot")
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--formats", nargs="+", default=["onnx", "litert"])
    parser.add_argument("--keep", type=pathlib.Path, help="keep the files here, and use them again")
    parser.add_argument("--vocabulary-size", type=int, default=32_000)
    arguments = parser.parse_args()
    if arguments.sentences % BATCH_SIZES[-1]:
        parser.error(f"--sentences must be a multiple of {BATCH_SIZES[-1]}")
    with tempfile.TemporaryDirectory() as room:
        folder = arguments.keep or pathlib.Path(room)
        _write(folder, arguments)
        model = keras_seq2seq.load_model(folder / "run" / "model.keras", compile=False)
        texts = random_texts(arguments.sentences, arguments.vocabulary_size)
        systems = list(_systems(model, folder, arguments.engine))
        del model
        workers = {s.name: Worker(s, arguments.threads, 1, texts[0]) for s in systems}
        found = {name: worker.ask([[t] for t in texts])["ids"] for name, worker in workers.items()}
        speeds = {size: _speeds(workers, texts, size, arguments.rounds) for size in BATCH_SIZES}
        for worker in workers.values():
            worker.stop()
    print(f"{len(texts)} sentences, {arguments.threads} thread(s)\n")
    return 0 if _print_table(systems, workers, found, speeds) else 1


def _write(folder: pathlib.Path, arguments: argparse.Namespace) -> None:
    """Writes what is not there: the files of Firefox and of Marian, the run, the bundles."""
    marian, run, size = folder / "marian", folder / "run", arguments.vocabulary_size
    if not marian.exists():
        marian.mkdir(parents=True)
        # Marian has no pad and no bos.
        student = PRESETS["student_tiny"] | {"positions": "marian", "norm_epsilon": 1e-9}
        _write_marian(random_model(size + 2, **student), marian, folder / NPZ)
    if not run.exists():
        (folder / "sources.txt").write_text("\n".join(random_texts(VERIFIED, size)) + "\n", "utf-8")
        given = ("--output-dir", run, "--max-length", LENGTH, "--sources", folder / "sources.txt")
        command("import", marian / MODEL, *given)
    lists = {"plain": [], "shortlist": ["--shortlist", run / "shortlist.npz"]}
    rows = {"litert": ["--litert-batch-size", LITERT_ROWS]}
    for name, form in itertools.product(lists, arguments.formats):
        bundle = folder / f"{name}_{form}"
        if not bundle.exists():
            given = ("--output-dir", bundle, "--formats", form, "--min-agreement", 0)
            try:
                command("export", run, *given, *rows.get(form, ()), *lists[name])
            except MemoryError as error:
                print(error, file=sys.stderr)


def _write_marian(model: Seq2Seq, folder: pathlib.Path, npz: pathlib.Path) -> None:
    """Writes a model of 8 bits into a folder, and the same numbers in float32."""
    vocabulary, rows = marian_vocabulary(model.tokenizers.source)
    (folder / VOCABULARY).write_bytes(vocabulary)
    options = marian_options(model.config, **{"dim-vocabs": [len(rows), len(rows)]})
    arrays = marian_tensors(model, rows)
    scales = {}
    for name, array in arrays.items():
        if is_matrix(name):
            numbers, multiplier = quantized(name, array)
            numbers = numbers if name.endswith("Wemb") else numbers.T
            arrays[name] = (numbers / multiplier).astype("float32")
            scales[f"{name}_QuantMultA"] = np.array([[127 / LARGEST]], "float32")
    # The part of the table that a shortlist chooses has no name there.
    scales["none_QuantMultA"] = np.array([[127 / LARGEST]], "float32")
    np.savez(npz, **with_options(arrays, options))
    write_bin(folder / MODEL, with_options(arrays | scales, options), eight_bits=True)
    draw = np.random.default_rng(2)
    write_lex(folder / SHORTLIST, draw.integers(2, len(rows), (len(rows), CANDIDATES)), FREQUENT)
    (folder / "decoder.yml").write_text(json.dumps(SETTINGS))


def _systems(model: Seq2Seq, folder: pathlib.Path, engine: str | None) -> Iterator[System]:
    for prefix, name in (("", "plain"), (WITH, "shortlist")):
        for manifest in sorted(folder.glob(f"{name}_*/manifest.json"), reverse=True):  # ONNX first
            path = manifest.parent
            bundle = Bundle.open(path)
            for runtime, quantization in bundle.artefacts:
                if runtime == "keras":
                    continue
                job = {"folder": str(path), "runtime": runtime, "quantization": quantization}
                size = file_megabytes(bundle, runtime, quantization)
                told = {"system": "texts", **job}
                yield System(f"{prefix}{runtime} {quantization}", told, size, model.tokenizers)
    if engine is None:
        return
    lexicon = {"shortlist": [str(folder / "marian" / SHORTLIST), False]}
    int8 = {"gemm-precision": "int8shiftAlphaAll"}
    for name, file, more in (
        ("engine float32", folder / NPZ, {"gemm-precision": "float32"}),
        (ENGINE_INT8, folder / "marian" / MODEL, int8),
        (f"{WITH}{ENGINE_INT8}", folder / "marian" / MODEL, int8 | lexicon),
    ):
        vocabulary = str(folder / "marian" / VOCABULARY)
        files = {"models": [str(file)], "vocabs": [vocabulary, vocabulary]}
        config = folder / f"{name.replace(': ', '_').replace(' ', '_')}.yml"
        config.write_text(json.dumps({**SETTINGS, **files, **more}))
        size = file.stat().st_size / MEGABYTE
        told = {"system": "engine", "config": str(config)}
        yield System(name, told, size, model.tokenizers, command=(engine, str(WORKER)))


def _speeds(
    workers: dict[str, Worker], texts: list[str], size: int, rounds: int
) -> dict[str, float]:
    """Returns tokens per second of each system."""
    batches = [texts[i : i + size] for i in range(0, len(texts), size)]
    for worker in workers.values():
        worker.ask(batches)
    for _ in range(rounds):
        for batch in batches:
            for worker in workers.values():
                worker.translate([batch], size)
    speeds = {}
    for name, worker in workers.items():
        tokens = [len(text.split()) for text in worker.result.found[size]]
        shares = [sum(tokens[i : i + size]) for i in range(0, len(tokens), size)]
        times = zip(worker.result.milliseconds[size], shares, strict=True)
        speeds[name] = 1000 / statistics.median(time / share for time, share in times)
    return speeds


def _print_table(
    systems: list[System],
    workers: dict[str, Worker],
    found: dict[str, list[str]],
    speeds: dict[int, dict[str, float]],
) -> bool:
    """Prints a row for each system; returns False if one in float32 translates differently."""
    print(HEADER)
    print("|---" * (HEADER.count(" | ") + 1) + "|")
    passed = True
    for system in systems:
        name, prefix = system.name, WITH if system.name.startswith(WITH) else ""
        wanted = found[f"{prefix}onnx float32"]
        same = sum(a == b for a, b in zip(found[name], wanted, strict=True))
        if "float32" in name:
            passed = passed and same >= 0.99 * len(wanted)
        result = workers[name].result
        cells = [name, f"{system.megabytes:.1f}", f"{result.start:.1f}"]
        for one in speeds.values():
            beside = one.get(f"{prefix}{ENGINE_INT8}")
            cells += [f"{one[name]:.0f}", f"{one[name] / beside:.2f}" if beside else "-"]
        print(f"| {' | '.join(cells)} | {result.rss_mb:.0f} | {same} of {len(wanted)} |")
    return passed


if __name__ == "__main__":
    sys.exit(main())
