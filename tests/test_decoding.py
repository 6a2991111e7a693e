import keras
import numpy as np
import pytest
from conftest import random_ids, tiny_config, tiny_model

from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID
from keras_seq2seq.decoding import graph, host
from keras_seq2seq.decoding.translation import translate

VOCABULARY = 8
ops = keras.ops


def follow(*rows):
    """Returns a table, float32, (rows, steps, vocabulary): the ids of each row are likeliest."""
    table = np.full((len(rows), len(rows[0]), VOCABULARY), -9.0, "float32")
    for row, ids in enumerate(rows):
        table[row, np.arange(len(ids)), ids] = -0.5
    return table


class Fake:
    """A step that reads its log-probabilities off a table and counts its calls."""

    def __init__(self, table, attention=None):
        self.table = table
        self.attention = attention
        self.calls = []

    def host(self, ids, state):
        self.calls.append(ids.tolist())
        log_probs = self.table[np.arange(len(ids)), state["state_0"][:, 0]]
        new = {"state_0": state["state_0"] + 1}
        if self.attention is not None:
            new["attention"] = self.attention[:, len(self.calls) - 1]
        return log_probs, new

    def graph(self, ids, state):
        position = state["state_0"][0, 0]
        log_probs = ops.take(ops.convert_to_tensor(self.table), position, axis=1)
        return log_probs, {"state_0": state["state_0"] + 1}


def on_host(table, is_empty=None, max_length=4, **options):
    rows = len(table)
    is_empty = np.zeros(rows, bool) if is_empty is None else np.array(is_empty)
    state = {"state_0": np.zeros((rows, 1), "int32")}
    step = Fake(table, **options)
    return host.greedy_search(step.host, state, is_empty, max_length=max_length), step


def in_graph(table, is_empty=None, max_length=4):
    rows = len(table)
    is_empty = np.zeros(rows, bool) if is_empty is None else np.array(is_empty)
    state = {"state_0": ops.zeros((rows, 1), "int32")}
    found = graph.greedy_search(
        Fake(table).graph, state, ops.convert_to_tensor(is_empty), max_length=max_length
    )
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def both(table, **options):
    """Returns (ids, score, finished) of each row; the two searches must agree."""
    first, _ = on_host(table, **options)
    found = in_graph(table, **options)
    second = host.hypotheses(found["target_ids"], found["scores"], found["finished"])
    assert [(h.ids, h.finished) for h in first] == [(h.ids, h.finished) for h in second]
    np.testing.assert_allclose([h.score for h in first], [h.score for h in second], atol=1e-4)
    return [(list(h.ids), h.score, h.finished) for h in first]


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


def test_an_ended_row_is_fed_padding():
    _, step = on_host(follow([5, EOS_ID, 7, 7], [6, 7, 4, EOS_ID]))
    assert step.calls == [[BOS_ID, BOS_ID], [5, 6], [EOS_ID, 7], [PAD_ID, 4]]


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

    state = {"state_0": ops.zeros((1, 1), "int32")}
    graph.greedy_search(step, state, ops.convert_to_tensor([False]), max_length=4)
    assert calls == [0, 1]


def random_table(case):
    draw = np.random.default_rng(case)
    rows, length = draw.integers(1, 5), draw.integers(1, 7)
    logits = draw.normal(0, 3, (rows, length, VOCABULARY)).round(draw.integers(0, 3))
    logits[:, :, EOS_ID] += draw.choice([-2, 0, 2])
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return log_probs.astype("float32"), draw.random(rows) < 0.2


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_graph_and_host_agree(first):
    for case in range(first, first + 20):
        table, is_empty = random_table(case)
        both(table, is_empty=is_empty, max_length=table.shape[1])


def test_attention_has_a_row_for_each_token_eos_included():
    weights = np.random.default_rng(0).random((3, 4, 5)).astype("float32")
    table = follow([5, EOS_ID, 7, 7], [6, 7, 4, 5], [5] * 4)
    found, _ = on_host(table, is_empty=[False, False, True], attention=weights)
    assert [h.attention.shape for h in found] == [(2, 5), (4, 5), (0, 5)]
    np.testing.assert_array_equal(found[0].attention, weights[0, :2])


def test_nothing_attends_without_attention():
    found, _ = on_host(follow([5, EOS_ID, 7, 7]))
    assert found[0].attention is None


def test_the_host_search_changes_no_argument():
    is_empty, state = np.array([False]), {"state_0": np.zeros((1, 1), "int32")}
    host.greedy_search(Fake(follow([5, EOS_ID])).host, state, is_empty, max_length=2)
    assert not is_empty.any()
    assert state["state_0"].tolist() == [[0]]


@pytest.mark.parametrize("module", [graph, host])
def test_a_source_of_eos_and_padding_is_empty(module):
    ids = np.array([[3, 0, 0], [0, 0, 0], [5, 3, 0], [1, 3, 0], [3, 5, 0]], "int32")
    found = module.is_empty_source(ids)
    assert np.asarray(found).tolist() == [True, True, False, False, False]


def test_hypotheses_leave_out_bos_eos_and_padding():
    ids = np.array([[5, 6, EOS_ID, 0], [5, 6, 7, 4]], "int32")
    first, second = host.hypotheses(ids, np.array([-1.0, -2.0]), np.array([True, False]))
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
    model, sources = tiny_model(), random_ids(4, 6)
    found = translate(model.encoder, model.decoder, sources, max_length=7)
    arrays = [ops.convert_to_numpy(found[n]) for n in ("target_ids", "scores", "finished")]
    for row, hypothesis in enumerate(host.hypotheses(*arrays)):
        expected = score_in_training(model, sources[row : row + 1], hypothesis)
        assert hypothesis.score == pytest.approx(expected, abs=1e-4)


def test_translate_gives_an_empty_source_nothing():
    model, sources = tiny_model(tiny_config(input_feeding=True)), random_ids(3, 4)
    sources[1] = [3, 0, 0, 0]
    found = translate(model.encoder, model.decoder, sources, max_length=5)
    ids = ops.convert_to_numpy(found["target_ids"])
    assert ids.shape == (3, 5)
    assert not ids[1].any()
    assert ids[0].any()
