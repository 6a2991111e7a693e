"""LiteRT files by every API that this environment has; tests/mobile/runtimes.py runs the others."""

import pathlib
import sys
import tarfile

import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter
from exported_models import (
    GRID,
    MAX_LENGTH,
    VOCABULARY_SIZE,
    exported,
    exported_with_beam,
    litert_runtime,
)
from grid import grid

from keras_seq2seq import inspect
from keras_seq2seq.inspection.litert_callers import COMPILED_MODEL
from keras_seq2seq.text.vocabulary import EOS_ID

sys.path.insert(0, str(pathlib.Path(__file__).parent / "mobile"))

import python_runtimes

RELEASE = pathlib.Path(__file__).parent / "data" / "release_0_1_0.tar.xz"
APIS = {
    "Interpreter": ("interpreter", "ai-edge-litert", True),
    "Interpreter without XNNPACK": ("interpreter", "ai-edge-litert", False),
    "tf.lite": ("interpreter", "tensorflow", True),
    "tf.lite without XNNPACK": ("interpreter", "tensorflow", False),
    "CompiledModel": ("compiled_model", "ai-edge-litert", True),
}


def shuffled_calls(source_lengths, count, search="greedy"):
    """Returns (signature, padded ids, ids) of sources of many lengths, in no order."""
    draw = np.random.default_rng(7)
    for length in draw.integers(0, max(source_lengths), count):
        ids = [*map(int, draw.integers(EOS_ID + 1, VOCABULARY_SIZE, length)), EOS_ID]
        fitting = min(one for one in source_lengths if one >= len(ids))
        padding = [0] * (fitting - len(ids))
        yield f"translate_{search}_{fitting}", ids + padding, ids


def words(ids):
    return [id_ for id_ in ids if id_ not in (0, EOS_ID)]


@pytest.mark.filterwarnings("ignore:\\s*Warning. tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("name", GRID)
def test_every_api_gives_the_words_of_our_runtime(name):
    """Whose words are those of Keras: test_runtimes_litert.py."""
    folder = exported(name).folder / "litert"
    runtime = litert_runtime(folder, xnnpack=False)
    calls = list(shuffled_calls(runtime.source_lengths, 20))
    sources = [np.array([ids], "int32") for _, _, ids in calls]
    expected = [list(runtime.search(ids)[0][0].ids) for ids in sources]
    assert len(set(map(tuple, expected))) > 3
    job = {
        "file": str(folder / "model_float32.tflite"),
        "threads": 1,
        "max_length": MAX_LENGTH,
        "calls": [(signature, padded) for signature, padded, _ in calls],
    }
    for title, (api, package, xnnpack) in APIS.items():
        run = getattr(python_runtimes, api)
        found = run({**job, "package": package, "xnnpack": xnnpack})
        assert [words(ids) for ids in found] == expected, title


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "name", grid(["gru_additive_feeding", "transformer", "beam"], ["transformer"])
)
def test_an_interpreter_keeps_nothing_of_other_lengths(name, threads):
    """XNNPACK is on: bit by bit what a fresh interpreter gives, after sources of any length."""
    folder = (
        exported_with_beam("litert").folder if name == "beam" else exported(name).folder / "litert"
    )
    lengths = litert_runtime(folder).source_lengths
    path = str(folder / "model_float32.tflite")

    def runner(interpreter, signature):
        return interpreter.get_signature_runner(signature)

    old = Interpreter(path, num_threads=threads)
    runners = {key: runner(old, key) for key in old.get_signature_list()}
    searches = ["greedy", "beam"] if name == "beam" else ["greedy"]
    for search in searches:
        for signature, padded, _ in shuffled_calls(lengths, 30, search):
            given = np.array([padded], "int32")
            fresh = runner(Interpreter(path, num_threads=threads), signature)(source_ids=given)
            for output, array in runners[signature](source_ids=given).items():
                assert array.tobytes() == fresh[output].tobytes(), (signature, output)


def test_compiled_model_takes_an_open_length_for_one(tmp_path):
    """It would write a whole attention into the buffer; so `inspect` warns of such files."""
    with tarfile.open(RELEASE) as archive:
        archive.extractall(tmp_path, filter="data")
    path = tmp_path / "bundles" / "gru" / "litert" / "model_float32.tflite"
    (compiled,) = (one for one in inspect(path).callers if one.name == COMPILED_MODEL)
    assert not compiled.takes and "has an open shape" in compiled.reason
    model = CompiledModel.from_file(str(path))
    signature = "translate_greedy"
    model.resize_input_tensor_by_name(signature, "source_ids", [1, 7])
    place = model.get_signature_list()[signature]["outputs"].index("attention")
    index = model.get_signature_index(signature)
    size = model.get_output_buffer_requirements(place, index)["buffer_size"]
    max_length = model.get_output_tensor_details(signature)["target_ids"]["shape"][1]
    assert size == max_length * 1 * np.float32().nbytes  # not * 7
