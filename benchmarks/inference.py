"""Times every artefact of a Transformer against CTranslate2 and PyTorch with the same weights.

Each system is a process of its own and gets ids, so tokenising is not timed. The sentences are cut
into parts; every system has its turn at each part, so that noise affects all equally. A batch is
one sentence, or 32 of similar length; each is translated once before it is timed, because systems
prepare what a new shape needs. The greedy translations of CTranslate2 in float32 must be
those of Keras. "start" is the time from starting the process to its first translation, imports
included.

Without `--run` a preset is trained briefly on the embedded phrasebook: the speeds are as good as
with a real model, BLEU is not. `--others` adds the files of other models, such as recurrent ones;
`--shortlist` adds those of every model with a shortlist that is learnt from a corpus.

Usage: python benchmarks/inference.py [--run RUN --source FILE --reference FILE --tokenize none]
    [--others RUN ...] [--shortlist SOURCE TARGET] [--sentences 1000] [--threads 1 2] [--beams 1 5]
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from systems.ctranslate2_model import positions, write_ctranslate2
from systems.phrasebook_model import trained

import keras_seq2seq
from keras_seq2seq import BeamSearch, Seq2Seq, Shortlist, TokenizerPair
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.evaluation import evaluate
from keras_seq2seq.phrasebook import generate
from keras_seq2seq.runtimes.onnx import WEIGHTS_ENTRY
from keras_seq2seq.text.lines import read_pairs

WORKER = pathlib.Path(__file__).parent / "systems" / "translate_worker.py"
BATCH_SIZES = (1, 32)
# The caches of more rows are read from further away.
LITERT_ROWS = 8
PARTS = 5
REFERENCE = "CTranslate2"
# The one file that translates a sentence; None takes that of the search.
PART_OF = {"onnx": None, "litert": "translate"}
OPSET_23 = "opset 23: "  # marks the ONNX files with Attention nodes
SHORTLIST = {"num_candidates": 20, "num_frequent": 100}
HEADER = (
    "| system | MB | start s | p50 ms | p95 ms | sentences/s | at batch 32 | "
    "ratio | at batch 32 | peak MB | same words | BLEU |"
)


@dataclasses.dataclass(frozen=True)
class System:
    """One system that is timed.

    Args:
        name: What the table calls it.
        job: Request to `translate_worker.py`, without threads and beam.
        megabytes: Size of its files.
        tokenizers: Tokenizers of its model.
        greedy_only: True if it has no beam search.
        command: What starts its worker.
    """

    name: str
    job: dict[str, Any]
    megabytes: float
    tokenizers: TokenizerPair
    greedy_only: bool = False
    command: tuple[str, ...] = (sys.executable, str(WORKER))

    def batches(self, sources: list[str], batch_size: int) -> list[list[list[int]]]:
        """Returns the ids of sources in their order, in batches."""
        ids = self.tokenizers.source.encode(sources, add_eos=True)
        return [ids[i : i + batch_size] for i in range(0, len(ids), batch_size)]


@dataclasses.dataclass
class Result:
    """The results of a system over all sentences.

    Args:
        start: Seconds from starting the process to the first translation.
        milliseconds: Time of each call, by batch size.
        found: Target ids of each sentence, by batch size.
        rss_mb: Peak memory of the process.
    """

    start: float = 0.0
    milliseconds: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    found: dict[int, list[list[int]]] = dataclasses.field(default_factory=dict)
    rss_mb: float = 0.0

    def rate(self, batch_size: int) -> float:
        """Returns sentences per second."""
        return 1000 * len(self.found[batch_size]) / sum(self.milliseconds[batch_size])


class Worker:
    """A process that translates on request."""

    def __init__(self, system: System, threads: int, beam_size: int, first: list[int]) -> None:
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            system.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(names, str(threads)), "CUDA_VISIBLE_DEVICES": "-1"},
        )
        self.ask({**system.job, "threads": threads, "beam_size": beam_size, "first": [first]})
        self.result = Result(time.perf_counter() - started)

    def ask(self, request: Any) -> dict[str, Any]:
        """Sends a line and returns the answer."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                "A worker stopped without an answer, with exit status "
                f"{self.process.wait()}: {self.process.args}."
            )
        return json.loads(line)

    def translate(self, batches: list[list[list[int]]], batch_size: int) -> None:
        """Takes a turn."""
        answer = self.ask(batches)
        self.result.milliseconds.setdefault(batch_size, []).extend(answer["milliseconds"])
        self.result.found.setdefault(batch_size, []).extend(answer["ids"])
        self.result.rss_mb = answer["rss_mb"]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=pathlib.Path, help="run folder of a Transformer")
    parser.add_argument("--others", type=pathlib.Path, nargs="+", default=[], metavar="RUN")
    parser.add_argument("--shortlist", type=pathlib.Path, nargs=2, metavar=("SOURCE", "TARGET"))
    parser.add_argument("--source", type=pathlib.Path, help="source texts, one per line")
    parser.add_argument("--reference", type=pathlib.Path, help="references, one per line")
    parser.add_argument("--tokenize", default="13a", help="how BLEU splits words")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5])
    arguments = parser.parse_args()
    if arguments.run:
        model = keras_seq2seq.load_model(arguments.run / "model.keras", compile=False)
        pairs = read_pairs(arguments.source, arguments.reference)
    else:
        book = generate(size=20_000)
        model, pairs = trained("transformer_tiny", book, steps=300), book.test
    encode = model.tokenizers.source.encode
    pairs = sorted(pairs[: arguments.sentences], key=lambda pair: len(encode(pair[0])))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"{len(pairs)} sentences\n")
    passed = True
    for beam_size in arguments.beams:
        with tempfile.TemporaryDirectory() as room:
            corpus = read_pairs(*arguments.shortlist) if arguments.shortlist else []
            given = model, arguments.others, corpus
            systems = list(_prepared(*given, pathlib.Path(room), beam_size))
            for threads in arguments.threads:
                results = _timed(systems, pairs, threads, beam_size)
                print(f"{threads} thread{'s' * (threads > 1)}, ", end="")
                print("greedy" if beam_size == 1 else f"beam {beam_size}", end="\n\n")
                passed &= _print_table(systems, results, pairs, arguments.tokenize)
    return 0 if passed else 1


