import re

import numpy as np
import pytest
from conftest import LEXICON, TEXTS, tiny_config, tiny_model, word_pairs, word_tokenizers

from keras_seq2seq import BeamSearch, Greedy, Tokenizer, TokenizerPair, Translator
from keras_seq2seq.config import BOS_ID, EOS_ID
from keras_seq2seq.decoding.host import greedy_search, is_empty_source
from keras_seq2seq.decoding.scoring import Score, score
from keras_seq2seq.runtimes.keras_model import KerasRuntime
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.tokenizer import pad_batch

MANY = [source for source, _ in word_pairs(23, seed=5, longest=8)]


class Copier(Runtime):
    """Says the source again, a token a step, and writes down the shapes it is given."""

    name = "copier"

    def __init__(self, vocabulary_size, max_batch_size=None):
        self.vocabulary_size = vocabulary_size
        self.max_batch_size = max_batch_size
        self.shapes = []

    def encode(self, source_ids):
        self.shapes.append(source_ids.shape)
        return {"source_ids": source_ids, "state_0": np.zeros(len(source_ids), int)}

    def step(self, ids, state):
        at = np.minimum(state["state_0"], state["source_ids"].shape[1] - 1)
        rows = np.arange(len(ids))
        log_probs = np.full((len(ids), self.vocabulary_size), -9.0, "float32")
        log_probs[rows, np.maximum(state["source_ids"][rows, at], 1)] = -0.5
        return log_probs, {**state, "state_0": state["state_0"] + 1}

    def _translate_beam(self, source_ids):
        raise AssertionError("has no beam")

    def translate(self, source_ids):
        empty = is_empty_source(source_ids)
        return greedy_search(self.step, self.encode(source_ids), empty, max_length=20)


@pytest.fixture(scope="module")
def joint():
    return word_tokenizers(joint=True)


def copier(joint, max_batch_size=None, **options):
    runtime = Copier(joint.source.vocabulary_size, max_batch_size)
    return Translator(runtime, joint, **{"max_length": 20, **options})


@pytest.mark.parametrize("search", ["in_file", "host"])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_order_of_the_texts_is_kept(joint, search, batch_size):
    assert copier(joint, search=search).translate(MANY, batch_size=batch_size) == MANY


@pytest.mark.parametrize("search", ["in_file", "host"])
def test_empty_texts_stay_empty(joint, search):
    translator = copier(joint, search=search)
    assert translator.translate(["", "the dog", "  ", ""]) == ["", "the dog", "", ""]
    assert translator.translate("") == ""


def test_one_text_gives_one_text_and_none_gives_none(joint):
    translator = copier(joint)
    assert translator.translate("the dog") == "the dog"
    assert translator.translate(("the dog",)) == ["the dog"]
    assert translator.translate(text for text in MANY) == MANY
    assert translator.translate([]) == []


@pytest.mark.parametrize(("limit", "batch_size", "most"), [(None, 5, 5), (2, 5, 2), (9, 5, 5)])
def test_no_batch_is_larger_than_the_runtime_takes(joint, limit, batch_size, most):
    translator = copier(joint, limit)
    assert translator.translate(MANY, batch_size=batch_size) == MANY
    assert max(rows for rows, _ in translator.runtime.shapes) == most
    assert sum(rows for rows, _ in translator.runtime.shapes) == len(MANY)


def test_texts_of_like_length_share_a_batch(joint):
    translator = copier(joint)
    translator.translate(MANY, batch_size=4)
    lengths = [length for _, length in translator.runtime.shapes]
    assert lengths == sorted(lengths)
    assert lengths[-1] == 1 + max(len(text.split()) for text in MANY)


def test_the_host_search_has_the_translators_max_length(joint):
    found = copier(joint, search="host", max_length=3).hypotheses(["the dog sees the cat here"])
    assert len(found[0].ids) == 3
    assert not found[0].finished


