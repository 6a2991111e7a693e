"""Vectors that a search looks numbers up in: the converter must not take them for weights."""

import numpy as np
import pytest
from exported_models import SHARED, TRANSFORMER, litert_runtime, tiny_model
from grid import grid

import keras_seq2seq
from keras_seq2seq.decoding.graph import exact_lookup
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.exporters.litert import writer
from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.litert_schema import litert_schema
from keras_seq2seq.inspection.litert_callers import ROUNDED_VECTORS
from keras_seq2seq.runtimes.keras import KerasRuntime

# More than the 1,024 numbers from which on the converter stores weights in 8 bits, and than those
# from which on an export keeps weights outside its graphs.
WORDS = 20_000
QUANTIZATIONS = ("float32", "dynamic_int8")


def shortlist():
    candidates = np.random.default_rng(3).integers(4, WORDS, (WORDS, 3)).astype("int32")
    candidates[0] = 0  # of padding
    return Shortlist(np.array([1, 3, 7], "int32"), np.sort(candidates, axis=1), WORDS)


def with_bias(**config):
    """Returns a model one word of which must not come, and whose others differ by their bias."""
    sizes = {"source_vocabulary_size": WORDS, "target_vocabulary_size": WORDS}
    model = tiny_model(**{**TRANSFORMER, **sizes, **config})
    (bias,) = (w for w in model.weights if tuple(w.shape) == (WORDS,))
    numbers = np.random.default_rng(4).uniform(-3, 3, WORDS).astype("float32")
    numbers[1] = -100
    bias.assign(numbers)
    return model


BIASED = {**SHARED, "output_bias": True}


@pytest.mark.parametrize("config", grid([BIASED, {}], [BIASED]))
def test_a_bias_behind_a_shortlist_is_read_as_it_is(config, tmp_path, monkeypatch):
    model = with_bias(**config)
    monkeypatch.setattr(writer, "OutsideWeights", only_once(writer.OutsideWeights))
    options = {"shortlist": shortlist(), "beam": BeamSearch(2, suppress=(1, 9))}
    prepared = PreparedExport(model, 1, max_source_length=8, **options)
    write_litert(prepared, tmp_path, QUANTIZATIONS)
    wanted = KerasRuntime(model, 1, shortlist=shortlist())
    ids = np.array([[5, 900, 33, 1100, 3]], "int32")
    ((expected,),) = wanted.search(ids, GREEDY)
    for quantization, tolerance in zip(QUANTIZATIONS, (1e-4, 0.1), strict=True):
        assert not vectors_of_8_bits(tmp_path, quantization)
        ((found,),) = litert_runtime(tmp_path, quantization).search(ids)
        assert found.ids == expected.ids
        assert found.score == pytest.approx(expected.score, abs=tolerance)


@pytest.mark.long
def test_length_penalties_of_long_translations_are_read_as_they_are(tmp_path):
    beam = BeamSearch(2, length_penalty="average")
    model = tiny_model(max_length=1100)
    prepared = PreparedExport(model, 1100, beam=beam, max_source_length=8)
    write_litert(prepared, tmp_path, QUANTIZATIONS)
    assert not vectors_of_8_bits(tmp_path, "dynamic_int8")


@pytest.mark.long
def test_a_file_of_before_is_named(tmp_path, monkeypatch):
    def notes():
        found = keras_seq2seq.inspect(tmp_path / "model_dynamic_int8.tflite").callers
        return {caller.reason for caller in found if caller.takes}

    prepared = PreparedExport(with_bias(), 1, shortlist=shortlist(), max_source_length=8)
    write_litert(prepared, tmp_path, ["dynamic_int8"])
    assert ROUNDED_VECTORS not in notes()
    monkeypatch.setattr(exact_lookup, "_WEIGHT", WORDS + 1)
    prepared = PreparedExport(with_bias(), 1, shortlist=shortlist(), max_source_length=8)
    write_litert(prepared, tmp_path, ["dynamic_int8"])
    assert notes() == {ROUNDED_VECTORS}


def only_once(made):
    """Fails where the export begins anew with the numbers of all weights inside its graphs."""

    def once(weights):
        assert len(weights) > 0
        return made(weights)

    return once


def vectors_of_8_bits(folder, quantization):
    """Returns the names of constants with one axis that a file has in 8 bits."""
    model = unpacked((folder / f"model_{quantization}.tflite").read_bytes())
    return [
        tensor.name
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.type == litert_schema().TensorType.INT8
        and len(tensor.shape if tensor.shape is not None else ()) == 1
        and model.buffers[tensor.buffer].data is not None
    ]
