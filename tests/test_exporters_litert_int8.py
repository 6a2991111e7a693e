import dataclasses

import numpy as np
import pytest
from conftest import word_pairs
from exported_models import searched_on_host, tiny_model

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.exporters.litert.builtin_operators import check_builtin_only
from keras_seq2seq.exporters.litert.calibration import RangeProfiler, measured_ranges
from keras_seq2seq.exporters.litert.int8 import PRODUCTS, Scale, int8_content
from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.litert_schema import litert_schema
from keras_seq2seq.inspection.litert_model import LiteRTModel
from keras_seq2seq.runtimes.litert import LiteRTRuntime
from keras_seq2seq.text.tokenizer import TokenizerPair

WORDS, LENGTH = 40, 6
# Products of fewer than 1,024 weights stay float, in dynamic int8 too.
SIZES = {
    **{"source_vocabulary_size": WORDS, "target_vocabulary_size": WORDS, "max_length": LENGTH},
    **{"embedding_dim": 64, "units": 64},
}
KINDS = {
    "gru": {"cell": "gru", "attention": "scaled"},
    "transformer": {
        **{"encoder": "transformer", "decoder": "transformer", "num_heads": 2},
        "feedforward_dim": 64,
    },
}
QUANTIZATIONS = ("float32", "dynamic_int8", "int8")


def sources(count, seed):
    draw = np.random.default_rng(seed)
    return [[*draw.integers(4, WORDS, draw.integers(1, 9)).tolist(), 3] for _ in range(count)]


def number_tokenizers():
    """Returns tokenizers of as many ids a side as the models have."""
    pairs = [(f"word{number}", f"word{number}") for number in range(WORDS - 4)]
    found = TokenizerPair.train(pairs, source_level="word", target_level="word")
    assert found.vocabulary_sizes == (WORDS, WORDS)
    return found


def prepared(model, count, **options):
    """Returns what to write, to be measured on so many sources."""
    pair = number_tokenizers()
    sentences = [pair.source.decode(ids) for ids in sources(count, seed=1)]
    made = PreparedExport(model, LENGTH, pair, sentences=sentences, **options)
    assert made.calibration == sources(count, seed=1)
    return made


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """A model and the folder of its files, calibrated on sources of many lengths."""
    model = tiny_model(**KINDS[request.param], **SIZES)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(weight * 0.3)
    folder = tmp_path_factory.mktemp(request.param)
    write_litert(prepared(model, 20), folder, QUANTIZATIONS)
    return model, folder


def path(folder, quantization):
    return folder / f"model_{quantization}.tflite"


def test_every_product_is_int8_but_those_that_the_recipe_names(written):
    model = unpacked(path(written[1], "int8").read_bytes())
    schema = litert_schema()
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    left = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if names[max(code.builtinCode, code.deprecatedBuiltinCode)] in PRODUCTS.operators:
                given, weights = (graph.tensors[i] for i in operator.inputs[:2])
                result = graph.tensors[operator.outputs[0]]
                types = {given.type, weights.type, result.type}
                if types != {schema.TensorType.INT8}:
                    left.append((result.name.decode(), weights.shape[0]))
    assert left
    assert all(columns == WORDS or PRODUCTS.dynamic_layers[0] in name for name, columns in left)


def test_it_needs_builtin_operators_only_and_says_its_recipe(written):
    file = path(written[1], "int8")
    check_builtin_only(file.read_bytes(), file)
    model = LiteRTModel(file)
    assert model.description == "int8 recipe: products"
    assert "QUANTIZE" in {name for graph in model.operators for _, name, _ in graph}


def test_it_is_as_small_as_dynamic_int8(written):
    sizes = {name: path(written[1], name).stat().st_size for name in QUANTIZATIONS}
    assert sizes["int8"] < 1.15 * sizes["dynamic_int8"] < 0.6 * sizes["float32"]


def test_log_probabilities_are_near_those_of_float32(written):
    full, int8 = (LiteRTRuntime(path(written[1], name)) for name in ("float32", "int8"))
    for ids in sources(10, seed=2):
        first, second = (r.step(np.array([2]), r.encode(np.array([ids]))) for r in (full, int8))
        gap = np.abs(first[0] - second[0])
        assert 0 < gap.mean() < 0.05 * first[0].std()


def test_whole_translations_and_single_steps_say_the_same(written):
    runtime = LiteRTRuntime(path(written[1], "int8"))
    for ids in sources(10, seed=3):
        batch = np.array([ids], "int32")
        found = runtime._run("translate_greedy", {"source_ids": batch})["target_ids"][0]
        ((hypothesis,),) = searched_on_host(runtime, batch, max_length=LENGTH)
        assert found[: len(hypothesis.ids)].tolist() == list(hypothesis.ids)


