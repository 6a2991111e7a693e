"""What every strategy can be told: lengths, repetition, prefixes, numbers that are none."""

import itertools

import numpy as np
import pytest
from fake_steps import (
    VOCABULARY,
    both,
    follow,
    in_graph,
    on_host,
    random_table,
)
from grid import grid

from keras_seq2seq.decoding.hypothesis import cut_single
from keras_seq2seq.decoding.strategies import Greedy, Sampling
from keras_seq2seq.text.vocabulary import EOS_ID

RULES = {
    "min_length": {"min_length": 3},
    "suppress": {"suppress": (5, 6)},
    "factor": {"max_length_factor": 0.6},
    "repetition": {"repetition_penalty": 3.0},
    "bigrams": {"no_repeat_ngram_size": 2},
    "tokens": {"no_repeat_ngram_size": 1},
    "all": {
        "min_length": 2,
        "suppress": (7,),
        "max_length_factor": 1.5,
        "repetition_penalty": 1.4,
        "no_repeat_ngram_size": 2,
    },
}


@pytest.mark.parametrize("name", grid(RULES, ["all", "factor"]))
def test_graph_and_host_agree_on_every_rule(name):
    rules = RULES[name]
    for case in range(15):
        table, is_empty = random_table(case, most_rows=20)
        options = {"is_empty": is_empty, "max_length": table.shape[1]}
        both(table, strategy=Greedy(**rules), **options)
        both(table, strategy=Sampling(0.7, 4, 0.9, seed=case, **rules), **options)


def test_min_length_puts_eos_off():
    rows = both(follow([5, EOS_ID, EOS_ID, 7]), strategy=Greedy(min_length=2))
    assert (rows[0][0][0], len(rows[0][0]), rows[0][2]) == (5, 2, True)


def test_the_longest_length_may_be_a_factor_of_the_source():
    table = follow([5, 6, 7, 4], [6, 7, 4, 5])
    rows = both(table, strategy=Greedy(max_length_factor=0.6))  # of 4 tokens: 2.4, so 3
    assert [(ids, finished) for ids, _, finished in rows] == [
        ([5, 6, 7], False),
        ([6, 7, 4], False),
    ]
    assert len(both(table, strategy=Greedy(max_length_factor=9))[0][0]) == 4
    assert len(both(table, strategy=Greedy(max_length_factor=0.01))[0][0]) == 1


def test_a_repetition_penalty_prefers_what_was_not_said():
    table = follow([5, 5, EOS_ID, 4])
    table[0, 1, 6] = -0.9
    assert both(table)[0][0] == [5, 5]
    ids, score, _ = both(table, strategy=Greedy(repetition_penalty=2.0))[0]
    assert ids == [5, 6]
    assert score == pytest.approx(-0.5 - 0.9 - 0.5)  # the score is the model's own


def test_no_sequence_of_tokens_comes_twice():
    table = follow(*[[5, 6, 5, 6, 5, 6]])
    (ids, _, _) = both(table, strategy=Greedy(no_repeat_ngram_size=2), max_length=6)[0]
    pairs = list(itertools.pairwise(ids))
    assert len(set(pairs)) == len(pairs)
    assert ids[:3] == [5, 6, 5]


def test_where_nothing_may_be_chosen_the_translation_is_cut():
    everything = tuple(range(VOCABULARY))
    assert both(follow([5, 6, 7, 4]), strategy=Greedy(suppress=everything)) == [([], 0.0, False)]
    once = Greedy(no_repeat_ngram_size=1, suppress=(1, EOS_ID, 6, 7))
    assert both(follow([5, 4, 5, 4]), strategy=once)[0][::2] == ([5, 4], False)


def test_a_prefix_is_forced_and_counted():
    table = follow([5, 6, EOS_ID, 7], [6, EOS_ID, 4, 4])
    found, _ = on_host(table, prefixes=[[4, 7], []])
    assert [(h.ids, h.finished) for h in found] == [((4, 7), True), ((6,), True)]
    assert found[0].score == -9 - 9 - 0.5
    cut, _ = on_host(table, prefixes=[[4, 7, 5, 6], [4]])
    assert [(h.ids, h.finished) for h in cut] == [((4, 7, 5, 6), False), ((4,), True)]


def test_a_prefix_goes_before_the_rules():
    rules = Greedy(suppress=(4,), no_repeat_ngram_size=1, max_length_factor=0.1)
    found, _ = on_host(follow([5, 6, EOS_ID, 7]), prefixes=[[4, 4]], strategy=rules)
    assert (found[0].ids, found[0].finished) == ((4, 4), True)


def test_nan_is_named_with_its_step():
    table = follow([5, 6, EOS_ID, 7], [5, EOS_ID, 4, 4])
    table[0, 2] = np.nan
    message = "returned NaN at step 3 of the decoder"
    with pytest.raises(ValueError, match=message):
        on_host(table)
    with pytest.raises(ValueError, match=message):
        cut_single(**in_graph(table))
    table = follow([5, EOS_ID, 6, 7])
    table[0, 2:] = np.nan  # after the end nothing is read
    assert both(table)[0][0] == [5]


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (Sampling, {"temperature": 0.0}, "`temperature` must be finite and above 0. Received: 0.0"),
        (Sampling, {"top_k": -1}, "`top_k` must be at least 0. Received: -1"),
        (Sampling, {"top_p": 0.0}, "`top_p` must be above 0 and at most 1. Received: 0.0"),
        (Sampling, {"top_p": 1.5}, "`top_p` must be above 0 and at most 1. Received: 1.5"),
        (Sampling, {"seed": -1}, "`seed` must be at least 0. Received: -1"),
        (Greedy, {"min_length": -1}, "`min_length` must be at least 0. Received: -1"),
        (Greedy, {"max_length_factor": 0.0}, "`max_length_factor` must be finite and above 0"),
        (Greedy, {"repetition_penalty": 0.0}, "`repetition_penalty` must be finite and above 0"),
        (Greedy, {"no_repeat_ngram_size": -1}, "`no_repeat_ngram_size` must be at least 0"),
    ],
)
def test_errors(strategy, options, message):
    with pytest.raises(ValueError, match=message):
        strategy(**options)


def test_all_faults_come_at_once():
    with pytest.raises(ValueError, match="(?s)Sampling:.*`temperature`.*`seed`.*`min_length`"):
        Sampling(temperature=-1, seed=-1, min_length=-1)


def test_a_strategy_names_what_is_not_a_default():
    assert repr(Greedy()) == "Greedy()"
    strategy = Sampling(0.5, seed=3, min_length=2)
    assert repr(strategy) == "Sampling(min_length=2, temperature=0.5, seed=3)"
    assert eval(repr(strategy)) == strategy
