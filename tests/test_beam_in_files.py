"""The beam search inside every kind of file, in its real runtime."""

import numpy as np
import pytest
from exported_models import BEAM, exported_with_beam, source_batch
from exported_models import exported as exported_without

from keras_seq2seq.decoding import host
from keras_seq2seq.decoding.host_beam import beam_search
from keras_seq2seq.exporters.onnx import FILES
from keras_seq2seq.exporters.operators import check_builtin_only, signature_operators
from keras_seq2seq.runtimes.litert_file import LiteRTRuntime
from keras_seq2seq.runtimes.onnx_files import OnnxRuntime
from keras_seq2seq.runtimes.saved_model_folder import SavedModelRuntime

SOURCES = [source_batch(1, 6), source_batch(1, 11), source_batch(1, 2), source_batch(1, 6)]


def litert():
    return LiteRTRuntime(exported_with_beam().folder / "litert/model_float32.tflite", beam=BEAM)


def onnx():
    folder = exported_with_beam().folder / "onnx"
    return OnnxRuntime(*(folder / file for file in FILES.values()), beam=BEAM)


def saved_model():
    return SavedModelRuntime(exported_with_beam().folder / "saved_model", beam=BEAM)


RUNTIMES = pytest.mark.parametrize("make", [litert, onnx, saved_model])


def same(found, expected):
    for row, wanted in zip(found, expected, strict=True):
        assert [(h.ids, h.finished) for h in row] == [(h.ids, h.finished) for h in wanted]
        for name in ("score", "ranking"):
            received = [getattr(h, name) for h in row]
            np.testing.assert_allclose(received, [getattr(h, name) for h in wanted], atol=1e-4)


@RUNTIMES
def test_the_beam_in_the_file_is_that_of_keras_and_of_the_host(make):
    runtime, keras = make(), exported_with_beam().keras
    for source_ids in SOURCES:
        found = runtime.translate_beam(source_ids)
        assert len(found[0]) == BEAM.num_hypotheses
        same(found, keras.translate_beam(source_ids))
        empty = host.is_empty_source(source_ids)
        state = runtime.encode(source_ids)
        same(found, beam_search(runtime.step, state, empty, BEAM, max_length=8))


@pytest.mark.parametrize("make", [onnx, saved_model])
def test_a_batch_gives_what_each_source_gives_alone(make):
    runtime, sources = make(), source_batch(4, 7, padding=2)
    sources[1] = [3, *[0] * 8]
    together = runtime.translate_beam(sources)
    same(together, exported_with_beam().keras.translate_beam(sources))
    assert [h.ids for h in together[1]] == [()]
    for row in (0, 2, 3):
        same(together[row : row + 1], runtime.translate_beam(sources[row : row + 1]))


@RUNTIMES
def test_the_greedy_search_stays_beside_it(make):
    found = make().translate(SOURCES[0])
    assert [h.ids for h in found] == [
        h.ids for h in exported_with_beam().keras.translate(SOURCES[0])
    ]


def test_the_operators_of_litert_are_builtin():
    file = exported_with_beam().folder / "litert" / "model_float32.tflite"
    assert set(signature_operators(file)) == {
        "encode",
        "decode_step",
        "translate",
        "translate_beam",
    }
    check_builtin_only(file)


def test_onnx_has_the_standard_domain_only():
    import onnx as onnx_package

    file = exported_with_beam().folder / "onnx" / FILES["translate_beam"]
    proto = onnx_package.load(file)
    assert [entry.domain for entry in proto.opset_import] == [""]
    assert [node.op_type for node in proto.graph.node].count("Loop") == 1


def test_a_file_without_a_beam_says_so():
    folder = exported_without("gru_general").folder
    runtime = SavedModelRuntime(folder / "saved_model", beam=BEAM)
    with pytest.raises(ValueError, match="has no beam search inside; export it with beam="):
        runtime.translate_beam(SOURCES[0])
