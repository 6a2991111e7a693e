"""Exports an imported OPUS-MT, and times its files beside CTranslate2 and Transformers.

A folder of Hugging Face Marian is written, imported and exported. By default it has the sizes of
OPUS-MT's transformer-align (6 + 6 layers, 512, inner 2,048, swish, 58,101 ids) and random weights;
every text and every translation has 24 tokens. With `--run` it has the weights of a Transformer
that was trained here.

Each format is exported and verified in a process of its own, one after the other: its seconds, the
peak of its memory (see exports.py) and the bytes on the disk. One that needs more than --limit-gb
is killed, and its files are not timed.

Each system is a process of its own and gets ids, one sentence at a time. Each has its turn at each
sentence, after one turn that is not timed. "ms a token" is the median over the sentences of the
time of a translation by its number of tokens, eos included. Words are compared with those of the
imported Keras model: quantised weights of random numbers give other words, so only times tell
there. If float32 files, CTranslate2 in float32 or Transformers differ from these in more than one
sentence of a hundred, the exit status is 1. Transformers is left out where it is not installed.

Usage: python benchmarks/pretrained.py [--run RUN --source FILE] [--sentences 40] [--threads 1]
           [--formats saved_model onnx litert] [--keep FOLDER] [--set units=64 ...]
"""

import argparse
import dataclasses
import importlib.util
import itertools
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator

from exports import MEGABYTE
from inference import PART_OF, System, Worker
from systems.command import command
from systems.ctranslate2_model import write_ctranslate2
from systems.marian_folder import write_marian
from systems.random_model import LENGTH, random_model, random_texts

import keras_seq2seq
from keras_seq2seq import Bundle, Seq2Seq, TokenizerPair, Translator
from keras_seq2seq.runtimes.onnx import WEIGHTS_ENTRY
from keras_seq2seq.text.lines import read_texts

