import keras
import numpy as np
import pytest
from conftest import random_ids, tiny_config, tiny_model
from fake_steps import (
    DYNAMIC,
    Fake,
    both,
    both_found,
    follow,
    in_graph,
    on_host,
    random_table,
    sources,
)

from keras_seq2seq.decoding.graph import rules as graph_rules
from keras_seq2seq.decoding.graph import single as graph
from keras_seq2seq.decoding.graph.translate import forced_log_probs, translate
from keras_seq2seq.decoding.host import rules as host_rules
from keras_seq2seq.decoding.host import single as host
from keras_seq2seq.decoding.hypothesis import cut_single
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

ops = keras.ops


def test_the_likeliest_ids_until_eos():
    assert both(follow([5, 6, EOS_ID, 7])) == [([5, 6], -1.5, True)]


def test_the_graph_writes_eos_and_then_zeros():
    found = in_graph(follow([5, EOS_ID, 7, 7], [6, 7, 4, EOS_ID]))
    assert found["target_ids"].tolist() == [[5, EOS_ID, 0, 0], [6, 7, 4, EOS_ID]]
    assert found["target_ids"].dtype == np.int32
    assert found["scores"].dtype == np.float32
    assert found["finished"].tolist() == [True, True]


def test_an_ended_row_is_frozen_while_others_go_on():
    rows = both(follow([5, EOS_ID, 7, 7], [6, 7, 4, EOS_ID]))
    assert rows == [([5], -1.0, True), ([6, 7, 4], -2.0, True)]


def test_ended_rows_leave_the_batch_when_half_of_it_has():
    table = follow([5, EOS_ID, 7, 7], [6, 7, 4, EOS_ID], [6, 5, 4, EOS_ID])
    _, step = on_host(table)
    assert step.calls == [[BOS_ID] * 3, [5, 6, 6], [EOS_ID, 7, 5], [PAD_ID, 4, 4]]
    table = follow([5, EOS_ID, 7, 7], [6, 7, 4, EOS_ID])
    found, step = on_host(table)
    assert step.calls == [[BOS_ID, BOS_ID], [5, 6], [7], [4]]
    assert [h.ids for h in found] == [(5,), (6, 7, 4)]


@pytest.mark.parametrize("never", [PAD_ID, BOS_ID])
def test_never_padding_and_never_bos(never):
    table = follow([5, EOS_ID, 4, 4])
    table[:, :, never] = -0.1
    assert both(table) == [([5], -1.0, True)]


def test_of_equals_the_smallest_id():
    table = follow([6, 5, EOS_ID, 4])
    table[0, 0, [4, 7]] = -0.5
    table[0, 1, EOS_ID] = -0.5
    assert both(table) == [([4], -1.0, True)]


def test_unk_may_be_chosen():
    assert both(follow([1, EOS_ID, 4, 4])) == [([1], -1.0, True)]


@pytest.mark.parametrize("max_length", [1, 2, 3])
def test_max_length_cuts_and_says_so(max_length):
    expected = [([5, 6, 7][:max_length], -0.5 * max_length, False)]
    assert both(follow([5, 6, 7, EOS_ID]), max_length=max_length) == expected
    assert in_graph(follow([5] * 4), max_length=max_length)["target_ids"].shape == (1, max_length)


def test_eos_as_the_last_allowed_token_ends():
    assert both(follow([5, 6, EOS_ID, 7]), max_length=3) == [([5, 6], -1.5, True)]


def test_empty_rows_stay_empty():
    rows = both(follow([5, EOS_ID, 7, 7], [6, 7, 4, EOS_ID]), is_empty=[True, False])
    assert rows == [([], 0.0, True), ([6, 7, 4], -2.0, True)]
    found = in_graph(follow([5] * 4, [6, EOS_ID, 4, 4]), is_empty=[True, False])
    assert found["target_ids"].tolist() == [[0] * 4, [6, EOS_ID, 0, 0]]


def test_only_empty_rows_take_no_step():
    found, step = on_host(follow([5] * 4, [6] * 4), is_empty=[True, True])
    assert step.calls == []
    assert [h.ids for h in found] == [(), ()]
    assert both(follow([5] * 4), is_empty=[True]) == [([], 0.0, True)]


def test_the_host_stops_when_all_rows_have_ended():
    _, step = on_host(follow([5, EOS_ID, 7, 7], [EOS_ID] * 4), max_length=4)
    assert len(step.calls) == 2


def test_the_graph_stops_when_all_rows_have_ended():
    # NaN * 0 is NaN: a step too many would show in the scores.
    table = follow([5, EOS_ID, 7, 7])
    table[:, 2:] = np.nan
    assert both(table) == [([5], -1.0, True)]
    calls = []

    def step(ids, state):
        calls.append(int(state["state_0"][0, 0]))
        return Fake(table).graph(ids, state)

    zeros = ops.zeros((1, 1), "int32")
    ids = ops.convert_to_tensor(sources(1))
    graph.single_search(step, {"state_0": zeros}, ids, GREEDY, max_length=4, source={"row": zeros})
    assert calls == [0, 1]


