import dataclasses
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from conftest import word_pairs
from exported_models import litert_runtime, same_hypotheses, searched_on_host, tiny_model
from grid import grid
from nasty_weights import nasty

import keras_seq2seq
from keras_seq2seq.bulk.frames import translate_frames
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.exporters.litert import writer
from keras_seq2seq.exporters.litert.builtin_operators import check_builtin_only
from keras_seq2seq.exporters.litert.calibration import RangeProfiler, measured_ranges
from keras_seq2seq.exporters.litert.conversion import converted
from keras_seq2seq.exporters.litert.int8 import PRODUCTS, Int8Model, int8_models
from keras_seq2seq.exporters.litert.packing import packed, unpacked
from keras_seq2seq.exporters.litert.rewriter import Rewriter
from keras_seq2seq.exporters.litert.source_lengths import first_cache_length
from keras_seq2seq.exporters.litert.stand_ins import StandIns
from keras_seq2seq.exporters.litert.writer import PARTS, write_litert
from keras_seq2seq.exporters.outside_weights import OutsideWeights
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.litert_schema import litert_schema
from keras_seq2seq.inspection.litert_model import LiteRTModel
from keras_seq2seq.runtimes.litert import LiteRTRuntime
from keras_seq2seq.runtimes.silence import silence
from keras_seq2seq.serving.translation_queue import TranslationQueue
from keras_seq2seq.text.tokenizer import TokenizerPair, pad_batch
from keras_seq2seq.translator import Translator

WORDS, LENGTH, LONGEST_SOURCE, ROWS = 40, 24, 9, 5
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
    made = PreparedExport(
        model, LENGTH, pair, sentences=sentences, max_source_length=LONGEST_SOURCE, **options
    )
    assert made.calibration == sources(count, seed=1)
    return made


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module", params=grid(KINDS, ["transformer"]))
def written(request, tmp_path_factory, monkeypatch_module):
    """A model and the folder of its files, calibrated on sources of many lengths."""
    model = tiny_model(**KINDS[request.param], **SIZES)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(weight * 0.3)
    folder = tmp_path_factory.mktemp(request.param)
    # The tests look results up by the names that shipped files leave out.
    monkeypatch_module.setattr(writer, "compact", lambda converted: converted)
    rows = ROWS if request.param == "transformer" else 1
    write_litert(prepared(model, 20, litert_batch_size=rows), folder, QUANTIZATIONS)
    return model, folder


def path(folder, quantization, part="translate"):
    return folder / PARTS[part].format(quantization)


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