OPUS_MT = {
    **{"encoder": "transformer", "decoder": "transformer", "embedding_dim": 512, "units": 512},
    **{"num_heads": 8, "feedforward_dim": 2048, "num_encoder_layers": 6, "num_decoder_layers": 6},
    **{"normalization": "post", "activation": "swish", "share_embeddings": True},
    **{"tie_output": True, "output_bias": True, "dropout": 0.1},
}
VOCABULARY_SIZE = 58_101
VERIFIED = 5  # texts that an export is verified on
REFERENCE = "CTranslate2 int8"
HEADER = (
    "| system | MB | start s | ms a token | tokens/s | times CTranslate2 int8 | peak MB | "
    "same words |"
)
EXPORT_HEADER = "| export | s | peak MB | times the weights | MB on disk |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=pathlib.Path, help="run folder of a Transformer")
    parser.add_argument("--source", type=pathlib.Path, help="source texts, one per line")
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--formats", nargs="+", default=["saved_model", "onnx", "litert"])
    parser.add_argument("--limit-gb", type=float, default=6, help="an export above it is killed")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the files here, and use them again")
    parser.add_argument("--set", nargs="*", default=[], help="fields of the model, as NAME=JSON")
    parser.add_argument("--vocabulary-size", type=int, default=VOCABULARY_SIZE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = arguments.keep or pathlib.Path(room)
        if not (folder / "marian").exists():
            write_marian(_model(arguments), folder / "marian")
        if not (folder / "run").exists():
            texts = _texts(arguments, VERIFIED)
            (folder / "sources.txt").write_text("".join(f"{text}\n" for text in texts), "utf-8")
            longest = 128 if arguments.run else LENGTH
            given = ("--sources", folder / "sources.txt", "--max-length", longest)
            command("import", folder / "marian", "--output-dir", folder / "run", *given)
        _export(folder, arguments.formats, arguments.limit_gb)
        model = keras_seq2seq.load_model(folder / "run" / "model.keras", compile=False)
        texts = _texts(arguments, arguments.sentences)
        found = Translator.from_model(model).n_best(texts, batch_size=8)
        wanted = [list(best.hypothesis.ids) for best, *_ in found]
        formats = [name for name in arguments.formats if (folder / name).exists()]
        systems = list(_prepared(model, folder, formats))
        longest = model.config.max_length
        del model
        results = _timed(systems, texts, arguments.threads)
    print(f"\n{len(texts)} sentences, {arguments.threads} thread(s)\n")
    return 0 if _print_table(systems, results, wanted, longest) else 1


def _export(folder: pathlib.Path, formats: list[str], limit: float) -> None:
    """Writes and verifies the bundle of each format that is not there; prints what each took."""
    weights = (folder / "marian" / "model.safetensors").stat().st_size
    print(EXPORT_HEADER)
    print("|---" * (EXPORT_HEADER.count(" | ") + 1) + "|", flush=True)
    for name in formats:
        if (folder / name).exists():
            continue
        given = [] if name == "saved_model" else ["--min-agreement", 0]
        started = time.perf_counter()
        where = ("--output-dir", folder / name, "--formats", name)
        try:
            peak = command("export", folder / "run", *where, *given, limit_gb=limit)
        except MemoryError:
            print(f"| {name} | - | killed above {1000 * limit:.0f} | - | - |", flush=True)
            continue
        seconds = time.perf_counter() - started
        files = [path for path in (folder / name / name).rglob("*") if path.is_file()]
        disk = sum(path.stat().st_size for path in files)
        cells = [name, f"{seconds:.0f}", f"{peak / MEGABYTE:.0f}", f"{peak / weights:.1f}"]
        print(f"| {' | '.join(cells)} | {disk / MEGABYTE:.0f} |", flush=True)


def _model(arguments) -> Seq2Seq:
    if arguments.run is not None:
        return keras_seq2seq.load_model(arguments.run / "model.keras", compile=False)
    given = dict(pair.split("=", 1) for pair in arguments.set)
    fields = {name: json.loads(value) for name, value in given.items()}
    return random_model(arguments.vocabulary_size, **{**OPUS_MT, **fields})


def _texts(arguments, count: int) -> list[str]:
    if arguments.source is None:
        return random_texts(count, arguments.vocabulary_size)
    return list(itertools.islice(read_texts(arguments.source), count))


def _prepared(model: Seq2Seq, folder: pathlib.Path, formats: list[str]) -> Iterator[System]:
    """Yields the systems; writes those of CTranslate2."""
    for name in formats:
        bundle = Bundle.open(folder / name)
        for runtime, quantization in bundle.artefacts:
            if runtime == "keras":
                continue
            size = file_megabytes(bundle, runtime, quantization)
            job = {"folder": str(folder / name), "runtime": runtime, "quantization": quantization}
            system = {"system": "runtime", **job}
            yield System(f"{runtime} {quantization}", system, size, model.tokenizers)
    length = {"max_length": model.config.max_length}
    for quantization in ("float32", "int8"):
        of_ct2 = folder / f"ctranslate2_{quantization}"
        if not of_ct2.exists():
            write_ctranslate2(model, of_ct2, quantization)
        job = {"folder": str(of_ct2), "quantization": quantization, **length}
        size = (of_ct2 / "model.bin").stat().st_size / MEGABYTE
        name = f"CTranslate2 {quantization}"
        yield System(name, {"system": "ctranslate2", **job}, size, model.tokenizers)
    if importlib.util.find_spec("transformers"):
        yield _transformers(folder / "marian", model.tokenizers, length)


def file_megabytes(bundle: Bundle, runtime: str, quantization: str) -> float:
    """Returns the size of the files that an artefact translates greedily with."""
    names = bundle.files(runtime, quantization)
    if runtime in PART_OF:
        files = bundle.manifest["artefacts"][runtime]["files"][quantization]
        parts = (PART_OF[runtime] or "translate_greedy", WEIGHTS_ENTRY)
        names = [f"{runtime}/{files[part]}" for part in parts if part in files]
    return sum(bundle.manifest["files"][name]["bytes"] for name in names) / MEGABYTE


def _transformers(folder: pathlib.Path, tokenizers: TokenizerPair, length: dict) -> System:
    settings, table = (
        json.loads((folder / f"{name}.json").read_text("utf-8"))
        for name in ("tokenizer_config", "vocab")
    )
    # The rows of the checkpoint by the ids of the import, whose bos no search here needs.
    pad, unk, eos = (table[settings[f"{name}_token"]] for name in ("pad", "unk", "eos"))
    pieces = tokenizers.target.pieces(range(tokenizers.target.vocabulary_size))
    rows = [pad, unk, pad, eos, *(table.get(piece, unk) for piece in pieces[4:])]
    job = {"folder": str(folder), "rows": rows, "special_rows": [pad, eos], **length}
    size = (folder / "model.safetensors").stat().st_size / MEGABYTE
    return System("Transformers", {"system": "transformers", **job}, size, tokenizers)


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of a system: of each sentence the milliseconds and the ids."""

    start: float
    milliseconds: list[float]
    found: list[list[int]]
    rss_mb: float


def _timed(systems: list[System], texts: list[str], threads: int) -> dict[str, Row]:
    batches = {system.name: system.batches(texts, 1) for system in systems}
    workers = {s.name: Worker(s, threads, 1, batches[s.name][0][0]) for s in systems}
    for name, worker in workers.items():
        worker.ask(batches[name])
    for i in range(len(texts)):
        for name, worker in workers.items():
            worker.translate(batches[name][i : i + 1], 1)
    found = {}
    for name, worker in workers.items():
        worker.stop()
        result = worker.result
        found[name] = Row(result.start, result.milliseconds[1], result.found[1], result.rss_mb)
    return found


def _print_table(
    systems: list[System], results: dict[str, Row], wanted: list[list[int]], longest: int
) -> bool:
    """Prints a row for each system; returns False if one in float32 translates differently."""
    speeds = {
        name: statistics.median(
            time / min(len(ids) + 1, longest)
            for time, ids in zip(row.milliseconds, row.found, strict=True)
        )
        for name, row in results.items()
    }
    print(HEADER)
    print("|---" * (HEADER.count(" | ") + 1) + "|")
    passed = True
    for system in systems:
        row, speed = results[system.name], speeds[system.name]
        tokens = sum(min(len(ids) + 1, longest) for ids in row.found)
        same = sum(a == b for a, b in zip(row.found, wanted, strict=True))
        if "int8" not in system.name:
            passed = passed and same >= 0.99 * len(wanted)
        columns = [
            *(system.name, f"{system.megabytes:.1f}", f"{row.start:.1f}", f"{speed:.2f}"),
            f"{1000 * tokens / sum(row.milliseconds):.0f}",
            f"{speeds[REFERENCE] / speed:.2f}",
            *(f"{row.rss_mb:.0f}", f"{same} of {len(wanted)}"),
        ]
        print(f"| {' | '.join(columns)} |")
    return passed


if __name__ == "__main__":
    sys.exit(main())