@pytest.mark.skipif(len(DYNAMIC) == 1, reason="JAX cannot change shapes in a loop")
def test_rows_that_have_ended_leave_the_batch():
    table = follow([EOS_ID] * 6, [5, EOS_ID] * 3, [5, 6, 7, 4, EOS_ID, 5], [5, 6, EOS_ID] * 2)
    rows = []

    def step(ids, state):
        rows.append(ops.convert_to_numpy(state["row"])[:, 0].tolist())
        return Fake(table).graph(ids, state)

    found = graph.single_search(
        step,
        {"state_0": ops.zeros((4, 1), "int32")},
        ops.convert_to_tensor(sources(4)),
        GREEDY,
        max_length=6,
        source={"row": ops.arange(4, dtype="int32")[:, None]},
        dynamic=True,
    )
    assert rows == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [2], [2]]
    lengths = (ops.convert_to_numpy(found["target_ids"]) != 0).sum(axis=1)
    assert lengths.tolist() == [1, 2, 5, 3]


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_graph_and_host_agree(first):
    for case in range(first, first + 10):
        table, is_empty = random_table(case, most_rows=20)
        both(table, is_empty=is_empty, max_length=table.shape[1])


def test_attention_has_a_row_for_each_token_eos_included():
    weights = np.random.default_rng(0).random((3, 4, 5)).astype("float32")
    table = follow([5, EOS_ID, 7, 7], [6, 7, 4, 5], [5] * 4)
    found = both_found(table, is_empty=[False, False, True], attention=weights)
    assert [h.attention.shape for h in found] == [(2, 5), (4, 5), (0, 5)]
    np.testing.assert_array_equal(found[0].attention, weights[0, :2])


def test_nothing_attends_without_attention():
    found, _ = on_host(follow([5, EOS_ID, 7, 7]))
    assert found[0].attention is None


def test_the_host_search_changes_no_argument():
    state = {"row": np.zeros((1, 1), int), "state_0": np.zeros((1, 1), "int32")}
    ids = sources(1)
    host.single_search(Fake(follow([5, EOS_ID])).host, state, ids, GREEDY, max_length=2)
    np.testing.assert_array_equal(ids, sources(1))
    assert state["state_0"].tolist() == [[0]]


@pytest.mark.parametrize("module", [graph_rules, host_rules])
def test_a_source_of_eos_and_padding_is_empty(module):
    ids = np.array([[3, 0, 0], [0, 0, 0], [5, 3, 0], [1, 3, 0], [3, 5, 0]], "int32")
    found = module.is_empty_source(ids)
    assert np.asarray(found).tolist() == [True, True, False, False, False]


def test_hypotheses_leave_out_bos_eos_and_padding():
    ids = np.array([[5, 6, EOS_ID, 0], [5, 6, 7, 4]], "int32")
    scores, finished = np.array([-1.0, -2.0]), np.array([True, False])
    (first,), (second,) = cut_single(ids, scores, finished, np.full((2, 4), -0.5))
    assert (first.ids, first.score, first.finished) == ((5, 6), -1.0, True)
    assert (second.ids, second.score, second.finished) == ((5, 6, 7, 4), -2.0, False)


def score_in_training(model, source_ids, hypothesis):
    """Returns log P(y | x) of one hypothesis by the training graph."""
    ids = [*hypothesis.ids, *[EOS_ID] * hypothesis.finished]
    target = np.array([[BOS_ID, *ids[:-1]]], "int32")
    inputs = {"source_ids": source_ids, "target_ids": target}
    inputs = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    log_probs = ops.convert_to_numpy(ops.log_softmax(model(inputs)))[0]
    return log_probs[np.arange(len(ids)), ids].sum()


def test_the_score_is_the_log_probability_of_the_training_graph():
    model, source_ids = tiny_model(), random_ids(4, 6)
    found = translate(model.encoder, model.decoder_step, source_ids, max_length=7)
    arrays = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    for row, (hypothesis,) in enumerate(cut_single(**arrays)):
        expected = score_in_training(model, source_ids[row : row + 1], hypothesis)
        assert hypothesis.score == pytest.approx(expected, abs=1e-4)


def test_translate_gives_an_empty_source_nothing():
    model, source_ids = tiny_model(tiny_config(input_feeding=True)), random_ids(3, 4)
    source_ids[1] = [3, 0, 0, 0]
    found = translate(model.encoder, model.decoder_step, source_ids, max_length=5)
    ids = ops.convert_to_numpy(found["target_ids"])
    assert ids.shape == (3, 5)
    assert not ids[1].any()
    assert ids[0].any()


def test_forced_log_probs_are_those_of_the_search():
    model, source_ids = tiny_model(), random_ids(4, 6)
    found = translate(model.encoder, model.decoder_step, source_ids, max_length=7)
    forced = forced_log_probs(model.encoder, model.decoder, source_ids, found["target_ids"])
    np.testing.assert_allclose(forced, found["token_log_probs"], atol=1e-5)


def test_confidence_is_the_geometric_mean_of_the_probabilities():
    ((found,),) = cut_single(
        np.array([[5, EOS_ID, 0]]),
        np.log([0.125]),
        np.array([True]),
        np.log(np.array([[0.5, 0.25, 1.0]])),
    )
    assert found.confidence == pytest.approx(np.sqrt(0.125))
