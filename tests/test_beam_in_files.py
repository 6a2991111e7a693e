"""The beam search inside every kind of file, in its real runtime."""

import dataclasses

import pytest
from exported_models import (
    BEAM,
    exported_with_beam,
    litert_operators,
    litert_runtime,
    same_hypotheses,
    searched_on_host,
    source_batch,
)
from exported_models import exported as exported_without
from grid import grid

from keras_seq2seq.exporters.litert.builtin_operators import check_builtin_only
from keras_seq2seq.exporters.onnx.writer import FILES
from keras_seq2seq.runtimes.onnx import OnnxRuntime
from keras_seq2seq.runtimes.saved_model import SavedModelRuntime

SOURCES = [source_batch(1, 6), source_batch(1, 11), source_batch(1, 2), source_batch(1, 6)]


def litert():
    return litert_runtime(exported_with_beam("litert").folder, beam=BEAM)


def onnx():
    folder = exported_with_beam("onnx").folder
    return OnnxRuntime({name: folder / file for name, file in FILES.items()}, beam=BEAM)


def saved_model():
    return SavedModelRuntime(exported_with_beam("saved_model").folder, beam=BEAM)


RUNTIMES = pytest.mark.parametrize("make", grid([litert, onnx, saved_model], [onnx, saved_model]))


@RUNTIMES
def test_the_beam_in_the_file_is_that_of_keras_and_of_the_host(make):
    runtime, keras = make(), exported_with_beam().keras
    for source_ids in SOURCES:
        found = runtime.search(source_ids, BEAM)
        assert len(found[0]) == BEAM.num_hypotheses
        same_hypotheses(found, keras.search(source_ids, BEAM))
        same_hypotheses(found, searched_on_host(runtime, source_ids, BEAM))


@pytest.mark.parametrize("make", [onnx, saved_model])
def test_a_batch_gives_what_each_source_gives_alone(make):
    runtime, sources = make(), source_batch(4, 7, padding=2)
    sources[1] = [3, *[0] * 8]
    together = runtime.search(sources, BEAM)
    same_hypotheses(together, exported_with_beam().keras.search(sources, BEAM))
    assert [h.ids for h in together[1]] == [()]
    for row in (0, 2, 3):
        same_hypotheses(together[row : row + 1], runtime.search(sources[row : row + 1], BEAM))


@RUNTIMES
def test_the_greedy_search_stays_beside_it(make):
    found = make().search(SOURCES[0])
    same_hypotheses(found, exported_with_beam().keras.search(SOURCES[0]))


@pytest.mark.long
def test_the_operators_of_litert_are_builtin():
    file = exported_with_beam("litert").folder / "model_float32.tflite"
    functions = {f"translate_{search}_{n}" for search in ("greedy", "beam") for n in (8, 16)}
    assert set(litert_operators(file)) == functions
    check_builtin_only(file.read_bytes(), file)


def test_onnx_has_the_standard_domain_only():
    import onnx as onnx_package

    file = exported_with_beam("onnx").folder / FILES["translate_beam"]
    proto = onnx_package.load(file)
    assert [entry.domain for entry in proto.opset_import] == [""]
    assert [node.op_type for node in proto.graph.node].count("Loop") == 1


def test_a_file_without_a_beam_says_so():
    runtime = litert_runtime(exported_without("gru_general").folder / "litert")
    with pytest.raises(ValueError, match="search on the host, or export with beam="):
        runtime.search(SOURCES[0], BEAM)


SIZES = [[1, 1, 0.6], [2, 1, 0.0], [6, 5, 1.5]]


@pytest.mark.parametrize("sizes", grid(SIZES, SIZES[-1:]))
def test_a_saved_model_takes_other_sizes_with_each_call(sizes):
    names = ("beam_size", "num_hypotheses", "alpha")
    strategy = dataclasses.replace(BEAM, **dict(zip(names, sizes, strict=True)))
    sources = source_batch(3, 7)
    assert saved_model().has(strategy) and not onnx().has(strategy)
    found = saved_model().search(sources, strategy)
    same_hypotheses(found, exported_with_beam().keras.search(sources, strategy))


def test_the_rest_of_a_saved_model_s_search_is_fixed():
    runtime = saved_model()
    for other in ({"patience": None}, {"min_length": 2}, {"length_penalty": "average"}):
        assert not runtime.has(dataclasses.replace(BEAM, **other))
