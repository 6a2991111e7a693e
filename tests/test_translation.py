import json

import numpy as np
import pytest
from conftest import TEXTS

from keras_seq2seq import BeamSearch, Translator
from keras_seq2seq.decoding.hypothesis import Hypothesis
from keras_seq2seq.text.pieces import words
from keras_seq2seq.translation import Translation

SOURCE = ("▁the", "▁dog", "s", "</s>")
TARGET = ("▁l", "es", "▁chien", "s", "</s>")
WEIGHTS = [
    [0.7, 0.1, 0.1, 0.1],
    [0.3, 0.2, 0.1, 0.4],
    [0.4, 0.1, 0.4, 0.1],
    [0.1, 0.2, 0.6, 0.1],
    [0.0, 0.0, 0.0, 1.0],
]


def translation(weights=WEIGHTS, finished=True, target=TARGET, source=SOURCE):
    log_probs = np.full(len(target), -0.5, "float32")
    attention = None if weights is None else np.array(weights, "float32")
    ids = tuple(range(5, 5 + len(target) - finished))
    found = Hypothesis(ids, float(log_probs.sum()), finished, log_probs, attention, -1.25)
    return Translation("les chiens", found, source, target)


def test_each_target_word_goes_with_the_source_word_it_attends_to_most():
    # Tokens of a word are summed on both sides; end of sentence is no word, though attended to.
    assert translation().alignment == [(0, 0), (1, 1)]


def test_a_cut_translation_has_its_last_word_aligned_too():
    cut = translation(WEIGHTS[:4], finished=False, target=TARGET[:4])
    assert cut.alignment == [(0, 0), (1, 1)]


def test_no_alignment_without_attention_of_the_length_of_the_source():
    assert translation(None).alignment is None
    assert translation([row[:3] for row in WEIGHTS]).alignment is None


def test_an_empty_source_has_no_words():
    nothing = translation(np.zeros((1, 1)), target=("</s>",), source=("</s>",))
    assert nothing.alignment == []


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], []),
        (["▁a"], [[0]]),
        (["a", "b"], [[0, 1]]),
        (["▁", "a", "b", "▁", "c"], [[0, 1, 2], [3, 4]]),
        (["▁a", "<0xE2>", "<0x82>", "▁b"], [[0, 1, 2], [3]]),
    ],
)
def test_words_begin_where_a_space_was(tokens, expected):
    assert words(tokens) == expected


def test_the_dict_is_json_and_has_what_the_hypothesis_has():
    found = translation()
    values = json.loads(json.dumps(found.to_dict()))
    assert values["translation"] == "les chiens"
    assert values["ids"] == list(found.hypothesis.ids)
    assert values["tokens"] == list(TARGET)
    assert values["score"] == pytest.approx(-2.5)
    assert values["confidence"] == pytest.approx(np.exp(-0.5), abs=1e-6)
    assert values["token_log_probs"] == [-0.5] * 5
    assert values["ranking"] == -1.25
    assert values["alignment"] == [[0, 0], [1, 1]]
    np.testing.assert_allclose(values["attention"], WEIGHTS, atol=1e-6)
    assert translation(None).to_dict()["attention"] is None


@pytest.mark.parametrize("search", ["in_file", "host"])
def test_translations_of_a_model_hang_together(translating_model, search):
    pair, runtime = translating_model.tokenizers, Translator.from_model(translating_model).runtime
    strategy = BeamSearch(4, 3)
    translator = Translator(runtime, pair, max_length=9, search=search, strategy=strategy)
    for text, n_best in zip(TEXTS, translator.n_best(TEXTS), strict=True):
        for found in n_best:
            ids = list(found.hypothesis.ids)
            assert found.text == pair.target.decode(ids)
            assert len(found.source_tokens) == len(pair.source.encode(text)) + 1
            assert len(found.target_tokens) == len(found.hypothesis.token_log_probs)
            assert found.score == pytest.approx(found.hypothesis.token_log_probs.sum(), abs=1e-4)
            assert 0 < found.confidence <= 1
            if text:
                pairs = found.alignment
                assert [target for _, target in pairs] == list(range(len(found.text.split())))
                assert {source for source, _ in pairs} <= set(range(len(text.split())))
