"""Steps that read their log-probabilities off a table, and both searches over them."""

import keras
import numpy as np
import pytest

from keras_seq2seq.decoding.hypothesis import cut_single
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.text.vocabulary import EOS_ID, PAD_ID

VOCABULARY = 8
ops = keras.ops
# Whether shapes may change in the loop of a search; on JAX they may not.
DYNAMIC = (False,) if keras.backend.backend() == "jax" else (False, True)


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
        rows, positions = state["row"][:, 0], state["state_0"][:, 0]
        new = {**state, "state_0": state["state_0"] + 1}
        if self.attention is not None:
            new["attention"] = self.attention[rows, positions]
        return self.table[rows, positions], new

    def graph(self, ids, state):
        rows, length, _ = self.table.shape
        here = state["row"][:, 0] * length + state["state_0"][:, 0]
        new = {"state_0": state["state_0"] + 1}
        if self.attention is not None:
            weights = self.attention.reshape((rows * length, -1))
            new["attention"] = ops.take(ops.convert_to_tensor(weights), here, axis=0)
        log_probs = self.table.reshape((rows * length, -1))
        return ops.take(ops.convert_to_tensor(log_probs), here, axis=0), new


def sources(rows, is_empty=None, length=4):
    """Returns sources, one other for each row; where `is_empty`, without a real token."""
    ids = np.arange(5, 5 + rows * length, dtype="int32").reshape(rows, length)
    ids[:, -1] = EOS_ID
    if is_empty is not None:
        ids[np.array(is_empty)] = [EOS_ID, *[PAD_ID] * (length - 1)]
    return ids


def on_host(table, is_empty=None, max_length=4, strategy=GREEDY, attention=None, **options):
    state = {"row": np.arange(len(table))[:, None], "state_0": np.zeros((len(table), 1), "int32")}
    step = Fake(table, attention)
    found = strategy.search_host(
        step.host, state, sources(len(table), is_empty), max_length=max_length, **options
    )
    return [row[0] for row in found], step


def in_graph(table, is_empty=None, max_length=4, strategy=GREEDY, attention=None):
    ids = sources(len(table), is_empty)
    state = {"state_0": ops.zeros((len(table), 1), "int32")}
    if attention is not None:
        state["attention"] = ops.zeros_like(ops.convert_to_tensor(attention[:, 0]))
    inputs = strategy.graph_inputs(ids, max_length)
    results = []
    for dynamic in DYNAMIC:
        found = strategy.search_graph(
            Fake(table, attention).graph,
            state,
            ops.convert_to_tensor(ids),
            max_length=max_length,
            source={"row": ops.arange(len(table), dtype="int32")[:, None]},
            dynamic=dynamic,
            **{name: ops.convert_to_tensor(values) for name, values in inputs.items()},
        )
        results.append({name: ops.convert_to_numpy(value) for name, value in found.items()})
    return same_results(results)


def same_results(results):
    """Returns the first of what searches found; rows that leave the batch must change nothing."""
    for name, values in results[0].items():
        np.testing.assert_array_equal(values, results[-1][name], name)
    return results[0]


def both_found(table, **options):
    """Returns the host's hypothesis of each row; the graph's must be the same."""
    first, _ = on_host(table, **options)
    second = [row[0] for row in cut_single(**in_graph(table, **options))]
    assert [(h.ids, h.finished) for h in first] == [(h.ids, h.finished) for h in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.token_log_probs, other.token_log_probs, atol=1e-5)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.score == pytest.approx(one.token_log_probs.sum(), abs=1e-4)
        if one.attention is not None:
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)
    return first


def both(table, **options):
    """Returns (ids, score, finished) of each row; the two searches must agree."""
    return [(list(h.ids), h.score, h.finished) for h in both_found(table, **options)]


def random_table(case, most_rows=4):
    """Returns the log-probabilities of random rows, and which sources are empty.

    Rows cost nothing, steps do: many rows in few tables are quicker than few in many.
    """
    draw = np.random.default_rng(case)
    rows, length = draw.integers(1, most_rows + 1), draw.integers(1, 7)
    decimals = draw.integers(0, 3, rows)
    logits = draw.normal(0, 3, (rows, length, VOCABULARY))
    logits = np.stack([row.round(n) for row, n in zip(logits, decimals, strict=True)])
    logits[:, :, EOS_ID] += draw.choice([-2, 0, 2], rows)[:, None]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return log_probs.astype("float32"), draw.random(rows) < 0.2
