"""What cannot be translated: one table, the same answer from every runtime and both searches."""

import functools

import keras
import numpy as np
import pytest
from conftest import tiny_model, word_tokenizers
from grid import grid
from opened_bundles import opened

import keras_seq2seq
from keras_seq2seq import BeamSearch, Greedy, Sampling
from keras_seq2seq.exporters import request
from keras_seq2seq.text.vocabulary import EOS_ID

BEAM = BeamSearch(3, 2)
RUNTIMES = ("keras", "saved_model", "litert", "onnx")
QUICK = ("keras", "onnx")
WAYS = [
    (runtime, search, strategy)
    for runtime in RUNTIMES
    for search, strategy in [
        ("in_file", Greedy()),
        ("in_file", BEAM),
        ("host", Greedy()),
        ("host", BEAM),
        ("host", Sampling(seed=1)),
    ]
]
EVERY_WAY = pytest.mark.parametrize(
    ("runtime", "search", "strategy"), grid(WAYS, [way for way in WAYS if way[0] in QUICK])
)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Returns what gives two bundles that have a runtime: of a sound model, and with a NaN."""

    @functools.cache
    def written(written_format):
        folder = tmp_path_factory.mktemp("bundles")
        write(folder, formats=[written_format])
        return folder

    return lambda runtime: written("onnx" if runtime == "keras" else runtime)


def write(folder, **options):
    tokenizers = word_tokenizers()
    sound = tiny_model(tokenizers=tokenizers)
    broken = tiny_model(tokenizers=tokenizers)
    # Numbers at the first step, which reads bos; none at the second, whatever word it reads.
    table = next(w for w in broken.weights if "target_embedding" in w.path)
    values = keras.ops.convert_to_numpy(table).copy()
    values[EOS_ID + 1 :] = np.nan
    table.assign(values)
    options |= {"beam": BEAM, "quantization": "float32", "sentences": [""], "verbose": False}
    keras_seq2seq.export(sound, folder / "sound", **options)
    with pytest.raises(ValueError, match="Weights must be finite.*target_embedding"):
        keras_seq2seq.export(broken, folder / "broken", **options)
    with pytest.MonkeyPatch.context() as patch:  # as releases before that check wrote it
        patch.setattr(request, "weight_errors", lambda *given: [])
        keras_seq2seq.export(broken, folder / "broken", **options)


@EVERY_WAY
def test_no_text_and_empty_texts(bundles, runtime, search, strategy):
    translator = opened(bundles(runtime) / "sound", runtime, search, strategy)
    assert translator.translate([]) == []
    assert translator.search_ids(np.zeros((0, 3), "int32")) == []
    alone = translator.translate("the dog")
    assert translator.translate(["", "the dog", " ", "\0"]) == ["", alone, "", ""]
    for empty in translator.n_best(["", "  "]):
        assert [(one.text, one.score, one.confidence) for one in empty] == [("", 0.0, 1.0)]
        assert empty[0].hypothesis.finished


@EVERY_WAY
def test_nan_is_named_with_its_step(bundles, runtime, search, strategy):
    translator = opened(bundles(runtime) / "broken", runtime, search, strategy)
    with pytest.raises(ValueError, match="The model returned NaN at step 2"):
        translator.translate(["", "the dog", "a cat"])
    assert translator.translate(["", ""]) == ["", ""]


def test_nan_names_the_bundle(bundles):
    folder = bundles("onnx") / "broken"
    translator = keras_seq2seq.load(folder, "onnx")
    calls = {
        "translate": lambda: translator.translate("the dog"),
        "stream": lambda: list(translator.stream("the dog")),
        "score": lambda: translator.score(["the dog"], ["le chien"]),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match="NaN") as raised:
            call()
        assert str(raised.value).endswith(f"Received: {folder}."), name


@EVERY_WAY
@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ([999], r"A prefix must hold ids below 17 .* Received: \[999\]"),
        ([EOS_ID], r"A prefix must hold ids .* Received: \[3\]"),
        ([5] * 10, "A prefix must have at most `max_length` tokens, 9. Received: 10"),
    ],
)
def test_a_prefix_that_cannot_be(bundles, runtime, search, strategy, prefix, message):
    with pytest.raises(ValueError, match=message):
        opened(bundles(runtime) / "sound", runtime, search, strategy).translate(
            "a", prefixes=[prefix]
        )


@EVERY_WAY
@pytest.mark.parametrize("shape", [(2, 0), (3,)])
def test_ids_that_are_no_batch(bundles, runtime, search, strategy, shape):
    with pytest.raises(ValueError, match="`source_ids` must have the shape"):
        opened(bundles(runtime) / "sound", runtime, search, strategy).search_ids(
            np.zeros(shape, "int32")
        )


@pytest.mark.parametrize("size", [0, -1, 65])
def test_no_runtime_sees_a_beam_of_no_size(size):
    with pytest.raises(ValueError, match=f"`beam_size` must be 1 to 64. Received: {size}"):
        BeamSearch(size)


@pytest.mark.parametrize("runtime", grid(RUNTIMES, QUICK))
def test_a_beam_larger_than_the_vocabulary_finds_what_there_is(bundles, runtime):
    wide = BeamSearch(40, 5)  # of 17 ids
    found = opened(bundles(runtime) / "sound", runtime, None, wide).n_best(["the dog", ""])
    expected = opened(bundles(runtime) / "sound", "keras", "host", wide).n_best(["the dog", ""])
    assert [[one.text for one in row] for row in found] == [
        [one.text for one in row] for row in expected
    ]
    assert [len(row) for row in found] == [5, 1]
