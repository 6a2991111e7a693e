import collections

import pytest
from conftest import word_pairs

from keras_seq2seq import Tokenizer, TokenizerPair
from keras_seq2seq.text.reservoir import reservoir


def test_few_things_are_all_kept_in_their_order():
    for count in (0, 1, 9, 10):
        assert reservoir(iter(range(count)), 10, 0) == list(range(count))


def test_a_sample_repeats_with_its_seed_and_reads_everything():
    items = iter(range(1000))
    found = reservoir(items, 10, 4)
    assert len(set(found)) == 10
    assert next(items, None) is None
    assert reservoir(range(1000), 10, 4) == found != reservoir(range(1000), 10, 5)


def test_each_thing_has_the_same_chance():
    counts = collections.Counter(i for seed in range(3000) for i in reservoir(range(20), 5, seed))
    # 750 on average; 24 is a standard deviation.
    assert all(630 < counts[i] < 870 for i in range(20))


@pytest.mark.parametrize(("size", "seed"), [(0, 0), (5, -1)])
def test_ranges(size, seed):
    message = f"at least 0. Received: max_sentences={size}, seed={seed}"
    with pytest.raises(ValueError, match=message):
        reservoir([1], size, seed)


def test_a_tokenizer_of_a_sample_knows_the_sample_alone():
    texts = [f"word{chr(97 + i)}" for i in range(26)]
    options = {"level": "word", "max_sentences": 5}
    first, again, other = (Tokenizer.train(texts, **options, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first.vocabulary_size == 4 + 5


def test_a_sample_of_pairs_keeps_both_sides_together():
    pairs = [(f"source{chr(97 + i)}", f"target{chr(97 + i)}") for i in range(26)]
    options = {"source_level": "word", "target_level": "word", "max_sentences": 4}
    found = TokenizerPair.train(iter(pairs), **options)
    sides = [{t.piece(i)[-1] for i in range(4, 8)} for t in (found.source, found.target)]
    assert sides[0] == sides[1]


def test_enough_sentences_change_nothing():
    pairs = word_pairs(300)
    assert TokenizerPair.train(pairs, 285, max_sentences=300) == TokenizerPair.train(pairs, 285)
