"""A translation in parts, as its tokens come."""

import numpy as np
import pytest
from conftest import TEXTS, word_pairs
from grid import grid
from test_translator import Copier

from keras_seq2seq import BeamSearch, Greedy, Sampling, Tokenizer, TokenizerPair, Translator
from keras_seq2seq.text.vocabulary import EOS_ID

STRATEGIES = [Greedy(), Greedy(min_length=2), Sampling(seed=5)]


@pytest.mark.parametrize("strategy", grid(STRATEGIES, STRATEGIES[-1:]))
def test_a_stream_joined_is_the_translation(translating_model, strategy):
    translator = Translator.from_model(translating_model, strategy=strategy)
    for text in TEXTS:
        parts = list(translator.stream(text))
        assert "".join(parts) == translator.translate(text)
        assert all(parts)
        assert len(parts) > 1 or len(text) < 8 or isinstance(strategy, Sampling)


class Writer(Copier):
    """Says the ids that it was given, whatever it reads, and counts its steps."""

    def __init__(self, ids, vocabulary_size):
        super().__init__(vocabulary_size)
        self.ids = [*ids, EOS_ID]
        self.steps = 0

    def step(self, ids, state):
        log_probs = np.full((1, self.vocabulary_size), -9.0, "float32")
        log_probs[0, self.ids[self.steps]] = -0.5
        self.steps += 1
        return log_probs, state


def writer(text):
    texts = [text for pair in word_pairs(60) for text in pair]
    target = Tokenizer.train(texts, level="character")
    runtime = Writer(target.encode(text), target.vocabulary_size)
    return Translator(runtime, TokenizerPair(target, target), max_length=60), runtime


@pytest.mark.parametrize(
    "text", ["le chien", "un \U0001f426 noir", "\U0001f426\U0001f426", "\u00e9t\u00e9 ☂"]
)
def test_a_character_of_several_bytes_streams_whole(text):
    translator, _ = writer(text)
    parts = list(translator.stream("the dog"))
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)


def test_who_stops_reading_stops_the_search():
    translator, runtime = writer("le chien voit le chat")
    parts = translator.stream("the dog")
    assert next(parts) + next(parts) == "le"
    parts.close()
    assert runtime.steps <= 3


def test_an_empty_text_streams_nothing():
    translator, runtime = writer("le chien")
    assert list(translator.stream("")) == []
    assert runtime.steps == 0


def test_a_stream_takes_a_prefix(translating_model):
    translator = Translator.from_model(translating_model)
    parts = list(translator.stream("the dog", prefix="un chat"))
    assert "".join(parts) == translator.translate("the dog", prefixes="un chat")
    assert "".join(parts).startswith("un chat")


@pytest.mark.parametrize("prefix", [[99], "le " * 10])
def test_a_stream_refuses_a_prefix_that_cannot_be(translating_model, prefix):
    with pytest.raises(ValueError, match="A prefix must have|A prefix must hold"):
        next(Translator.from_model(translating_model).stream("the dog", prefix=prefix))


def test_a_beam_does_not_stream(translating_model):
    translator = Translator.from_model(translating_model, strategy=BeamSearch(2))
    with pytest.raises(ValueError, match=r"Streaming needs Greedy\(\) or Sampling"):
        next(translator.stream("the dog"))
