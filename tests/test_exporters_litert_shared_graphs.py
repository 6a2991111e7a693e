import copy

import keras
import numpy as np
import pytest
from exported_models import (
    CONFIGS,
    OF_TRANSFORMERS,
    litert_runtime,
    same_hypotheses,
    source_batch,
    tiny_model,
)

import keras_seq2seq
from keras_seq2seq import Seq2Seq
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.exporters.litert import writer
from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.exporters.litert.shared_graphs import share_graphs
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.runtimes.keras import KerasRuntime

LENGTH, LONGEST_SOURCE = 40, 21
BEAM = BeamSearch(2, coverage_penalty=0.2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A Transformer whose searches have two loops each, its files, and these without sharing."""
    model = tiny_model(**{**CONFIGS["transformer_post_shared"], "max_length": LENGTH})
    prepared = PreparedExport(model, LENGTH, beam=BEAM, max_source_length=LONGEST_SOURCE)
    folder, apart = (tmp_path_factory.mktemp(name) for name in ("shared", "apart"))
    write_litert(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "share_graphs", lambda model: model)
        write_litert(prepared, apart)
    return model, folder, apart


def model_of(folder):
    return unpacked((folder / "model_float32.tflite").read_bytes())


def bodies(folder):
    """Returns the sizes of the inner graphs that are no conditions of loops."""
    return [len(g.operators) for g in model_of(folder).subgraphs if b"body" in g.name]


@pytest.mark.long
def test_searches_of_all_source_lengths_share_their_last_loop(files):
    _, folder, apart = files
    # Greedily and with a beam, for 21, 16 and 8 tokens, over short and over whole caches. Where
    # nothing is padded, the converter may take what is the same in all steps out of the loop.
    assert len(bodies(apart)) == 12
    assert 8 <= len(bodies(folder)) <= 10


@pytest.mark.long
@pytest.mark.parametrize("name", ["transformer", *OF_TRANSFORMERS])
def test_long_translations_too_are_for_every_api_of_phones(name, tmp_path):
    # Long enough for two loops: what stands between them must be as old as the rest.
    model = tiny_model(**{**CONFIGS[name], "max_length": LENGTH})
    prepared = PreparedExport(model, LENGTH, max_source_length=LONGEST_SOURCE)
    write_litert(prepared, tmp_path, ["float32", "dynamic_int8"])
    for path in tmp_path.glob("model_*.tflite"):
        callers = keras_seq2seq.inspect(path).callers
        assert not [one for one in callers if not one.takes], path.name


@pytest.mark.long
@pytest.mark.parametrize("strategy", [GREEDY, BEAM], ids=["greedy", "beam"])
@pytest.mark.parametrize("length", [3, 12, 21])
def test_a_shared_loop_finds_what_keras_finds(files, strategy, length):
    model, folder, _ = files
    sources = source_batch(4, length)
    found = [litert_runtime(folder, beam=BEAM).search(s[None], strategy)[0] for s in sources]
    expected = KerasRuntime(model, LENGTH).search(sources, strategy)
    assert max(len(row[0].ids) for row in expected) > 29, "no row enters the last loop"
    same_hypotheses(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.long
def test_graphs_that_differ_in_a_number_stay_apart(files):
    _, folder, _ = files
    model = model_of(folder)
    index, body = next((i, g) for i, g in enumerate(model.subgraphs) if b"body" in g.name)
    twin = copy.deepcopy(body)
    model.subgraphs.append(twin)
    for operator in (o for graph in model.subgraphs[:-1] for o in graph.operators):
        options = operator.builtinOptions
        if getattr(options, "bodySubgraphIndex", None) == index:
            reader = options
    # Only one of two loops reads the twin.
    reader.bodySubgraphIndex = len(model.subgraphs) - 1
    before = len(model.subgraphs)
    other = copy.deepcopy(model)
    assert len(share_graphs(model).subgraphs) < before
    changed = next(
        t for t in other.subgraphs[-1].tensors if other.buffers[t.buffer].data is not None
    )
    buffer = copy.deepcopy(other.buffers[changed.buffer])
    buffer.data = np.asarray(buffer.data) ^ 1
    changed.buffer = len(other.buffers)
    other.buffers.append(buffer)
    assert len(share_graphs(other).subgraphs) == before


@pytest.mark.long
def test_a_memory_longer_than_its_source_is_never_cut(tmp_path):
    built = tiny_model(**{**CONFIGS["transformer"], "max_length": LENGTH})
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    twice = keras.ops.concatenate([source_ids, source_ids], axis=1)
    encoder = keras.Model(source_ids, built.encoder(twice), name="twice")
    model = Seq2Seq(encoder=encoder, decoder=built.decoder)
    write_litert(PreparedExport(model, LENGTH, beam=BEAM, max_source_length=12), tmp_path)
    sources = source_batch(4, 12)
    for strategy in (GREEDY, BEAM):
        found = [litert_runtime(tmp_path, beam=BEAM).search(s[None], strategy)[0] for s in sources]
        expected = KerasRuntime(model, LENGTH).search(sources, strategy)
        assert max(len(row[0].ids) for row in expected) > 20, "no row enters the last loop"
        same_hypotheses(found, expected, atol=1e-4, rtol=1e-4)
