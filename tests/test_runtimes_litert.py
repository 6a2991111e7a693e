import dataclasses
import json
import threading

import numpy as np
import pytest
from conftest import last_json, run_python
from exported_models import (
    GRID,
    VOCABULARY_SIZE,
    exported,
    litert_runtime,
    same_arrays,
    same_hypotheses,
    searched_on_host,
    source_batch,
)
from grid import grid

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.runtimes.litert import LiteRTRuntime
from keras_seq2seq.text.vocabulary import EOS_ID

SOURCES = [source_batch(1, 6), source_batch(1, 6, padding=3), source_batch(1, 11)]


def runtime_of(name, quantization="float32", **options):
    return litert_runtime(exported(name).folder / "litert", quantization, **options)


@pytest.mark.parametrize("name", GRID)
def test_encode_and_step_equal_keras(name):
    keras, litert = exported(name).keras, runtime_of(name)
    for source_ids in SOURCES:
        expected, received = keras.encode(source_ids), litert.encode(source_ids)
        same_arrays(received, expected)
        for token in (2, 9, 4):
            ids = np.array([token], "int32")
            expected_log_probs, expected = keras.step(ids, expected)
            log_probs, received = litert.step(ids, received)
            np.testing.assert_allclose(log_probs, expected_log_probs, rtol=1e-5, atol=1e-5)
            same_arrays(received, expected)


@pytest.mark.parametrize("name", GRID)
def test_translate_equals_keras_and_the_host_search(name):
    keras, litert = exported(name).keras, runtime_of(name)
    # An SSRU sums over all steps, and with it their rounding errors.
    bound = 5e-5 if name == "student" else 1e-5
    found = []
    for source_ids in [*SOURCES, *(source_batch(1, n) for n in (2, 3, 5, 8, 9))]:
        if not litert.holds(source_ids):  # beyond learned positions
            continue
        received = litert.search(source_ids)
        same_hypotheses(received, keras.search(source_ids), bound, bound)
        same_hypotheses(received, searched_on_host(litert, source_ids), bound, bound)
        found += received[0]
    # Fails if the weights of the test are so small that every source reads the same.
    assert len({hypothesis.ids for hypothesis in found}) > 3


def test_padding_changes_nothing():
    litert = runtime_of("gru_general")
    for padded, plain in zip(litert.search(SOURCES[1]), litert.search(SOURCES[0]), strict=True):
        weights = [dataclasses.replace(h, attention=h.attention[:, :6]) for h in padded]
        same_hypotheses([weights], [plain])


@pytest.mark.parametrize("name", GRID)
@pytest.mark.parametrize("ids", [[EOS_ID], [EOS_ID, 0, 0]])
def test_empty_source_gives_an_empty_translation(name, ids):
    ((found,),) = runtime_of(name).search(np.array([ids], "int32"))
    assert (found.ids, found.score, found.finished) == ((), 0.0, True)


def test_a_beam_on_the_host_steps_row_by_row():
    litert, keras = runtime_of("gru_general"), exported("gru_general").keras
    strategy = BeamSearch(3, 3)
    found = searched_on_host(litert, SOURCES[0], strategy)
    same_hypotheses(found, searched_on_host(keras, SOURCES[0], strategy))


def test_lengths_may_change_at_every_call_and_results_stay():
    litert = runtime_of("gru_general")
    sources = [source_batch(1, length) for length in (3, 14, 2, 16, 8, 3, 9, 2)]
    encoded = [litert.encode(source_ids) for source_ids in sources]
    first = [litert.search(source_ids) for source_ids in sources]
    for source_ids, state, hypotheses in zip(sources, encoded, first, strict=True):
        same_arrays(litert.encode(source_ids), state)
        same_hypotheses(litert.search(source_ids), hypotheses, atol=0)


def test_a_longer_source_is_left_to_the_steps():
    litert, keras = runtime_of("gru_general"), exported("gru_general").keras
    longest = max(litert.source_lengths)
    held = source_batch(1, longest, padding=5)
    same_hypotheses(litert.search(held), keras.search(held))
    longer = source_batch(1, longest + 1)
    assert litert.holds(held) and not litert.holds(longer)
    with pytest.raises(ValueError, match=r"at most 16 tokens\. Received: 17; search on the host"):
        litert.search(longer)
    same_hypotheses(searched_on_host(litert, longer), keras.search(longer))