def test_a_beam_in_the_file_says_what_it_says_on_the_host(tmp_path):
    beam = BeamSearch(3)
    model = tiny_model(**KINDS["gru"], **SIZES)
    write_litert(prepared(model, 5, beam=beam), tmp_path, ["int8"])
    runtime = LiteRTRuntime(path(tmp_path, "int8"), beam=beam)
    for ids in sources(10, seed=3):
        batch = np.array([ids], "int32")
        found = runtime._run("translate_beam", {"source_ids": batch})["target_ids"]
        (hypotheses,) = searched_on_host(runtime, batch, beam, max_length=LENGTH)
        best = hypotheses[0].ids
        assert found.reshape(-1, LENGTH)[0, : len(best)].tolist() == list(best)


def test_a_recipe_may_leave_the_attention_and_take_the_projection(written):
    content = path(written[1], "dynamic_int8").read_bytes()
    recipe = dataclasses.replace(PRODUCTS, operators=("FULLY_CONNECTED",), projection=True)
    batches = [np.array([ids], "int32") for ids in sources(3, seed=4)]
    graphs = unpacked(
        int8_content(content, batches, vocabulary_size=WORDS, recipe=recipe)
    ).subgraphs
    names = {tensor.name.decode(): tensor for graph in graphs for tensor in graph.tensors}
    given = {name for name in names if name.endswith("_int8")}
    assert any(names[name].shape[-1] == WORDS for name in given)
    assert not any("Softmax" in name for name in given)


def test_ranges_are_those_of_every_step_of_a_loop(written):
    content = path(written[1], "float32").read_bytes()
    batches = [np.array([ids], "int32") for ids in sources(5, seed=5)]
    ranges = measured_ranges(content, batches)
    runtime = LiteRTRuntime(path(written[1], "float32"))
    longest = max(
        np.count_nonzero(runtime._run("translate_greedy", {"source_ids": ids})["target_ids"])
        for ids in batches
    )
    counter = ranges["while_body_arg0"]
    assert counter == (0, longest - 1)


def test_a_signature_run_by_the_profiler_gives_what_it_gives(written):
    profiler = RangeProfiler(path(written[1], "float32").read_bytes())
    runtime = LiteRTRuntime(path(written[1], "float32"))
    for length in (3, 7, 2):
        ids = np.arange(4, 4 + length, dtype="int32")[None]
        expected = runtime.encode(ids)
        for name, values in profiler.run("encode", {"source_ids": ids}).items():
            np.testing.assert_allclose(values, expected[name], atol=1e-6)


@pytest.mark.parametrize("limits", [(-1.0, 1.0), (0.0, 6.0), (2.0, 6.0), (-3.0, -1.0), (0.0, 0.0)])
def test_a_scale_holds_the_range_and_zero_exactly(limits):
    scale = Scale.of(*limits)
    assert -128 <= scale.zero_point <= 127
    held = scale.scale * (np.array([-128, 127]) - scale.zero_point)
    assert held[0] <= limits[0] + scale.scale
    assert held[1] >= limits[1] - scale.scale


def test_int8_without_sources_is_refused_before_anything_is_written(tmp_path, tokenizers):
    folder, message = tmp_path / "litert", "`sentences` must hold typical source texts for 'int8'"
    for given in ({}, {"sentences": ["the dog"]}, {"tokenizers": tokenizers}):
        with pytest.raises(ValueError, match=message):
            write_litert(PreparedExport(tiny_model(), 2, **given), folder, ["int8"])
    assert not folder.exists()


def test_export_measures_int8_on_its_sentences(translating_model, tmp_path):
    texts = [source for source, _ in word_pairs(12, seed=3)]
    options = {"formats": ["litert"], "quantization": "int8", "verbose": False}
    parity = keras_seq2seq.export(translating_model, tmp_path / "b", sentences=texts, **options)
    assert parity.passed
    assert ("litert", "int8") in Bundle.open(tmp_path / "b").artefacts
    found = keras_seq2seq.load(tmp_path / "b", "litert", quantization="int8").translate(texts)
    expected = translating_model.translate(texts)
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 10


def test_export_in_int8_without_sentences_is_refused(translating_model, tmp_path):
    with pytest.raises(
        ValueError, match=r"'int8' measures its scales on `sentences`.*Received: \(\)"
    ):
        keras_seq2seq.export(translating_model, tmp_path / "b", quantization="int8")
    assert not (tmp_path / "b").exists()
