import re

import numpy as np
import pytest
from conftest import LEXICON, TEXTS, tiny_config, tiny_model, word_pairs, word_tokenizers
from copier import Copier

from keras_seq2seq import BeamSearch, Greedy, Sampling, Translator
from keras_seq2seq.decoding.host.scoring import Score, score
from keras_seq2seq.runtimes.keras import KerasRuntime
from keras_seq2seq.text.tokenizer import pad_batch
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID

MANY = [source for source, _ in word_pairs(23, seed=5, longest=8)]


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
    translator = copier(joint, search="host", max_length=3)
    ((found,),) = translator.n_best(["the dog sees the cat here"])
    assert len(found.hypothesis.ids) == 3
    assert not found.hypothesis.finished


def test_a_hypothesis_has_ids_and_a_score(joint):
    ((found,),) = copier(joint).n_best(["the dog"])
    assert list(found.hypothesis.ids) == joint.source.encode("the dog")
    assert found.score == pytest.approx(-1.5)
    assert found.confidence == pytest.approx(np.exp(-0.5))
    assert found.hypothesis.finished
    assert not {BOS_ID, EOS_ID} & set(found.hypothesis.ids)


@pytest.mark.parametrize("options", [{}, {"input_feeding": True, "cell": "lstm"}])
def test_the_two_searches_over_a_model_agree(tokenizers, options):
    model = tiny_model(sized(tokenizers, **options), tokenizers=tokenizers)
    in_file, host = (
        Translator(KerasRuntime(model, 9), tokenizers, max_length=9, search=search)
        for search in ("in_file", "host")
    )
    inside, outside = ids_of(in_file.n_best(TEXTS)), ids_of(host.n_best(TEXTS))
    assert inside == outside
    assert len(set(map(tuple, inside))) > 2


def test_a_beam_runs_on_the_host_unless_the_runtime_has_it(joint, translating_model):
    beam = BeamSearch(3, 2)
    assert copier(joint, strategy=beam).search == "host"
    assert copier(joint, strategy=Greedy()).search == "in_file"
    assert Translator.from_model(translating_model, strategy=beam).search == "in_file"
    with pytest.raises(ValueError, match="Received: a copier artefact without BeamSearch"):
        copier(joint, strategy=beam, search="in_file")


def test_the_beams_of_a_model_agree_in_the_graph_and_on_the_host(translating_model):
    inside = Translator.from_model(translating_model, strategy=BeamSearch(3, 2))
    outside = Translator(
        inside.runtime, inside.tokenizers, max_length=9, search="host", strategy=BeamSearch(3, 2)
    )
    assert ids_of(inside.n_best(TEXTS)) == ids_of(outside.n_best(TEXTS))
    assert inside.translate(TEXTS) == outside.translate(TEXTS)
    assert [len(found) for found in inside.n_best(TEXTS)] == [1 if not t else 2 for t in TEXTS]


@pytest.mark.parametrize("strategy", [Greedy(), BeamSearch(3, 3)])
def test_the_score_of_what_was_found_is_its_own(translating_model, strategy):
    translator = Translator.from_model(translating_model, strategy=strategy)
    runtime = translator.runtime
    for text in filter(None, TEXTS):
        (found,) = translator.n_best([text])
        source_ids = pad_batch([[*translator.tokenizers.source.encode(text), EOS_ID]] * len(found))
        hypotheses = [one.hypothesis for one in found]
        target_ids = pad_batch([[*h.ids, *[EOS_ID] * h.finished] for h in hypotheses])
        scores = score(runtime.step, runtime.encode(source_ids), target_ids)
        for given, h in zip(scores, hypotheses, strict=True):
            assert given.log_prob == pytest.approx(h.score, abs=1e-4)
            np.testing.assert_allclose(given.token_log_probs, h.token_log_probs, atol=1e-4)


@pytest.mark.parametrize("window", [1, 2, 5, 100])
@pytest.mark.parametrize("search", ["in_file", "host"])
def test_any_window_gives_the_same_in_the_same_order(joint, search, window):
    found = copier(joint, search=search).iterate(iter(MANY), batch_size=4, window=window)
    assert [one.text for (one,) in found] == MANY


def test_no_more_than_a_window_is_read_and_kept(joint):
    read = []

    def texts():
        for i in range(10_000):
            read.append(i)
            yield MANY[i % len(MANY)]

    found = copier(joint).iterate(texts(), window=7)
    for i in range(50):
        assert next(found)[0].text == MANY[i % len(MANY)]
        assert len(read) <= i + 7
    found.close()


