"""Measures what it takes to open the LiteRT files of a bundle, and prints a table.

    python tests/mobile/opening.py BUNDLE [--cache .venv-mobile] [--turns 5]

TensorFlow Lite C 2.17.1 on x86-64 opens each file in processes of their own: without XNNPACK, with
it, and with it and a cache of packed weights, as the kit of export/mobile does. Memory is what the
process has for itself alone afterwards (RssAnon) less what it had before; times are medians, those
with the cache over those without.
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import subprocess
import sys
import time

from environments import c_library
from tflite_c import Pointer, Size, checked, opened

from keras_seq2seq.bundles.bundle import Bundle

WAYS = ("without XNNPACK", "XNNPACK", "XNNPACK, cache")
HEADER = ("file", "bytes", *WAYS, "time to open, cache over no cache")


class DelegateOptions(ctypes.Structure):
    """The beginning of XNNPACK's options in version 2.17, as in export/mobile/tflite.h."""

    _fields_ = (
        ("num_threads", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("weights_cache", Pointer),
        ("room", ctypes.c_char * 496),
    )


def main() -> None:
    if sys.argv[1:2] == ["--open"]:
        print(json.dumps(cost(*sys.argv[2:])))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--cache", type=pathlib.Path, default=".venv-mobile")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    library = c_library(given.cache)
    files = Bundle.open(given.bundle).manifest["artefacts"]["litert"]["files"]
    print(f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|", sep="\n")
    for quantization, names in files.items():
        path = given.bundle / "litert" / names["translate"]
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(given.turns):
            for way, costs in found.items():
                command = [sys.executable, __file__, "--open", library, path, way]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                costs.append(json.loads(done.stdout))
        memory = [f"{_median(found[way], 'megabytes'):.1f} MB" for way in WAYS]
        plain, cached = (_median(found[way], "seconds") for way in WAYS[1:])
        size = f"{path.stat().st_size / 1e6:.2f} M"
        print(f"| `{quantization}` | {' | '.join([size, *memory, f'{cached / plain:.2f}'])} |")


def cost(library_path: str, path: str, way: str) -> dict[str, float]:
    """Opens a file in this process and returns its seconds and megabytes."""
    library = opened(library_path)
    options = library.TfLiteInterpreterOptionsCreate()
    before, started = _own_megabytes(), time.perf_counter()
    model = checked(library.TfLiteModelCreateFromFile(path.encode()), "the file")
    cache = None
    if way != WAYS[0]:
        library.TfLiteXNNPackDelegateOptionsDefault.restype = DelegateOptions
        chosen = library.TfLiteXNNPackDelegateOptionsDefault()
        if way == WAYS[2]:
            create = library.TfLiteXNNPackDelegateWeightsCacheCreateWithSize
            create.restype, create.argtypes = Pointer, [Size]
            cache = create(4 * pathlib.Path(path).stat().st_size + (1 << 20))
            chosen.weights_cache = cache
        delegate = library.TfLiteXNNPackDelegateCreate(ctypes.byref(chosen))
        library.TfLiteInterpreterOptionsAddDelegate(options, delegate)
    checked(library.TfLiteInterpreterCreate(model, options), "its operators")
    if cache is not None:
        finalize = library.TfLiteXNNPackDelegateWeightsCacheFinalizeHard
        finalize.restype, finalize.argtypes = ctypes.c_bool, [Pointer]
        checked(finalize(cache), "a cache of its weights")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "megabytes": _own_megabytes() - before}


def _own_megabytes() -> float:
    status = pathlib.Path("/proc/self/status").read_text("ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024 / 1e6


def _median(costs: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in costs)


if __name__ == "__main__":
    main()