def _prepared(
    model: Seq2Seq,
    others: list[pathlib.Path],
    corpus: list[tuple[str, str]],
    room: pathlib.Path,
    beam_size: int,
) -> Iterator[System]:
    """Writes all files and yields the systems that run them."""
    beam = BeamSearch(beam_size) if beam_size > 1 else None
    function = "translate_greedy" if beam is None else "translate_beam"
    models = {"": model} | {
        f"{run.name}: ": keras_seq2seq.load_model(run / "model.keras", compile=False)
        for run in others
    }
    ways: list[tuple[str, Seq2Seq, Shortlist | None]] = [(OPSET_23, model, None)]
    for prefix, each in models.items():
        ways.append((prefix, each, None))
        if corpus:
            learnt = Shortlist.of_texts(corpus, each.tokenizers, **SHORTLIST)
            ways.append((f"{prefix}shortlist: ", each, learnt))
    for number, (prefix, each, shortlist) in enumerate(ways):
        folder = room / f"bundle_{number}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parity is another benchmark's business
            formats = ("onnx", "litert") if prefix else ("saved_model", "litert", "onnx")
            options = {"formats": formats, "beam": beam, "shortlist": shortlist}
            options["litert_batch_size"] = LITERT_ROWS
            if prefix == OPSET_23:
                options |= {"formats": ("onnx",), "onnx_opset": 23}
            keras_seq2seq.export(each, folder, **options, verbose=False)
        bundle = Bundle.open(folder)
        for runtime, quantization in bundle.artefacts:
            if prefix and runtime == "keras":
                continue
            names = bundle.files(runtime, quantization)
            if runtime in PART_OF:
                files = bundle.manifest["artefacts"][runtime]["files"][quantization]
                wanted = (PART_OF[runtime] or function, WEIGHTS_ENTRY)
                names = [f"{runtime}/{files[part]}" for part in wanted if part in files]
            size = sum(bundle.manifest["files"][name]["bytes"] for name in names) / 1e6
            job = {"folder": str(folder), "runtime": runtime, "quantization": quantization}
            name = f"{prefix}{runtime} {quantization}"
            yield System(name, {"system": "runtime", **job}, size, each.tokenizers)
    weights = {weight.path: weight.numpy() for weight in model.weights}
    places = positions(model.config.max_length, model.config.units)
    np.savez(room / "weights.npz", positions=places, num_heads=model.config.num_heads, **weights)
    job = {"folder": str(room / "weights.npz"), "max_length": model.config.max_length}
    megabytes = (room / "weights.npz").stat().st_size / 1e6
    loop = {"system": "pytorch", **job}
    yield System("PyTorch, a loop", loop, megabytes, model.tokenizers, greedy_only=True)
    for quantization in ("float32", "int8"):
        folder = room / quantization
        write_ctranslate2(model, folder, quantization)
        job["folder"], job["quantization"] = str(folder), quantization
        megabytes = (folder / "model.bin").stat().st_size / 1e6
        told = {"system": "ctranslate2", **job}
        yield System(f"{REFERENCE} {quantization}", told, megabytes, model.tokenizers)


