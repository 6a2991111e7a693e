"""Beam search against exhaustive search, over steps whose log-probabilities follow the prefix."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import random_ids, tiny_model
from fake_steps import sources
from grid import grid
from hypothesis import given, settings
from hypothesis import strategies as draw
from probability_tree import Tree, both, in_graph, on_host, plain, same

from keras_seq2seq.decoding.graph.beam import beam_search as graph_search
from keras_seq2seq.decoding.host.beam import beam_search as host_search
from keras_seq2seq.decoding.host.single import single_search
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID

ops = keras.ops
# (vocabulary, max_length): so few hypotheses that 64 beams hold every candidate of a step.
WIDE_ENOUGH = [(4, 6), (5, 5), (6, 3)]
PENALTIES = [("gnmt", 0.0), ("gnmt", 0.6), ("gnmt", 2.0), ("average", 0.5), ("average", 1.0)]


@pytest.mark.parametrize(("vocabulary", "max_length"), WIDE_ENOUGH)
@pytest.mark.parametrize(("length_penalty", "alpha"), PENALTIES)
@settings(max_examples=10, deadline=None)
@given(seed=draw.integers(0, 10**6), eos=draw.sampled_from([-3.0, 0.0, 3.0]))
def test_the_full_width_finds_the_exhaustive_optimum(
    vocabulary, max_length, length_penalty, alpha, seed, eos
):
    tree = Tree(seed, vocabulary, eos=eos)
    strategy = BeamSearch(64, 3, length_penalty=length_penalty, alpha=alpha, patience=None)
    expected = tree.exhaustive(strategy, max_length)[:3]
    (found,) = on_host(tree, strategy, max_length)
    assert [h.ids for h in found] == [ids for _, ids in expected]
    np.testing.assert_allclose([h.ranking for h in found], [r for r, _ in expected], rtol=1e-5)


@pytest.mark.parametrize("case", grid(range(50), range(5)))
def test_graph_and_host_agree_on_a_thousand_sources(case):
    chance = np.random.default_rng(case)
    width = int(chance.integers(1, 6))
    strategy = BeamSearch(
        width,
        int(chance.integers(1, width + 1)),
        length_penalty=str(chance.choice(["gnmt", "average"])),
        alpha=float(chance.choice([0.0, 0.6, 1.0])),
        patience=[None, 1.0, 1.5][case % 3],
        min_length=int(chance.integers(0, 3)),
        suppress=(1,) if case % 5 == 0 else (),
        coverage_penalty=0.4 if case % 2 else 0.0,
        max_length_factor=1.2 if case % 7 == 0 else None,
        repetition_penalty=float(chance.choice([1.0, 1.0, 0.8, 1.5])),
        no_repeat_ngram_size=int(chance.choice([0, 0, 1, 2, 3])),
    )
    eos, vocabulary = float(chance.choice([-1, 0, 2])), int(chance.integers(5, 9))
    tree = Tree(case, vocabulary, rows=20, eos=eos, attends=case % 4 != 0 or case % 2 == 1)
    both(tree, strategy, int(chance.integers(1, 7)), chance.random(20) < 0.1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_one_beam_is_greedy(seed, alpha):
    tree = Tree(seed, 7, rows=30)
    empty = np.arange(30) % 10 == 9
    greedy = single_search(tree.host, tree.state, sources(30, empty), GREEDY, max_length=5)
    found = both(tree, BeamSearch(1, alpha=alpha), 5, empty)
    assert [plain(row) for row in found] == [plain(row) for row in greedy]
    np.testing.assert_allclose([row[0].score for row in found], [row[0].score for row in greedy])


def test_the_n_best_are_sorted_different_and_scored_right():
    tree = Tree(4, 8, rows=20)
    for row, found in enumerate(both(tree, BeamSearch(5, 5, patience=2.0), 6)):
        # The finished ones stand before those that max_length cut.
        order = [(h.finished, h.ranking) for h in found]
        assert order == sorted(order, reverse=True)
        assert len({h.ids for h in found}) == len(found) == 5
        for h in found:
            ids = [*h.ids, *[EOS_ID] * h.finished]
            assert h.score == pytest.approx(tree.score(ids, row), abs=1e-4)


@pytest.mark.parametrize("seed", grid(range(3), [0]))
def test_what_else_is_in_the_batch_changes_nothing(seed):
    tree = Tree(seed, 6, rows=4)
    together = both(tree, BeamSearch(3, 2), 6)
    for row in range(4):
        alone = Tree(seed, 6, rows=4)
        alone.table, alone.rows = alone.table[row : row + 1], 1
        same(both(alone, BeamSearch(3, 2), 6), together[row : row + 1])


def test_a_larger_beam_never_lowers_the_best_score_of_an_exhaustive_case():
    tree = Tree(0, 5, rows=50)
    for strategy in (BeamSearch(1, alpha=0), BeamSearch(3, alpha=0), BeamSearch(64, alpha=0)):
        found = on_host(tree, dataclasses.replace(strategy, patience=None), 5)
        exhaustive = [tree.exhaustive(strategy, 5, row)[0][0] for row in range(50)]
        gaps = [best - one[0].score for best, one in zip(exhaustive, found, strict=True)]
        # What max_length cut was never charged for its eos.
        gaps = [gap for gap, one in zip(gaps, found, strict=True) if one[0].finished]
        assert min(gaps) > -1e-5
    assert max(gaps) < 1e-5


def test_a_finished_hypothesis_never_changes():
    tree = Tree(3, 6, eos=2)
    early, late = (
        {h.ids: h.score for h in on_host(tree, BeamSearch(4, 4, patience=None), length)[0]}
        for length in (4, 6)
    )
    shared = set(early) & set(late)
    assert shared
    assert all(early[ids] == late[ids] for ids in shared)


def test_min_length_and_suppress():
    tree = Tree(1, 7, eos=4)
    (found,) = both(tree, BeamSearch(4, 4, min_length=3, suppress=(5,)), 6)
    assert all(len(h.ids) >= 3 and 5 not in h.ids for h in found if h.finished)
    assert min(len(h.ids) for h in both(tree, BeamSearch(4, 4), 6)[0]) < 3


def test_max_length_cuts_what_has_not_finished():
    tree = Tree(2, 6, eos=-50)
    (found,) = both(tree, BeamSearch(3, 3), 4)
    assert [(len(h.ids), h.finished) for h in found] == [(4, False)] * 3


def test_fewer_hypotheses_than_asked_for():
    tree = Tree(0, 4)  # of four ids only unk and eos may be chosen
    (found,) = both(tree, BeamSearch(4, 4, patience=None), 2)
    assert [(h.ids, h.finished) for h in found] != []
    assert len(found) == 3


def test_an_empty_source_gives_one_empty_translation():
    tree = Tree(0, 6, rows=2)
    found = both(tree, BeamSearch(3, 2), 5, [True, False])
    assert plain(found[0]) == [((), True)]
    assert found[0][0].score == 0
    assert len(found[1]) == 2


def test_attention_follows_the_beams():
    tree = Tree(5, 6)

    def step(ids, state):
        log_probs, state = tree.host(ids, state)
        return log_probs, {**state, "attention": ids[:, None].astype("float32")}

    strategy = BeamSearch(4, 4)
    (found,) = host_search(step, tree.state, sources(1), strategy, max_length=5)
    for h in found:
        # This attention shows the id that was read: bos, then the hypothesis itself.
        read = [BOS_ID, *h.ids][: len(h.ids) + h.finished]
        assert h.attention[:, 0].tolist() == read


def test_the_graph_stops_when_all_rows_have_ended():
    tree, calls = Tree(0, 6, eos=9), []

    def step(ids, state):
        calls.append(1)
        return tree.graph(ids, state)

    state = {name: ops.convert_to_tensor(v.astype("int32")) for name, v in tree.state.items()}
    graph_search(step, state, ops.convert_to_tensor(sources(1)), BeamSearch(1), max_length=50)
    assert len(calls) < 5


def test_a_real_model_gives_equal_hypotheses_in_graph_and_on_the_host():
    from keras_seq2seq.runtimes.keras import KerasRuntime

    model, source_ids = tiny_model(), random_ids(3, 6)
    runtime = KerasRuntime(model, 7)
    strategy = BeamSearch(4, 3, coverage_penalty=0.2)
    state = runtime.encode(source_ids)
    expected = host_search(runtime.step, state, source_ids, strategy, max_length=7)
    found = runtime.search(source_ids, strategy)
    same(found, expected)
    assert all(h.attention.shape == (len(h.ids) + h.finished, 6) for row in found for h in row)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "`beam_size` must be 1 to 64. Received: 0"),
        ({"beam_size": 65}, "`beam_size` must be 1 to 64. Received: 65"),
        ({"num_hypotheses": 5}, "`num_hypotheses` must be 1 to `beam_size`. Received: 5 of 4"),
        ({"length_penalty": "log"}, "`length_penalty` must be one of .*Received: 'log'"),
        ({"alpha": -1.0}, "`alpha` must be finite and at least 0. Received: -1.0"),
        ({"patience": 0.5}, "`patience` must be at least 1, or None. Received: 0.5"),
        ({"min_length": -1}, "`min_length` must be at least 0. Received: -1"),
        ({"coverage_penalty": -1.0}, "`coverage_penalty` must be finite and at least 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        BeamSearch(**options)


@pytest.mark.parametrize("search", [on_host, in_graph])
def test_only_ids_of_the_vocabulary_can_be_suppressed(search):
    with pytest.raises(ValueError, match=r"`suppress` must hold ids from 0 to 5. Received: \[6\]"):
        search(Tree(0, 6), BeamSearch(2, suppress=(5, 6)), 3)


def test_all_faults_come_at_once():
    with pytest.raises(ValueError, match="(?s)`beam_size`.*`alpha`.*`min_length`"):
        BeamSearch(beam_size=0, alpha=-1, min_length=-1)