def test_a_hypothesis_has_ids_and_a_score(joint):
    (found,) = copier(joint).hypotheses(["the dog"])
    assert list(found.ids) == joint.source.encode("the dog")
    assert found.score == pytest.approx(-1.5)
    assert found.finished
    assert not {BOS_ID, EOS_ID} & set(found.ids)


@pytest.mark.parametrize("options", [{}, {"input_feeding": True, "cell": "lstm"}])
def test_the_two_searches_over_a_model_agree(tokenizers, options):
    model = tiny_model(sized(tokenizers, **options), tokenizers=tokenizers)
    in_file, host = (
        Translator(KerasRuntime(model, 9), tokenizers, max_length=9, search=search)
        for search in ("in_file", "host")
    )
    pairs = list(zip(in_file.hypotheses(TEXTS), host.hypotheses(TEXTS), strict=True))
    assert len({first.ids for first, _ in pairs}) > 2
    for first, second in pairs:
        assert (first.ids, first.finished) == (second.ids, second.finished)
        assert first.score == pytest.approx(second.score, abs=1e-4)


def test_a_beam_runs_on_the_host_unless_the_runtime_has_it(joint, translating_model):
    beam = BeamSearch(3, 2)
    assert copier(joint, strategy=beam).search == "host"
    assert copier(joint, strategy=Greedy()).search == "in_file"
    assert Translator.from_model(translating_model, strategy=beam).search == "in_file"
    with pytest.raises(
        ValueError, match=r"inside this copier artefact must be one of \[Greedy\(\)\]"
    ):
        copier(joint, strategy=beam, search="in_file")


def test_the_beams_of_a_model_agree_in_the_graph_and_on_the_host(translating_model):
    inside = Translator.from_model(translating_model, strategy=BeamSearch(3, 2))
    outside = Translator(
        inside.runtime, inside.tokenizers, max_length=9, search="host", strategy=BeamSearch(3, 2)
    )
    for first, second in zip(inside.n_best(TEXTS), outside.n_best(TEXTS), strict=True):
        assert [h.ids for h in first] == [h.ids for h in second]
    assert inside.translate(TEXTS) == outside.translate(TEXTS)
    assert [len(found) for found in inside.n_best(TEXTS)] == [1 if not t else 2 for t in TEXTS]


@pytest.mark.parametrize("strategy", [Greedy(), BeamSearch(3, 3)])
def test_the_score_of_what_was_found_is_its_own(translating_model, strategy):
    translator = Translator.from_model(translating_model, strategy=strategy)
    runtime = translator.runtime
    for text in filter(None, TEXTS):
        (found,) = translator.n_best([text])
        source_ids = pad_batch([[*translator.tokenizers.source.encode(text), EOS_ID]] * len(found))
        target_ids = pad_batch([[*h.ids, *[EOS_ID] * h.finished] for h in found])
        scores = score(runtime.step, runtime.encode(source_ids), target_ids)
        for given, h in zip(scores, found, strict=True):
            assert given.log_prob == pytest.approx(h.score, abs=1e-4)
            assert given.token_log_probs.shape == (len(h.ids) + h.finished,)


def test_a_stream_joined_is_the_translation(translating_model):
    translator = Translator.from_model(translating_model)
    for text in TEXTS:
        parts = list(translator.stream(text))
        assert "".join(parts) == translator.translate(text)
        assert all(parts)
        assert len(parts) > 1 or len(text) < 8


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


def test_only_a_greedy_search_streams(translating_model):
    translator = Translator.from_model(translating_model, strategy=BeamSearch(2))
    with pytest.raises(ValueError, match=r"Streaming needs strategy=Greedy\(\)"):
        next(translator.stream("the dog"))