@pytest.mark.filterwarnings("ignore:\\s*Warning. tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("written", ["transformer"], indirect=True)
def test_every_xnnpack_computes_products_of_attention_alike(written):
    """That of TensorFlow 2.21 takes the second matrix for weights, whose 0 is at 0."""
    file = path(written[1], "int8", "steps")
    assert "BATCH_MATMUL" in {name for graph in LiteRTModel(file).operators for _, name, _ in graph}
    for ids in sources(10, seed=5):
        found = [
            made(str(file), num_threads=1).get_signature_runner("encode")(
                source_ids=np.array([ids], "int32")
            )
            for made in (Interpreter, tf.lite.Interpreter)
        ]
        for name, values in found[0].items():
            np.testing.assert_allclose(found[1][name], values, rtol=0, atol=1e-5, err_msg=name)


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
    full, int8 = (litert_runtime(written[1], name) for name in ("float32", "int8"))
    for ids in sources(10, seed=2):
        first, second = (r.step(np.array([2]), r.encode(np.array([ids]))) for r in (full, int8))
        gap = np.abs(first[0] - second[0])
        assert 0 < gap.mean() < 0.05 * first[0].std()


def weights_and_scales(file):
    """Returns the hash of the weights of each product in int8, and the scale of its input."""
    model = unpacked(file.read_bytes())
    writer, found = Rewriter(model), set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            if writer.name(operator) == "FULLY_CONNECTED":
                given, weights = (graph.tensors[i] for i in operator.inputs[:2])
                if given.type == litert_schema().TensorType.INT8:
                    content = np.asarray(model.buffers[weights.buffer].data).tobytes()
                    found.add((hash(content), *given.quantization.scale))
    return found


def test_whole_translations_and_single_steps_have_the_same_scales(written):
    files = sorted(written[1].glob("*_int8.tflite"))
    one, *others = (weights_and_scales(file) for file in files if "dynamic" not in file.name)
    assert others and all(other == one for other in others) and len(one) > 2


def test_whole_translations_and_single_steps_say_the_same(written):
    # The steps run without XNNPACK, which rounds otherwise.
    runtime = litert_runtime(written[1], "int8", xnnpack=False)
    same = 0
    for ids in sources(10, seed=3):
        batch = np.array([ids], "int32")
        ((found,),) = runtime.search(batch)
        ((hypothesis,),) = searched_on_host(runtime, batch, max_length=LENGTH)
        same += found.ids[:6] == hypothesis.ids[:6]
    # Over an open length the converter adds the biases of a Transformer's encoder after rounding.
    assert same == 10 if written[0].config.encoder == "recurrent" else same >= 5


@pytest.mark.parametrize("written", ["transformer"], indirect=True)
def test_a_batch_says_what_its_sources_say_one_by_one(written):
    for quantization in QUANTIZATIONS:
        alone = litert_runtime(written[1], quantization)
        together = litert_runtime(written[1], quantization, batch_size=ROWS)
        assert (alone.max_batch_size, together.max_batch_size) == (1, ROWS)
        assert list(together.variants()) == ["one by one", "without XNNPACK"]
        for count in (1, 2, ROWS):
            batch = pad_batch(sources(count, seed=count))
            expected = [alone.search(row[None])[0] for row in batch]
            same_hypotheses(together.search(batch), expected)
    with pytest.raises(ValueError, match=r"translate 5 sources at a time.*Received: .* \(6, 3\)"):
        together.search(np.full((ROWS + 1, 3), 3, "int32"))


@pytest.mark.parametrize("written", ["transformer"], indirect=True)
def test_servers_and_bulk_jobs_search_in_the_batches_of_the_file(written, monkeypatch):
    pair, searched = number_tokenizers(), []
    alone, together = (
        Translator(litert_runtime(written[1], batch_size=rows), pair, max_length=LENGTH)
        for rows in (1, ROWS)
    )
    plain = LiteRTRuntime._of_length

    def of_length(self, file, prefix, source_ids):
        searched.append((prefix, len(source_ids)))
        return plain(self, file, prefix, source_ids)

    texts = [pair.source.decode(ids) for ids in sources(ROWS - 1, seed=ROWS)]
    wanted = alone.translate(texts)
    monkeypatch.setattr(LiteRTRuntime, "_of_length", of_length)
    with TranslationQueue(together, max_wait_ms=500) as queue:
        futures = queue.submit_all(texts)
        assert [future.result(60)[0].text for future in futures] == wanted
    (frame,) = translate_frames([{"text": texts}], together)
    assert list(frame["translation"]) == wanted
    # The last row of each is an empty source that nobody sees.
    assert searched == [(f"translate_greedy_{ROWS}x", ROWS)] * 2


@pytest.mark.long
def test_a_beam_in_the_file_says_what_it_says_on_the_host(tmp_path):
    beam = BeamSearch(3)
    model = tiny_model(**KINDS["gru"], **SIZES)
    write_litert(prepared(model, 5, beam=beam), tmp_path, ["int8"])
    runtime = litert_runtime(tmp_path, "int8", beam=beam, xnnpack=False)
    for ids in sources(10, seed=3):
        batch = np.array([ids], "int32")
        (found,) = runtime.search(batch, beam)
        (hypotheses,) = searched_on_host(runtime, batch, beam, max_length=LENGTH)
        assert found[0].ids == hypotheses[0].ids


def test_a_recipe_may_leave_the_attention_and_take_the_projection(written):
    contents = [
        path(written[1], "dynamic_int8", part).read_bytes() for part in ("translate", "steps")
    ]
    recipe = dataclasses.replace(PRODUCTS, operators=("FULLY_CONNECTED",), projection=True)
    batches = [np.array([ids], "int32") for ids in sources(3, seed=4)]
    models = [unpacked(content) for content in contents]
    int8_models(models, measured_ranges(*contents, batches), WORDS, recipe)
    graphs = [graph for model in models for graph in model.subgraphs]
    names = {tensor.name.decode(): tensor for graph in graphs for tensor in graph.tensors}
    given = {name for name in names if name.endswith("_int8")}
    assert any(names[name].shape[-1] == WORDS for name in given)
    assert not any("Softmax" in name for name in given)


def test_ranges_are_those_of_every_step_of_a_loop(written):
    contents = [path(written[1], "float32", part).read_bytes() for part in ("translate", "steps")]
    batches = [np.array([ids], "int32") for ids in sources(5, seed=5)]
    ranges, _ = measured_ranges(*contents, batches)
    runtime = litert_runtime(written[1])
    found = [runtime.search(ids)[0][0] for ids in batches]
    longest = max(len(hypothesis.ids) + hypothesis.finished for hypothesis in found)
    first = LENGTH
    if written[0].config.decoder == "transformer":
        first = first_cache_length(LONGEST_SOURCE, LENGTH)
        assert longest > first and any(name.startswith("while_1/") for name in ranges)
    assert ranges["while_body_arg0"] == (0, min(longest, first) - 1)


def test_a_signature_run_by_the_profiler_gives_what_it_gives(written):
    profiler = RangeProfiler(path(written[1], "float32", "steps").read_bytes())
    runtime = litert_runtime(written[1])
    for length in (3, 7, 2):
        ids = np.arange(4, 4 + length, dtype="int32")[None]
        expected = runtime.encode(ids)
        for name, values in profiler.run("encode", {"source_ids": ids}).items():
            np.testing.assert_allclose(values, expected[name], atol=1e-6)


def test_int8_without_sources_is_refused_before_anything_is_written(tmp_path, tokenizers):
    folder, message = tmp_path / "litert", "`sentences` must hold typical source texts for 'int8'"
    for given in ({}, {"sentences": ["the dog"]}, {"tokenizers": tokenizers}):
        with pytest.raises(ValueError, match=message):
            write_litert(PreparedExport(tiny_model(), 2, **given), folder, ["int8"])
    assert not folder.exists()


@pytest.mark.long
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


def tiny_converted(table, kernel, bias):
    """Returns a model in dynamic int8 that looks up rows of a table, and a product."""

    @tf.function(
        input_signature=[tf.TensorSpec([1, None], tf.int32), tf.TensorSpec([4, 48], tf.float32)]
    )
    def call(ids, x):
        one_hot = tf.one_hot(tf.reshape(ids, [-1]), 64, dtype=tf.float32)
        product = tf.matmul(x, tf.constant(kernel), transpose_b=True) + tf.constant(bias)
        return {"rows": tf.matmul(one_hot, tf.constant(table)), "product": product}

    module = tf.Module()
    module.call = call
    with tempfile.TemporaryDirectory() as folder, silence():
        tf.saved_model.save(module, folder, signatures={"call": call})
        no_weights = StandIns(OutsideWeights(()))
        return converted(folder, "dynamic_int8", ["call"], no_weights).model()


BIAS = np.linspace(-20, 20, 64, dtype="float32")


def test_dynamic_int8_is_within_half_a_step_of_nasty_weights():
    wanted = nasty(64, 48), nasty(64, 48, seed=1)
    model = tiny_converted(*wanted, BIAS)
    tensors = [
        tensor
        for tensor in model.subgraphs[0].tensors
        if tensor.type == litert_schema().TensorType.INT8 and len(tensor.shape) == 2
    ]
    assert len(tensors) == 2
    for tensor in tensors:
        assert tensor.quantization.quantizedDimension == 0
        scales = tensor.quantization.scale.astype("float64")[:, None]
        stored = model.buffers[tensor.buffer].data.tobytes()
        read = np.frombuffer(stored, "int8").reshape(tensor.shape) * scales
        fits = [(np.abs(read - w) <= scales / 2 * (1 + 1e-4)).all() for w in wanted]
        assert sum(fits) == 1


@pytest.mark.parametrize("pruned", [False, True])
def test_a_product_whose_bias_int32_cannot_count_stays_dynamic(pruned):
    draw = np.random.default_rng(0)
    kernel, x = draw.normal(size=(64, 48)), draw.normal(size=(4, 48)).astype("float32")
    kernel[3] = 0 if pruned else kernel[3]
    kernel = kernel.astype("float32")
    expected = x @ kernel.T + BIAS
    model = tiny_converted(kernel, kernel, BIAS)
    names = [tensor.name.decode() for tensor in model.subgraphs[0].tensors]
    limits = float(expected.min()), float(expected.max())
    made = Int8Model(model, dict.fromkeys(names, limits))
    made.quantize(PRODUCTS, 1, made.product_ranges)
    quantised = [o for o in model.subgraphs[0].operators if made.name(o) == "QUANTIZE"]
    assert len(quantised) == (0 if pruned else 1)
    interpreter = Interpreter(model_content=packed(model))
    given = {"ids": np.array([[5]], "int32"), "x": x}
    found = interpreter.get_signature_runner("call")(**given)["product"]
    np.testing.assert_allclose(found, expected, atol=0.1 * np.abs(expected).max())
