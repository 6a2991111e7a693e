import json
import sys

import pytest
from conftest import last_json, run_python
from exported_models import tiny_model

from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.runtimes import litert
from keras_seq2seq.runtimes.compiled_functions import can_share_weights

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.long,
]

# Translates by the searches of two source lengths in turn.
PEAK = """
import json, resource, sys
import numpy as np
from keras_seq2seq.runtimes import litert

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))

path, steps, options = *sys.argv[1:3], json.loads(sys.argv[3])
limit = options.pop("file_size", resource.RLIM_INFINITY)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
litert.LARGE = options.pop("large", litert.LARGE)
import ai_edge_litert.compiled_model, ai_edge_litert.interpreter
before = peak()
runtime = litert.LiteRTRuntime(path, source_lengths=[8, 16], steps_path=steps, **options)
sources = [[5, 6, 3], [5, 6, 7, 8, 9, 5, 6, 7, 8, 3]]
found = [runtime.search(np.array([ids], "int32"))[0][0].ids for ids in 2 * sources]
print(json.dumps([peak() - before, found]))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Returns a folder with files whose weights are all but the whole of them."""
    folder = tmp_path_factory.mktemp("large")
    model = tiny_model(target_vocabulary_size=300_000, units=32)
    prepared = PreparedExport(model, 6, max_source_length=16)
    write_litert(prepared, folder, ["float32", "float16"])
    return folder


def peak_of(folder, quantization, **options):
    """Returns the memory of a runtime in times of its file, and what it said."""
    path, steps = (folder / f"{part}_{quantization}.tflite" for part in ("model", "steps"))
    assert path.stat().st_size > litert.LARGE
    peak, said = last_json(run_python(PEAK, path, steps, json.dumps(options)))
    return peak / path.stat().st_size, said


@pytest.mark.skipif(not can_share_weights(), reason="needs files without a name")
def test_xnnpack_packs_weights_once(large):
    shared, said = peak_of(large, "float32")
    # Under a limit for the size of files they cannot be shared, and nothing else changes.
    several, same = peak_of(large, "float32", file_size=1 << 20)
    assert said == same
    assert shared + 0.5 < several
    assert shared < 2.5


def test_without_xnnpack_one_function_holds_wide_weights(large):
    one, said = peak_of(large, "float16", xnnpack=False)
    all_of_them, same = peak_of(large, "float16", xnnpack=False, large=1 << 40)
    assert said == same
    assert one + 1.5 < all_of_them  # float32 is twice the file
