"""Measures time, memory and disk of exports of a model of real size, each in a process of its own.

A row for each format and weight format: seconds, the peak of the memory of the process and of those
that it starts (proportional set size, Linux), the same less the floor and divided by the bytes of
the weights, the stage of the peak, the bytes on the disk, and how many sentences every search
translates as Keras does. The floor is the peak of the same export of a model with 8 units, which
is TensorFlow, Keras and the converters. Weights are random, and words come from a list of made-up
ones, so nothing has to be trained.

Usage: python benchmarks/exports.py [--preset transformer_base] [--vocabulary-size 32000]
           [--rows saved_model onnx onnx:float16 onnx:dynamic_int8 litert ...] [--limit-gb 20]
"""

import argparse
import functools
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

ROWS = (
    "saved_model",
    *("onnx", "onnx:float16", "onnx:dynamic_int8"),
    *("litert", "litert:float16", "litert:dynamic_int8", "litert:int8"),
)
TINY = {"embedding_dim": 8, "units": 8, "feedforward_dim": 8, "num_heads": 2}
# What is told apart: "module:function".
STAGES = {
    "verification.latency:measured_latencies": "latency",
    "verification.quality_gate:judge": "gate",
    "verification.parity:verify": "verification",
    "exporters.export:measured_latencies": "latency",
    "exporters.export:judge": "gate",
    "exporters.export:verify": "verification",
    "exporters.export:check": "checks",
    "exporters.onnx.writer:convert": "conversion",
    "exporters.onnx.writer:_prepared_conversion": "conversion",
    "exporters.onnx.writer:write_whole": "writing",
    "exporters.litert.writer:write_packed": "writing",
    "exporters.litert.writer:int8_models": "quantisation",
    "exporters.litert.writer:measured_ranges": "calibration",
    "exporters.saved_model.writer:_id_functions": "trace",
    "exporters.export:_facts": "checksums",
    "exporters.onnx.writer:quantized": "quantisation",
    "exporters.onnx.quantization:quantized": "quantisation",
    "exporters.onnx.writer:_write": "writing",
    "exporters.export:exported_model": "checks",
    "exporters.litert.writer:_saved": "trace",
    "exporters.litert.writer:converted": "conversion",
    "exporters.litert.writer:int8_contents": "quantisation",
    "exporters.saved_model.writer:write_warmup": "warm-up",
}
HEADER = (
    "| format | weights | s | peak MB | above the floor | times the weights | at | MB on disk | "
    "same words |"
)
MEGABYTE = 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="transformer_base")
    parser.add_argument("--vocabulary-size", type=int, default=32_000)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), help="FORMAT or FORMAT:WEIGHTS")
    parser.add_argument("--beam-size", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], help="fields of the model, as NAME=JSON")
    parser.add_argument("--limit-gb", type=float, default=20, help="an export above it is killed")
    parser.add_argument(
        "--together", action="store_true", help="for a release that verifies in one process"
    )
    parser.add_argument("--export", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.export:
        return exported(json.loads(options.export))
    given = dict(pair.split("=", 1) for pair in options.set)
    fields = {name: json.loads(value) for name, value in given.items()}
    print(HEADER)
    print("|---" * (HEADER.count(" | ") + 1) + "|", flush=True)
    with tempfile.TemporaryDirectory() as room:
        folder = pathlib.Path(room)
        large, tiny = folder / "large.keras", folder / "tiny.keras"
        for path, more in ((large, fields), (tiny, {**fields, **TINY})):
            build = {"path": str(path), "preset": options.preset, "fields": more}
            run({**build, "vocabulary": options.vocabulary_size}, options.limit_gb)
        sizes = json.loads(large.with_suffix(".json").read_text("utf-8"))
        small = json.loads(tiny.with_suffix(".json").read_text("utf-8"))
        found = {}
        for row in options.rows:
            sides = sizes["bytes"], small["bytes"]
            print(measured(row, large, tiny, *sides, options, found), flush=True)
        print(f"\nweights: {sizes['bytes'] / MEGABYTE:.1f} MB, {sizes['count']:,} numbers")
    return 0


def measured(row, large, tiny, weights, small, options, found) -> str:
    """Returns a row of the table; `found` has the floor of a format once it was measured."""
    name, _, quantization = row.partition(":")
    for path in (tiny, large):
        if (path, name) in found and path is tiny:
            continue
        output = path.with_suffix(f".{name}.{quantization}")
        request = {"format": name, "quantization": quantization, "output": str(output)}
        request |= {"path": str(path), "beam_size": options.beam_size}
        # The floor has the same processes as the large model.
        request["separately"] = path is tiny and not options.together
        found[path, name] = run(request, options.limit_gb)
    # The tiny model has the same number of ids, whose weights count too.
    floor, this = found[tiny, name]["peak"] - small, found[large, name]
    seconds, peak, stage, stages = (this[key] for key in ("seconds", "peak", "stage", "stages"))
    result = large.with_suffix(f".{name}.{quantization}.json")
    disk, same = None, "killed" if this["killed"] else "failed"
    if result.is_file():
        disk, same = json.loads(result.read_text("utf-8"))
    print(f"{row}: {stages}, floor {floor / MEGABYTE:.0f}", file=sys.stderr)
    cells = [
        *(name, quantization or "float32", f"{seconds:.0f}", f"{peak / MEGABYTE:.0f}"),
        *(f"{(peak - floor) / MEGABYTE:.0f}", f"{(peak - floor) / weights:.1f}", stage),
        *("" if disk is None else f"{disk / MEGABYTE:.0f}", same),
    ]
    return f"| {' | '.join(cells)} |"


def run(request, limit_gb) -> dict:
    """Runs this script with a request; returns its time and its peaks by stage."""
    command = [sys.executable, __file__, "--export", json.dumps(request)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    os.set_blocking(process.stdout.fileno(), False)
    peaks, stage, killed = {}, "load", False
    while process.poll() is None:
        for line in iter(process.stdout.readline, ""):
            if line.startswith("stage: "):
                stage = line.removeprefix("stage: ").strip()
        peaks[stage] = max(peaks.get(stage, 0), proportional_bytes(process.pid))
        if peaks[stage] > limit_gb * 1e9:
            process.kill()
            killed = True
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    highest = max(peaks, key=peaks.get)
    shown = {name: round(peak / MEGABYTE) for name, peak in peaks.items()}
    return {
        **{"seconds": seconds, "peak": peaks[highest], "stage": highest, "stages": shown},
        "killed": killed,
    }


def proportional_bytes(process: int) -> int:
    """Returns the proportional set size of a process and of those that it has started."""
    total = 0
    try:
        text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
        total += 1024 * next(int(s.split()[1]) for s in text.splitlines() if s.startswith("Pss:"))
        for task in pathlib.Path(f"/proc/{process}/task").iterdir():
            children = (task / "children").read_text().split()
            total += sum(proportional_bytes(int(child)) for child in children)
    except (OSError, StopIteration):  # it has ended
        pass
    return total


def exported(request) -> int:
    """Does what a request asks for, and prints its stages."""
    if "vocabulary" in request:
        return built(request)
    import keras_seq2seq

    for place, stage in STAGES.items():
        module, _, name = place.partition(":")
        try:
            holder = importlib.import_module(f"keras_seq2seq.{module}")
            setattr(holder, name, told(getattr(holder, name), stage))
        except (ImportError, AttributeError):  # of another release
            continue
    if request["separately"]:
        from keras_seq2seq.verification import opened

        opened.LARGE = 0
    model = keras_seq2seq.load_model(request["path"], compile=False)
    beam = keras_seq2seq.BeamSearch(request["beam_size"]) if request["beam_size"] > 1 else None
    # Of every length, so that every function of a LiteRT file is run.
    draw = [f"w{7 * i % 9973}" for i in range(64)]
    texts = [" ".join(draw[:length]) for length in (1, 10, 20, 28, 40, 60)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parity = keras_seq2seq.export(
            model,
            request["output"],
            formats=[request["format"]],
            quantization=request["quantization"] or "float32",
            sentences=texts,
            beam=beam,
        )
    folder = pathlib.Path(request["output"]) / request["format"]
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    wanted = request["quantization"] or "float32"
    of_format = [a for a in parity.agreements if a.runtime == request["format"]]
    counted = [a for a in of_format if a.quantization == wanted] or of_format
    same = f"{sum(a.identical for a in counted)} of {sum(a.sentences for a in counted)}"
    pathlib.Path(f"{request['output']}.json").write_text(json.dumps([disk, same]), "utf-8")
    return 0


def told(function, stage):
    """Returns a function that prints its stage when it is entered."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        print(f"stage: {stage}", flush=True)
        return function(*args, **kwargs)

    return call


def built(request) -> int:
    """Saves a model with random weights."""
    import numpy as np

    from keras_seq2seq import Seq2Seq, Seq2SeqConfig, Tokenizer, TokenizerPair

    size = request["vocabulary"]
    words = [f"w{i}" for i in range(size - 4)]
    tokenizer = Tokenizer.train(words, size, level="word")
    config = Seq2SeqConfig.from_preset(request["preset"], size, size, **request["fields"])
    model = Seq2Seq(config)
    model.tokenizers = TokenizerPair(tokenizer, tokenizer)
    draw = np.random.default_rng(1)
    for weight in model.weights:
        if len(weight.shape) > 1:
            fan = weight.shape[-1]
            weight.assign(draw.standard_normal(weight.shape, "float32") * fan**-0.5)
    model.save(request["path"])
    count = sum(int(np.prod(weight.shape)) for weight in model.weights)
    facts = {"bytes": 4 * count, "count": count}
    pathlib.Path(request["path"]).with_suffix(".json").write_text(json.dumps(facts), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
