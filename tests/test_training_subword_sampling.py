import itertools
import pickle
from collections import Counter

import numpy as np
import pytest
from conftest import word_pairs

from keras_seq2seq import Tokenizer
from keras_seq2seq.training import subword_sampling
from keras_seq2seq.training.ragged import Ragged
from keras_seq2seq.training.subword_sampling import SubwordSampler

TEXTS = [source for source, _ in word_pairs(40, seed=5)]


@pytest.fixture(scope="module")
def tokenizer(subword_tokenizers):
    return subword_tokenizers.source


def draw(sampler, texts=TEXTS, seed=0):
    generator = np.random.default_rng(seed)
    return [sampler.sample(ids, generator) for ids in sampler.tokenizer.encode(texts)]


def test_draws_repeat_with_their_seed_and_keep_the_text(tokenizer):
    sampler, twin = SubwordSampler(tokenizer, 0.2), SubwordSampler(tokenizer, 0.2)
    assert draw(sampler) == draw(sampler) == draw(twin)
    assert draw(sampler) != draw(sampler, seed=1)
    assert draw(sampler) != tokenizer.encode(TEXTS)
    assert tokenizer.decode(draw(sampler)) == TEXTS


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_shares_are_the_powers_of_the_probabilities(tokenizer, alpha):
    found = tokenizer.segmentations("bird", 32)
    powers = np.exp(alpha * np.array([log_prob for _, log_prob in found]))
    drawn = Counter(map(tuple, draw(SubwordSampler(tokenizer, alpha), ["bird"] * 4000)))
    shares = [drawn[ids] / 4000 for ids, _ in found]
    np.testing.assert_allclose(shares, powers / powers.sum(), atol=0.03)


@pytest.mark.parametrize(
    "text", ["", "bird", "\U0001f426 bird \U0001f426bird", "e\u0301te ½ x\u00b4y"]
)
def test_every_text_is_kept(tokenizer, text):
    expected = tokenizer.decode(tokenizer.encode(text))
    for seed in range(20):
        assert tokenizer.decode(draw(SubwordSampler(tokenizer, 0.0), [text], seed)) == [expected]


def test_symbols_of_the_user_stay_whole():
    pairs = word_pairs(300)
    tokenizer = Tokenizer.train((s for s, _ in pairs), 290, user_defined_symbols=["<2fr>"])
    symbol = tokenizer.encode("<2fr>")[-1]
    for seed in range(20):
        (ids,) = draw(SubwordSampler(tokenizer, 0.0), ["<2fr> the bird"], seed)
        assert ids.count(symbol) == 1


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_alpha_has_a_range(tokenizer, alpha):
    with pytest.raises(ValueError, match=f"`alpha` must be 0 to 1. Received: {alpha}"):
        SubwordSampler(tokenizer, alpha)


def test_other_levels_are_refused(tokenizers):
    with pytest.raises(ValueError, match='need a model of the level "subword"'):
        SubwordSampler(tokenizers.source, 0.5)


def test_several_texts_at_once_are_drawn_like_one_after_the_other(tokenizer):
    rows = tokenizer.encode(["", *TEXTS, "", "bird \U0001f426", ""])
    sampler = SubwordSampler(tokenizer, 0.2)
    one, other = np.random.default_rng(0), np.random.default_rng(0)
    found = sampler.sample_rows(Ragged.of(rows), one)
    assert [found[i].tolist() for i in range(len(found))] == [
        sampler.sample(r, other) for r in rows
    ]
    assert one.random() == other.random()


def test_what_is_forgotten_is_drawn_the_same_again(tokenizer, monkeypatch):
    expected = [draw(SubwordSampler(tokenizer, 0.2), seed=seed) for seed in range(4)]
    monkeypatch.setattr(subword_sampling, "MOST_TOKENS", 300)
    sampler = SubwordSampler(tokenizer, 0.2)
    assert [draw(sampler, seed=seed) for seed in range(4)] == expected
    assert sampler._known.tokens.size < 3 * 300


def test_a_copy_in_another_process_draws_the_same(tokenizer):
    sampler = SubwordSampler(tokenizer, 0.2)
    assert draw(pickle.loads(pickle.dumps(sampler))) == draw(sampler)


@pytest.mark.parametrize("steps", range(8, 12))
def test_ctrl_c_while_a_word_is_learned_changes_no_draw(tokenizer, monkeypatch, steps):
    sampler = SubwordSampler(tokenizer, 0.2)
    plain = subword_sampling._Growing.extend
    calls = itertools.count()

    def extend(self, values):
        if next(calls) == steps:
            raise KeyboardInterrupt
        plain(self, values)

    monkeypatch.setattr(subword_sampling._Growing, "extend", extend)
    with pytest.raises(KeyboardInterrupt):
        draw(sampler)
    assert draw(sampler) == draw(SubwordSampler(tokenizer, 0.2))
