"""Looks for leaks, races and undefined behaviour in the kit of export/mobile.

    PYTHONPATH=tests python tests/mobile/kit_soak.py BUNDLE [--translations 10000] [--seed 1]

The kit is built three times: plain, with the address and undefined behaviour sanitizers (leaks
too), and with the thread sanitizer. Each build translates sentences of the bundle, empty, overlong
and random texts in eight threads that share a translator, and opens damaged copies of the bundle.
The plain build tells its resident memory on the way: the most of the second half must not be more
than 2 % above the most of the first. Exits 1 if anything is found, 77 if what it needs is not
installed.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import mobile_kit

NOT_INSTALLED = 77
SOURCE = pathlib.Path(__file__).with_name("kit_soak.cpp")
THREADS = "8"
MOST_GROWTH = 1.02
# Sanitizers, and what share of the translations the build is given: they are slow.
BUILDS = {"": 1.0, "address,undefined": 1.0, "thread": 0.2}
SETTINGS = {
    # With a heap for each thread the allocator keeps more or less by chance.
    "MALLOC_ARENA_MAX": "1",
    "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--translations", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--damages", type=int, default=1_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    given = parser.parse_args(argv)
    if mobile_kit.MISSING:
        print(f"kit_soak: not installed: {', '.join(mobile_kit.MISSING)}", file=sys.stderr)
        return NOT_INSTALLED
    faults = []
    with tempfile.TemporaryDirectory(prefix="kit_soak_") as name:
        room = pathlib.Path(name)
        library = mobile_kit.tflite_library(room)
        for sanitizers, share in BUILDS.items():
            print(f"build: {sanitizers or 'plain'}", flush=True)
            program = _built(room, library, sanitizers)
            count = int(given.translations * share)
            faults += _translated(program, given.bundle, count, given.seed, plain=not sanitizers)
            copy = _copied(given.bundle, room / f"{program.parent.name}_copy")
            faults += _run([program, "damage", copy, int(given.damages * share), given.seed])[1]
    print("\n".join(faults) or "nothing found")
    return int(bool(faults))


def _built(room: pathlib.Path, library: pathlib.Path, sanitizers: str) -> pathlib.Path:
    folder = room / (sanitizers or "plain").replace(",", "_")
    mobile_kit.build(folder, library, f"-DSEQ2SEQ_SANITIZE={sanitizers}")
    flags = [f"-fsanitize={sanitizers}"] if sanitizers else []
    paths = [f"-I{mobile_kit.FOLDER}", f"-L{folder}", "-lseq2seq_translator", "-pthread"]
    runtime = [f"-Wl,-rpath,{folder}", f"-Wl,-rpath,{library.parent}"]
    command = ["g++", "-std=c++17", "-O1", "-g", *flags, SOURCE, "-o", folder / "kit_soak"]
    subprocess.run([*command, *paths, *runtime], check=True)
    return folder / "kit_soak"


def _translated(
    program: pathlib.Path, bundle: pathlib.Path, count: int, seed: int, *, plain: bool
) -> list[str]:
    faults = []
    texts = (bundle / "verify.txt").read_bytes()
    for quantization, beam, xnnpack in (("float32", 0, 1), ("dynamic_int8", 1, 1), ("int8", 0, 0)):
        if not (bundle / "litert" / f"model_{quantization}.tflite").is_file():
            continue
        given = [quantization, beam, xnnpack, THREADS, count, seed]
        output, found = _run([program, "translate", bundle, *given], texts)
        faults += found
        for pattern in (r"after \d+: (\d+) kB", r"opened \d+ times: (\d+) kB") if plain else ():
            sizes = [int(size) for size in re.findall(pattern, output)]
            half = len(sizes) // 2
            if max(sizes[half:]) > max(sizes[:half]) * MOST_GROWTH:
                faults.append(f"{quantization}: memory grows: {sizes} kB")
    return faults


def _copied(bundle: pathlib.Path, copy: pathlib.Path) -> pathlib.Path:
    """Copies what a phone has of a bundle."""
    (copy / "litert").mkdir(parents=True)
    shutil.copy(bundle / "litert" / "model_float32.tflite", copy / "litert")
    for path in (bundle / "manifest.json", *bundle.glob("*tokenizer.model")):
        shutil.copy(path, copy)
    return copy


def _run(command: list[object], texts: bytes = b"") -> tuple[str, list[str]]:
    parts = [str(part) for part in command]
    done = subprocess.run(parts, input=texts, capture_output=True, env={**os.environ, **SETTINGS})
    name = " ".join([pathlib.Path(parts[0]).parent.name, parts[1], *parts[3:]])
    print(f"{name}:\n  " + "\n  ".join(done.stdout.decode().splitlines()), flush=True)
    if done.returncode == 0:
        return done.stdout.decode(), []
    return done.stdout.decode(), [
        f"{name}: status {done.returncode}: {done.stderr.decode()[-3000:]}"
    ]


if __name__ == "__main__":
    sys.exit(main())
