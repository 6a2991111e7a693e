"""Runs the LiteRT files of bundles on every runtime that takes them, and prints a table.

    python tests/mobile/runtimes.py BUNDLE [--sentences 500] [--text FILE] [--cache .venv-mobile]

A cell tells for how many sentences the words are those of ONNX in float32; of a quantised file,
after a slash, for how many they are those of the newest ai-edge-litert with the same file. The
sentences are those of the bundle, of FILE, some that no one would write, and others of the
phrasebook until there are enough. Exits 1 if a runtime does otherwise than `keras-seq2seq inspect`
says of the file.

What this environment lacks comes from the package registries into the cache: old runtimes, each in
an environment of its own, TensorFlow Lite's C library, LiteRT.js. What cannot be had is left out of
the table and named below it.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from browser import ScriptError, run_in_browser
from environments import NotHere, c_library, python_with, web_kit
from tflite_c import opened

import keras_seq2seq
from keras_seq2seq import phrasebook
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.inspection.litert_2_17 import NEWEST_VERSIONS
from keras_seq2seq.inspection.litert_callers import (
    COMPILED_MODEL,
    INTERPRETER,
    LITERT_JS,
    SWIFT,
    TFLITE,
    WITHOUT_SIGNATURES,
)

HERE = pathlib.Path(__file__).parent
PYTHON_SCRIPT, C_SCRIPT = HERE / "python_runtimes.py", HERE / "tflite_c.py"
HOSTILE = [
    "",
    "\0They\0 are\0",
    "  They \t are\r\n here.",
    "zebra ☂ 日本語 العربية",
    "👩‍👩‍👧 🇫🇷",
    "e\u0301 ﬁ ① ½ ｆｕｌｌ",
    "\ufeff\u200b\u202ethe\ufffd\uffff\x01\x7f",
    "</s> <s> <unk> <0x41> ▁",
    "?" * 30,
]
SCRIPT = """
const litert = await import("@litertjs/core");
const { openLiteRTTranslator } = await import("./litert.mjs");
await litert.loadLiteRt("./node_modules/@litertjs/core/wasm/");
const bundle = new URL("/bundle/", location.href);
const translator = await openLiteRTTranslator(bundle, litert, job.options);
return (await translator.translate(job.texts)).map(([best]) => best.ids);
"""
REFUSED = "refused"
# Kernels of other releases round other products of int8; only words that hang by a hair change.
LIKE = 0.95


@dataclasses.dataclass(frozen=True)
class Row:
    """One runtime.

    Args:
        title: Its name in the table.
        caller: What `inspect` calls its API.
        run: Called with a `File`, a search and whether XNNPACK is on; returns ids for each source.
        tflite: The release of TensorFlow Lite that it is.
        xnnpack: The choices that it has.
        searches: What it can reach.
    """

    title: str
    caller: str
    run: Callable[["File", str, bool], list[list[int]]]
    tflite: str = "2.17.0"
    xnnpack: tuple[bool, ...] = (True, False)
    searches: tuple[str, ...] = ("greedy", "beam")


class File:
    """A file of a bundle, and the sentences for it."""

    def __init__(self, bundle: Bundle, folder: pathlib.Path, quantization: str, texts: list[str]):
        entry = bundle.manifest["artefacts"]["litert"]
        self.folder, self.quantization = folder, quantization
        self.path = folder / entry["path"] / entry["files"][quantization]["translate"]
        self.lengths = sorted(entry["source_lengths"])
        self.max_length = bundle.manifest["limits"]["max_length"]
        encoded = bundle.tokenizers.source.encode(texts, add_eos=True)
        both = list(zip(texts, ([int(i) for i in ids] for ids in encoded), strict=True))
        kept = [(text, ids) for text, ids in both if len(ids) <= self.lengths[-1]]
        self.too_long = len(both) - len(kept)
        self.texts, self.sources = map(list, zip(*kept, strict=True))
        self.callers = {one.name: one for one in keras_seq2seq.inspect(self.path).callers}

    def calls(self, search: str, *, longest: bool = False) -> list[tuple[str, list[int]]]:
        """Returns signature and padded ids of each source."""
        calls = []
        for ids in self.sources:
            fitting = [length for length in self.lengths if length >= len(ids)]
            length = fitting[-1 if longest else 0]
            calls.append((f"translate_{search}_{length}", ids + [0] * (length - len(ids))))
        return calls

    def promised(self, row: Row) -> bool:
        """Returns True if `inspect` says that the file works there."""
        caller = self.callers[row.caller]
        needed = caller.oldest if caller.runtime == TFLITE else None
        return caller.takes and (needed is None or _numbers(row.tflite) >= _numbers(needed))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=pathlib.Path, metavar="BUNDLE")
    parser.add_argument("--sentences", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--text", type=pathlib.Path, help="more sentences, one per line, UTF-8")
    parser.add_argument(
        "--only", default="", help="runtimes with this in their title, and the first"
    )
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(".venv-mobile"))
    given = parser.parse_args(argv)
    given.cache.mkdir(parents=True, exist_ok=True)
    (first, *others), missing = all_rows(given.cache.resolve())
    rows = [first, *(row for row in others if given.only in row.title)]
    faults = check_operators(given.cache.resolve())
    for folder in given.bundles:
        faults += check_bundle(folder, rows, sentences_for(folder, given))
    lines = [*(f"not run: {one}" for one in missing), *(f"FAULT: {fault}" for fault in faults)]
    print("", *lines, *([] if faults else ["all as `inspect` says"]), sep="\n")
    return 1 if faults else 0


def sentences_for(folder: pathlib.Path, given: argparse.Namespace) -> list[str]:
    texts = [*HOSTILE, *(folder / "verify.txt").read_text("utf-8").splitlines()]
    if given.text:
        texts += given.text.read_text("utf-8").splitlines()
    more = (pair[0] for pair in phrasebook.generate(seed=1, size=15_000).test)
    return list(dict.fromkeys([*texts, *more]))[: given.sentences]


def check_bundle(folder: pathlib.Path, rows: Sequence[Row], texts: list[str]) -> list[str]:
    """Prints the table of a bundle; returns what is otherwise than `inspect` says."""
    bundle = Bundle.open(folder)
    entry = bundle.manifest["artefacts"]["litert"]
    files = [File(bundle, folder, quantization, texts) for quantization in entry["files"]]
    searches = ["greedy", *(["beam"] if bundle.beam else [])]
    count = len(files[0].texts)
    print(f"\n{folder.name}: {count} sentences, {files[0].too_long} too long for the files")
    columns = [(file, search) for file in files for search in searches]
    heads = [f"{file.quantization} {search}" for file, search in columns]
    print(f"| runtime | XNNPACK | {' | '.join(heads)} |\n|{'---|' * (2 + len(columns))}")
    exact = {search: onnx_ids(folder, bundle, search, files[0].texts) for search in searches}
    newest: dict[tuple[str, str, bool], list[list[int]]] = {}
    faults = []
    for row in rows:
        for xnnpack in row.xnnpack:
            cells = []
            for file, search in columns:
                if search not in row.searches:
                    cells.append("")
                    continue
                found = attempt(row, file, search, xnnpack)
                key = file.quantization, search, xnnpack
                wanted = newest.setdefault(key, exact[search] if isinstance(found, str) else found)
                cell, right = judged(found, exact[search], wanted, file.quantization)
                cells.append(cell)
                if right != file.promised(row):
                    said = f" ({found[:200]})" if isinstance(found, str) else ""
                    faults.append(f"{row.title}, {file.path.name}, {search}: {cell}{said}")
            on = {True: "on", False: "off"}[xnnpack]
            print(f"| {row.title} | {on} | {' | '.join(cells)} |", flush=True)
    return faults


def judged(
    found: list[list[int]] | str, exact: list[list[int]], newest: Any, quantization: str
) -> tuple[str, bool]:
    """Returns the cell of the table, and whether the file works."""
    if isinstance(found, str):
        return REFUSED, False
    same = sum(a == b for a, b in zip(found, exact, strict=True))
    if quantization == "float32":
        return str(same), same == len(exact)
    like = sum(a == b for a, b in zip(found, newest, strict=True))
    return f"{same} / {like}", like >= LIKE * len(exact)


def attempt(row: Row, file: File, search: str, xnnpack: bool) -> list[list[int]] | str:
    """Returns the ids that a runtime finds, or what it said when it found none."""
    try:
        found = row.run(file, search, xnnpack)
    except (Refused, ScriptError) as error:
        return str(error) or REFUSED
    except queue.Empty:
        return "no answer in time"
    return [words(ids) for ids in found]


def words(ids: list[int]) -> list[int]:
    """Returns the ids before the first end of sentence or padding."""
    ends = [i for i, id_ in enumerate(ids) if id_ in (0, 3)]
    return ids[: ends[0]] if ends else ids


def onnx_ids(
    folder: pathlib.Path, bundle: Bundle, search: str, texts: list[str]
) -> list[list[int]]:
    strategy = bundle.beam if search == "beam" else None
    translator = keras_seq2seq.load(folder, "onnx", strategy=strategy)
    return [list(map(int, best.hypothesis.ids)) for best, *_ in translator.n_best(texts)]


class Refused(Exception):
    """What a runtime says of a file that it does not run."""


def all_rows(cache: pathlib.Path) -> tuple[list[Row], list[str]]:
    """Returns the runtimes, the newest ai-edge-litert first, and what is missing for others."""
    here = pathlib.Path(sys.executable)
    python = functools.partial(python_with, cache)
    javascript = {"xnnpack": (True,)}
    compiled = {"api": "compiled_model", "xnnpack": (True,)}
    makers: list[Callable[[], Row]] = [
        lambda: python_row(here, "ai-edge-litert"),
        lambda: python_row(python("ai-edge-litert==1.0.1", "3.11"), "ai-edge-litert"),
        lambda: python_row(here, "tensorflow"),
        lambda: python_row(python("tflite-runtime==2.14.0", "3.11"), "tflite-runtime"),
        lambda: python_row(python("tflite-runtime==2.7.0", "3.9"), "tflite-runtime"),
        lambda: c_row(c_library(cache), signatures=True),
        lambda: c_row(c_library(cache), signatures=False),
        lambda: python_row(here, "ai-edge-litert", **compiled),
        lambda: python_row(python("ai-edge-litert==1.3.0", "3.11"), "ai-edge-litert", **compiled),
        lambda: browser_row(web_kit(cache), **javascript),
        lambda: browser_row(web_kit(cache, "2.0.0"), **javascript),
    ]
    rows, missing = [], []
    for maker in makers:
        try:
            rows.append(maker())
        except NotHere as error:
            missing.append(str(error))
    return rows, missing


def python_row(
    python: pathlib.Path, package: str, *, api: str = "interpreter", **options: Any
) -> Row:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    version = subprocess.check_output([python, "-c", code], text=True).strip()

    def run(file: File, search: str, xnnpack: bool) -> list[list[int]]:
        job = {"api": api, "package": package, "max_length": file.max_length}
        return answer([python, PYTHON_SCRIPT], file, xnnpack, {**job, "calls": file.calls(search)})

    if package == "tflite-runtime":
        options["tflite"] = version
    if api == "compiled_model":
        return Row(f"CompiledModel of {package} {version}", COMPILED_MODEL, run, **options)
    name = "tf.lite of tensorflow" if package == "tensorflow" else package
    return Row(f"{name} {version}", INTERPRETER, run, **options)


def c_row(library: pathlib.Path, *, signatures: bool) -> Row:
    version = opened(str(library)).TfLiteVersion().decode()

    def run(file: File, search: str, xnnpack: bool) -> list[list[int]]:
        calls = file.calls(search, longest=not signatures)
        job = {"library": str(library), "signatures": signatures, "calls": calls}
        return answer([sys.executable, C_SCRIPT], file, xnnpack, job)

    if signatures:
        return Row(f"TensorFlow Lite C {version}, as iOS has it", SWIFT, run)
    title = f"TensorFlow Lite C {version} without signatures"
    return Row(title, WITHOUT_SIGNATURES, run, searches=("greedy",))


def browser_row(kit: pathlib.Path, **options: Any) -> Row:
    if not (chromium := shutil.which("chromium")):
        raise NotHere("chromium is not installed")
    package = kit / "node_modules" / "@litertjs" / "core" / "package.json"
    version = json.loads(package.read_text("utf-8"))["version"]

    def run(file: File, search: str, xnnpack: bool) -> list[list[int]]:
        job = {
            "texts": file.texts,
            "options": {"quantization": file.quantization, "search": search},
        }
        return run_in_browser(chromium, kit, SCRIPT, job, {"bundle": file.folder}, timeout=900)

    return Row(f"LiteRT.js {version} in Chromium, from text", LITERT_JS, run, **options)


def answer(command: list[Any], file: File, xnnpack: bool, job: dict[str, Any]) -> list[list[int]]:
    """Runs a script in a process of its own, which may crash, and returns what it found."""
    whole = {"file": str(file.path), "xnnpack": xnnpack, "threads": 1, **job}
    done = subprocess.run(
        list(map(str, command)), input=json.dumps(whole), capture_output=True, text=True
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise Refused(f"status {done.returncode}: {''.join(said)}")
    return json.loads(done.stdout.splitlines()[-1])["found"]


def check_operators(cache: pathlib.Path) -> list[str]:
    """Compares what `inspect` holds to be the operators of 2.17 with the library's."""
    try:
        library = c_library(cache)
    except NotHere:
        return []
    command = [sys.executable, C_SCRIPT, "--operators-of", library]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    differing = sorted(set(found.items()) ^ set(NEWEST_VERSIONS.items()))
    return [f"operators of TensorFlow Lite 2.17: {differing}"] if differing else []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    sys.exit(main())