@pytest.mark.parametrize("quantization", grid(["float32", "dynamic_int8"], ["dynamic_int8"]))
def test_xnnpack_gives_what_a_fresh_interpreter_gives_bit_by_bit(quantization):
    lengths = np.random.default_rng(4).integers(2, 17, 30)
    sources = [source_batch(1, int(length)) for length in lengths]
    for num_threads in (1, 2):
        shared = runtime_of("transformer", quantization, num_threads=num_threads)
        assert list(shared.variants()) == ["without XNNPACK"]
        for source_ids in sources:
            fresh = runtime_of("transformer", quantization, num_threads=num_threads)
            same_hypotheses(shared.search(source_ids), fresh.search(source_ids), atol=0, rtol=0)


def test_xnnpack_may_be_left_out():
    with_it, without = (runtime_of("transformer", xnnpack=on) for on in (True, False))
    assert (with_it.xnnpack, without.xnnpack) == (True, False)
    assert without.variants() == {}
    for source_ids in SOURCES:
        same_hypotheses(without.search(source_ids), with_it.search(source_ids))


@pytest.mark.parametrize("name", grid(["transformer", "gru_scaled_shared"], ["transformer"]))
def test_dynamic_int8_file_runs(name):
    ((hypothesis,),) = runtime_of(name, "dynamic_int8").search(SOURCES[0])
    assert hypothesis.score < 0 and max(hypothesis.ids) < VOCABULARY_SIZE


def test_threads_may_share_a_runtime():
    litert = runtime_of("transformer")
    sources = [source_batch(1, length) for length in (3, 12, 7, 5)]
    expected, received = [litert.search(ids) for ids in sources], [None] * len(sources)

    def work(index):
        received[index] = [litert.search(sources[index]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for many, wanted in zip(received, expected, strict=True):
        for found in many:
            same_hypotheses(found, wanted, atol=0)


@pytest.mark.parametrize("ids", [np.full((2, 3), 5), np.zeros((1, 0)), np.array([5])])
def test_anything_but_one_row_is_refused(ids):
    with pytest.raises(ValueError, match=r"one source at a time.*again for others.*shape \("):
        runtime_of("gru_general").search(ids.astype("int32"))


def test_an_error_leaves_the_runtime_usable():
    litert = runtime_of("gru_general")
    expected = litert.search(SOURCES[0])
    with pytest.raises(ValueError, match="model_float32.tflite failed, .*index out of bounds"):
        litert.search(np.array([[VOCABULARY_SIZE, EOS_ID]], "int32"))
    same_hypotheses(litert.search(SOURCES[0]), expected, atol=0)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.tflite"):
        LiteRTRuntime(tmp_path / "nothing.tflite")


@pytest.mark.parametrize("keep", [0, 3, 50, 5000, -4])
def test_damaged_file_is_refused(tmp_path, keep):
    whole = exported("gru_general").folder / "litert" / "model_float32.tflite"
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(ValueError, match="damaged.tflite cannot be read"):
        LiteRTRuntime(damaged)


def test_num_threads_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="`num_threads` must be at least 1. Received: 0"):
        LiteRTRuntime(tmp_path, num_threads=0)


BLOCKED = """
import json, sys
sys.modules.update(dict.fromkeys({blocked!r}))
import numpy as np
from keras_seq2seq.runtimes.litert import LiteRTRuntime
runtime = LiteRTRuntime({path!r}, source_lengths=[8, 16], steps_path={steps!r})
print(json.dumps(runtime.search(np.array({source!r}, "int32"))[0][0].ids))
"""


def run_blocked(*blocked, check=True):
    folder = exported("gru_general").folder / "litert"
    path, steps = (str(folder / f"{part}_float32.tflite") for part in ("model", "steps"))
    code = BLOCKED.format(blocked=blocked, path=path, steps=steps, source=SOURCES[0].tolist())
    return run_python(code, check=check)


def test_neither_tensorflow_nor_keras_is_needed():
    ids = last_json(run_blocked("tensorflow", "keras"))
    assert ids == json.loads(json.dumps(exported("gru_general").keras.search(SOURCES[0])[0][0].ids))


def test_missing_package_names_the_extra():
    process = run_blocked("ai_edge_litert", check=False)
    message = (
        'ImportError: LiteRT needs ai-edge-litert: run `pip install ".[litert]"` in a checkout'
    )
    assert message in process.stderr