def _timed(
    systems: list[System], pairs: list[tuple[str, str]], threads: int, beam_size: int
) -> dict[str, Result]:
    """Returns the results of each system."""
    sources = [source for source, _ in pairs]
    asked = [s for s in systems if beam_size == 1 or not s.greedy_only]
    middle = [sources[len(sources) // 2]]
    workers = {s.name: Worker(s, threads, beam_size, s.batches(middle, 1)[0][0]) for s in asked}
    for batch_size in BATCH_SIZES:
        batches = {system.name: system.batches(sources, batch_size) for system in asked}
        count = -(-len(sources) // batch_size)
        size = -(-count // PARTS)
        for name, worker in workers.items():
            worker.ask(batches[name])
        for start in range(0, count, size):
            for name, worker in workers.items():
                worker.translate(batches[name][start : start + size], batch_size)
    for worker in workers.values():
        worker.stop()
    return {name: worker.result for name, worker in workers.items()}


def _print_table(
    systems: list[System],
    results: dict[str, Result],
    pairs: list[tuple[str, str]],
    tokenize: str,
) -> bool:
    """Prints a row for each system; returns False if CTranslate2 translates differently."""
    references = [target for _, target in pairs]
    expected = results["keras float32"].found[1]
    best = {
        size: max(r.rate(size) for name, r in results.items() if name.startswith(REFERENCE))
        for size in BATCH_SIZES
    }
    print(HEADER)
    print("|---" * HEADER.count(" | ") + "|---|")
    for system in systems:
        if system.name not in results:
            continue
        result = results[system.name]
        alone, together = (result.rate(size) for size in BATCH_SIZES)
        times = result.milliseconds[1]
        same = f"{_same(result, expected)} of {len(expected)}" if ":" not in system.name else "-"
        found = [system.tokenizers.target.decode(ids) for ids in result.found[1]]
        bleu = evaluate(found, references, metrics=["bleu"], tokenize=tokenize)["bleu"]
        columns = [
            system.name,
            f"{system.megabytes:.1f}",
            f"{result.start:.2f}",
            f"{statistics.median(times):.2f}",
            f"{np.percentile(times, 95):.2f}",
            f"{alone:.0f}",
            f"{together:.0f}",
            f"{alone / best[1]:.2f}",
            f"{together / best[32]:.2f}",
            f"{result.rss_mb:.0f}",
            same,
            f"{bleu:.1f}",
        ]
        print(f"| {' | '.join(columns)} |")
    print(flush=True)
    return _same(results[f"{REFERENCE} float32"], expected) >= 0.99 * len(expected)


def _same(result: Result, expected: list[list[int]]) -> int:
    return sum(a == b for a, b in zip(result.found[1], expected, strict=True))


if __name__ == "__main__":
    sys.exit(main())