def test_a_batch_keeps_to_its_budget_of_tokens(joint):
    translator = copier(joint)
    list(translator.iterate(MANY, tokens_per_batch=12))
    shapes = translator.runtime.shapes
    assert all(rows * length <= 12 or rows == 1 for rows, length in shapes)
    assert any(rows > 1 for rows, _ in shapes)
    list(translator.iterate(MANY, tokens_per_batch=1))
    assert all(rows == 1 for rows, _ in shapes[-len(MANY) :])


def test_translations_begin_with_their_prefixes(translating_model):
    for strategy in (Greedy(), BeamSearch(3, 2), Sampling(seed=1)):
        translator = Translator.from_model(translating_model, strategy=strategy)
        for text, n_best in zip(TEXTS, translator.n_best(TEXTS, prefixes="un"), strict=True):
            assert all(one.text.startswith("un") if text else not one.text for one in n_best)
        chat = translator.tokenizers.target.encode("chat")
        each = translator.translate(["the dog", "a cat", "bird"], prefixes=["le", chat, ""])
        assert each[0].startswith("le") and each[1].startswith("chat")
        assert each[2] == translator.translate("bird")


@pytest.mark.parametrize("parts", [1, 3])
def test_a_translation_goes_on_from_its_own_beginning(translating_model, parts):
    translator = Translator.from_model(translating_model)
    for text in filter(None, TEXTS):
        whole = translator.translate(text)
        begun = " ".join(whole.split()[:parts])
        assert translator.translate(text, prefixes=begun) == whole


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        (["le", "un"], "one prefix for each text. Received: 2 prefixes, 1 texts"),
        ([[99]], r"ids below 17 that are neither pad, bos nor eos. Received: \[99\]"),
        ([[5, 3]], r"neither pad, bos nor eos. Received: \[3\]"),
        ([[-1]], r"Received: \[-1\]"),
        (["le " * 10], "at most `max_length` tokens, 9. Received: 10"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused(translating_model, prefixes, message):
    translator = Translator.from_model(translating_model)
    with pytest.raises(ValueError, match=message):
        translator.translate(["the dog"], prefixes=prefixes)


def test_scores_do_not_depend_on_the_batch(translating_model):
    translator = Translator.from_model(translating_model)
    wanted = ["le chien", "un chat", "", "oiseau oiseau", "le"]
    together = translator.score(TEXTS, wanted)
    alone = [translator.score([a], [b])[0] for a, b in zip(TEXTS, wanted, strict=True)]
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_allclose(first.token_log_probs, second.token_log_probs, atol=3e-5)
    assert [len(s.token_log_probs) for s in together] == [3, 3, 1, 3, 2]


def test_perplexity_of_a_score():
    given = Score(np.log(np.array([0.5, 0.125], "float32")))
    assert given.log_prob == pytest.approx(np.log(0.0625))
    assert given.perplexity == pytest.approx(4)


def test_the_perplexity_of_a_score_is_finite():
    assert Score(np.array([-200.0], "float32")).perplexity == np.finfo("float32").max


def test_a_translation_longer_than_the_caches_is_refused(tokenizers):
    config = tiny_config(encoder="transformer", decoder="transformer", num_heads=2)
    translator = Translator.from_model(tiny_model(config, scale=1.0, tokenizers=tokenizers))
    assert len(translator.score(["the dog"], ["le " * 8])[0].token_log_probs) == 9
    with pytest.raises(ValueError, match="at most 9 tokens, eos included: .* Received: 10 tokens"):
        translator.score(["the dog"], ["le " * 9])


def test_each_text_needs_a_translation_to_score(joint):
    with pytest.raises(ValueError, match="Received: 2 texts, 1 translations"):
        copier(joint).score(["the dog", "a cat"], ["le chien"])


def sized(tokenizers, **options):
    return tiny_config(
        source_vocabulary_size=tokenizers.source.vocabulary_size,
        target_vocabulary_size=tokenizers.target.vocabulary_size,
        **options,
    )


def ids_of(found):
    return [[one.hypothesis.ids for one in row] for row in found]


@pytest.mark.parametrize("strategy", [Greedy(), BeamSearch(3, 2), Sampling(seed=2)])
@pytest.mark.parametrize("search", ["in_file", "host"])
def test_attention_is_over_the_tokens_of_the_source(translating_model, strategy, search):
    runtime, pair = KerasRuntime(translating_model, 9), translating_model.tokenizers
    options = {"max_length": 9, "search": search, "strategy": strategy}
    for row in Translator(runtime, pair, **options).n_best(["the dog sees", "a", "the dog"]):
        for found in row:
            shape = len(found.target_tokens), len(found.source_tokens)
            assert found.attention.shape == shape
            np.testing.assert_allclose(found.attention.sum(-1), 1, rtol=1e-5)


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
