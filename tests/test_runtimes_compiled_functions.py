import numpy as np
import pytest
from exported_models import (
    BEAM,
    GRID,
    VOCABULARY_SIZE,
    exported,
    exported_with_beam,
    litert_runtime,
    same_arrays,
    same_hypotheses,
    source_batch,
    tiny_model,
)

from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.runtimes import litert
from keras_seq2seq.runtimes.compiled_functions import CompiledFunction, can_share_weights
from keras_seq2seq.text.vocabulary import EOS_ID

pytestmark = pytest.mark.skipif(not can_share_weights(), reason="needs files without a name")

SOURCES = [source_batch(1, 6), source_batch(1, 8, padding=3), source_batch(1, 11)]


def both(folder, monkeypatch, quantization="float32", **options):
    """Returns the runtime of a small file, and that of a file which counts as large."""
    interpreted = litert_runtime(folder, quantization, **options)
    monkeypatch.setattr(litert, "LARGE", 0)
    compiled = litert_runtime(folder, quantization, **options)
    kinds = [set(map(type, of._searches._runners.values())) for of in (interpreted, compiled)]
    assert CompiledFunction not in kinds[0]
    assert kinds[1] == {CompiledFunction}
    return interpreted, compiled


def equal_bits(compiled, interpreted, *sources):
    for source_ids in sources:
        same_hypotheses(compiled.search(*source_ids), interpreted.search(*source_ids), 0, 0)


@pytest.mark.parametrize("name", GRID)
def test_it_gives_what_an_interpreter_gives_bit_by_bit(name, monkeypatch):
    for num_threads in (1, 2):
        with monkeypatch.context() as patch:
            interpreted, compiled = both(
                exported(name).folder / "litert", patch, num_threads=num_threads
            )
            held = [[ids] for ids in SOURCES if interpreted.holds(ids)]
            equal_bits(compiled, interpreted, *held, *held)


def test_of_8_bits_too(monkeypatch):
    folder = exported("transformer").folder / "litert"
    interpreted, compiled = both(folder, monkeypatch, "dynamic_int8")
    equal_bits(compiled, interpreted, *[[ids] for ids in SOURCES])


def test_a_beam_and_what_came_before_it(monkeypatch):
    interpreted, compiled = both(exported_with_beam("litert").folder, monkeypatch, beam=BEAM)
    equal_bits(compiled, interpreted, [SOURCES[0], BEAM], [SOURCES[0]], [SOURCES[0], BEAM])
    first = compiled.search(SOURCES[0], BEAM)
    compiled.search(SOURCES[1], BEAM)
    same_hypotheses(first, interpreted.search(SOURCES[0], BEAM), 0, 0)


def test_batches(monkeypatch, tmp_path):
    write_litert(
        PreparedExport(tiny_model(), 6, max_source_length=8, litert_batch_size=3), tmp_path
    )
    interpreted, compiled = both(tmp_path, monkeypatch, batch_size=3)
    equal_bits(compiled, interpreted, [source_batch(3, 7, padding=2)], [source_batch(2, 4)])
    assert {*map(type, compiled._batches._runners.values())} == {CompiledFunction}


def test_an_error_leaves_it_usable(monkeypatch):
    interpreted, compiled = both(exported("gru_general").folder / "litert", monkeypatch)
    with pytest.raises(
        ValueError, match="model_float32.tflite failed, on ids that the model lacks"
    ):
        compiled.search(np.array([[VOCABULARY_SIZE, EOS_ID]], "int32"))
    equal_bits(compiled, interpreted, [SOURCES[0]])


def test_another_shape_is_refused(monkeypatch):
    _, compiled = both(exported("gru_general").folder / "litert", monkeypatch)
    with pytest.raises(ValueError, match=r"must have the shape \[1, 8\]. Received: \(1, 7\)"):
        compiled._searches.run("translate_greedy_8", {"source_ids": np.ones((1, 7), "int32")})


def test_it_is_freed_and_opened_again(monkeypatch):
    interpreted, compiled = both(exported("gru_general").folder / "litert", monkeypatch)
    compiled.search(SOURCES[0])
    compiled.release()
    assert compiled._searches._runners == {}
    equal_bits(compiled, interpreted, [SOURCES[0]])


def test_open_lengths_are_left_to_the_interpreter(monkeypatch):
    monkeypatch.setattr(litert, "LARGE", 0)
    steps = exported("gru_general").folder / "litert" / "steps_float32.tflite"
    options = {"num_threads": 1, "signatures": {}, "xnnpack": True}
    file = litert._File(steps, litert.STEP_FUNCTIONS, **options)
    state = file.run("encode", {"source_ids": SOURCES[2]})
    assert CompiledFunction not in map(type, file._runners.values())
    same_arrays(state, exported("gru_general").keras.encode(SOURCES[2]))


@pytest.mark.parametrize("keep", [0, 3, 50, 5000, -4])
def test_a_damaged_file_is_refused(keep, monkeypatch, tmp_path):
    monkeypatch.setattr(litert, "LARGE", -1)
    folder = exported("transformer").folder / "litert"
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes((folder / "model_float32.tflite").read_bytes()[:keep])
    with pytest.raises(ValueError, match="damaged.tflite cannot be read"):
        litert.LiteRTRuntime(
            damaged, steps_path=folder / "steps_float32.tflite", source_lengths=[8, 16]
        )
