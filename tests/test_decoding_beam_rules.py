"""What a beam search can be told, beside its size: coverage, prefixes, sizes as tensors."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import random_ids, tiny_config, tiny_model
from probability_tree import Tree, both, in_graph, on_host, plain, same

from keras_seq2seq.decoding.graph.beam import BeamSizes
from keras_seq2seq.decoding.hypothesis import cut
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.text.vocabulary import EOS_ID

ops = keras.ops


def test_a_coverage_penalty_is_that_of_its_formula():
    tree = Tree(7, 6, rows=10, attends=True)
    for row, found in enumerate(both(tree, BeamSearch(6, 6, coverage_penalty=0.5), 5)):
        for h in (h for h in found if h.finished):
            covered = np.minimum(h.attention.sum(0), 1)[tree.mask[row]]
            lp = ((5 + len(h.ids) + 1) / 6) ** 0.6
            assert h.ranking == pytest.approx(h.score / lp + 0.5 * np.log(covered).sum(), abs=1e-4)


def test_a_coverage_penalty_changes_the_order():
    tree = Tree(7, 6, rows=30, attends=True)
    without = both(tree, BeamSearch(6, 2), 5)
    with_it = both(tree, BeamSearch(6, 2, coverage_penalty=1.0), 5)
    assert [plain(row) for row in without] != [plain(row) for row in with_it]


@pytest.mark.parametrize("search", [on_host, in_graph])
def test_only_a_model_that_attends_has_coverage(search):
    def real(*_):
        from keras_seq2seq.runtimes.keras import KerasRuntime

        model = tiny_model(tiny_config(context="last"))
        KerasRuntime(model, 7).search(random_ids(1, 4), BeamSearch(2, coverage_penalty=0.1))

    run = real if search is in_graph else search
    with pytest.raises(ValueError, match="A coverage penalty needs a model that attends"):
        run(Tree(0, 6), BeamSearch(2, coverage_penalty=0.1), 3)


def test_a_beam_larger_than_the_vocabulary_is_as_wide_as_there_are_hypotheses():
    tree = Tree(3, 5)
    (narrow,) = both(tree, BeamSearch(20, 20, patience=None), 3)
    (wide,) = both(tree, BeamSearch(64, 64, patience=None), 3)
    assert plain(narrow) == plain(wide)[: len(narrow)]
    assert len(wide) < 64


def test_sizes_may_be_tensors():
    tree = Tree(2, 7, rows=5, attends=True)
    strategy = BeamSearch(5, 3, alpha=1.2, patience=1.5, coverage_penalty=0.2)
    sizes = BeamSizes(
        ops.convert_to_tensor(5), ops.convert_to_tensor(3), ops.convert_to_tensor(1.2)
    )
    other = dataclasses.replace(strategy, beam_size=2, num_hypotheses=1, alpha=0.0)
    found = cut(**in_graph(tree, other, 6, sizes=sizes))
    same(found, on_host(tree, strategy, 6))


def test_where_nothing_may_be_chosen_the_live_ones_are_cut():
    everything = tuple(range(6))
    (found,) = both(Tree(0, 6), BeamSearch(3, 3, suppress=everything), 4)
    assert plain(found) == [((), False)]
    once = BeamSearch(3, 3, no_repeat_ngram_size=1, suppress=(EOS_ID,))
    (found,) = both(Tree(0, 6), once, 5)
    assert {tuple(sorted(h.ids)) for h in found} == {(1, 4, 5)}
    assert not any(h.finished for h in found)


def test_prefixes_are_forced():
    tree = Tree(6, 8, rows=3)
    prefixes = [[4, 5, 6], [], [7]]
    found = on_host(tree, BeamSearch(4, 4), 6, prefixes=prefixes)
    for row, prefix in enumerate(prefixes):
        assert len(found[row]) == 4
        for h in found[row]:
            assert list(h.ids[: len(prefix)]) == prefix
            ids = [*h.ids, *[EOS_ID] * h.finished]
            assert h.score == pytest.approx(tree.score(ids, row), abs=1e-4)
    assert plain(found[1]) == plain(on_host(tree, BeamSearch(4, 4), 6)[1])


@pytest.mark.parametrize("beams", [1, 3])
def test_nan_is_named_with_its_step(beams):
    tree = Tree(0, 6, rows=3, eos=-9)

    def broken(step):
        def call(ids, state):
            log_probs, new = step(ids, state)
            wrong = (new["prefix"][:, :1] * 0 + state["count"] == 2) & (state["row"] == 1)
            nan = ops if "keras" in type(log_probs).__module__ or step == tree.graph else np
            log_probs = nan.where(wrong, np.float32("nan"), log_probs)
            return log_probs, {**new, "count": state["count"] + 1}

        return call

    class Broken(Tree):
        state = property(lambda self: {**tree.state, "count": np.zeros((3, 1), "int64")})

    case = Broken(0, 6, rows=3, eos=-9)
    case.host, case.graph = broken(tree.host), broken(tree.graph)
    for run in (on_host, lambda *given: cut(**in_graph(*given))):
        with pytest.raises(ValueError, match="returned NaN at step 3 of the decoder"):
            run(case, BeamSearch(beams), 5)
        assert run(case, BeamSearch(beams), 2)