def test_scores_do_not_depend_on_the_batch(translating_model):
    translator = Translator.from_model(translating_model)
    wanted = ["le chien", "un chat", "", "oiseau oiseau", "le"]
    together = translator.score(TEXTS, wanted)
    alone = [translator.score([a], [b])[0] for a, b in zip(TEXTS, wanted, strict=True)]
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_allclose(first.token_log_probs, second.token_log_probs, atol=1e-5)
    assert [len(s.token_log_probs) for s in together] == [3, 3, 1, 3, 2]


def test_perplexity_of_a_score():
    given = Score(np.log(np.array([0.5, 0.125], "float32")))
    assert given.log_prob == pytest.approx(np.log(0.0625))
    assert given.perplexity == pytest.approx(4)


def test_each_text_needs_a_translation_to_score(joint):
    with pytest.raises(ValueError, match="Received: 2 texts, 1 translations"):
        copier(joint).score(["the dog", "a cat"], ["le chien"])


def sized(tokenizers, **options):
    return tiny_config(
        source_vocabulary_size=tokenizers.source.vocabulary_size,
        target_vocabulary_size=tokenizers.target.vocabulary_size,
        **options,
    )


def test_only_the_host_search_tells_of_attention(translating_model):
    runtime, pair = KerasRuntime(translating_model, 9), translating_model.tokenizers
    text, length = "the dog sees", 4
    (host,) = Translator(runtime, pair, max_length=9, search="host").hypotheses([text])
    assert host.attention.shape == (len(host.ids) + host.finished, length)
    np.testing.assert_allclose(host.attention.sum(-1), 1, rtol=1e-5)
    assert Translator(runtime, pair, max_length=9).hypotheses([text])[0].attention is None


@pytest.mark.parametrize("search", ["in_file", "host"])
def test_what_else_is_in_the_batch_changes_nothing(translating_model, search):
    runtime, pair = KerasRuntime(translating_model, 9), translating_model.tokenizers
    translator = Translator(runtime, pair, max_length=9, search=search)
    alone = [translator.translate(text) for text in MANY]
    assert translator.translate(MANY, batch_size=23) == alone
    assert translator.translate(MANY[::-1], batch_size=5) == alone[::-1]
    assert len(set(alone)) > 10


def test_from_model_takes_the_configurations_max_length(translating_model):
    assert Translator.from_model(translating_model).max_length == 9
    assert Translator.from_model(translating_model, max_length=4).runtime.max_length == 4


def test_from_model_translates_as_the_model_does(translating_model):
    translator = Translator.from_model(translating_model)
    assert translator.translate(TEXTS) == translating_model.translate(TEXTS)


def test_unknown_words_are_translated_to_something(translating_model):
    assert isinstance(translating_model.translate("xylophone \ud800 \0 東"), str)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "beam"}, r"`search` must be one of \('in_file', 'host'\). Received: 'beam'"),
        ({"max_length": 0}, "`max_length` must be at least 1. Received: 0"),
    ],
)
def test_errors(joint, options, message):
    with pytest.raises(ValueError, match=message):
        copier(joint, **options)


@pytest.mark.parametrize("shape", [(2, 0), (3,), (1, 2, 3)])
@pytest.mark.parametrize("search", ["in_file", "host"])
def test_a_source_has_at_least_one_id(joint, search, shape):
    message = re.escape(f"Received: {shape}")
    with pytest.raises(ValueError, match=rf"`source_ids` must have the shape .*{message}"):
        copier(joint, search=search).search_ids(np.full(shape, EOS_ID, "int32"))


def test_the_batch_size_is_positive(joint):
    with pytest.raises(ValueError, match="`batch_size` must be at least 1. Received: 0"):
        copier(joint).translate(["the dog"], batch_size=0)


def test_a_model_without_tokenizers_is_refused():
    with pytest.raises(ValueError, match="Translating needs the tokenizers"):
        Translator.from_model(tiny_model())


def test_the_lexicon_is_in_the_tokenizers(joint):
    assert joint.joint
    assert all(1 not in joint.source.encode(word) for pair in LEXICON.items() for word in pair)
