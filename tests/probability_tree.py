"""Steps whose log-probabilities follow the prefix, and both beam searches over them."""

import itertools

import keras
import numpy as np
from fake_steps import DYNAMIC, same_results, sources

from keras_seq2seq.decoding.graph.beam import beam_search as graph_search
from keras_seq2seq.decoding.host.beam import beam_search as host_search
from keras_seq2seq.decoding.hypothesis import cut
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

ops = keras.ops
PREFIXES, MEMORY = 997, 5


class Tree:
    """Steps over random distributions, another one after each prefix and for each source."""

    def __init__(self, seed, vocabulary=5, rows=1, sharpness=2.0, eos=0.0, attends=False):
        logits = np.random.default_rng(seed).normal(0, sharpness, (rows, PREFIXES, vocabulary))
        logits[:, :, EOS_ID] += eos
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        self.table = log_probs.astype("float32")
        self.vocabulary = vocabulary
        self.rows = rows
        self.attends = attends
        draw = np.random.default_rng([seed, 1])
        self.mask = np.arange(MEMORY) < draw.integers(2, MEMORY + 1, (rows, 1))
        weights = np.where(self.mask[:, None], draw.random((rows, PREFIXES, MEMORY)) ** 4, 0)
        self.weights = (weights / weights.sum(-1, keepdims=True)).astype("float32")

    @property
    def state(self):
        first = {"row": np.arange(self.rows)[:, None], "prefix": np.zeros((self.rows, 1), "int64")}
        return {**first, "source_mask": self.mask} if self.attends else first

    def host(self, ids, state):
        prefix = (state["prefix"] * 31 + ids[:, None] + 1) % PREFIXES
        here = state["row"][:, 0], prefix[:, 0]
        new = {**state, "prefix": prefix}
        if self.attends:
            new["attention"] = self.weights[here]
        return self.table[here], new

    def graph(self, ids, state):
        prefix = (state["prefix"] * 31 + ids[:, None] + 1) % PREFIXES
        here = state["row"][:, 0] * PREFIXES + prefix[:, 0]
        new = {**state, "prefix": prefix}
        if self.attends:
            new["attention"] = ops.take(self.weights.reshape((-1, MEMORY)), here, axis=0)
        return ops.take(self.table.reshape((-1, self.vocabulary)), here, axis=0), new

    def score(self, ids, row=0):
        """Returns log P of ids, eos included, summed as a search sums it."""
        total, prefix = np.float32(0), 0
        for before, after in itertools.pairwise([BOS_ID, *ids]):
            prefix = (prefix * 31 + before + 1) % PREFIXES
            total += self.table[row, prefix, after]
        return total

    def exhaustive(self, strategy, max_length, row=0):
        """Returns (ranking, ids) of every finished hypothesis, the best first."""
        words = [i for i in range(self.vocabulary) if i not in (PAD_ID, BOS_ID, EOS_ID)]
        lp = strategy.penalties(max_length)
        found = []
        for length in range(strategy.min_length, max_length):
            for ids in itertools.product(words, repeat=length):
                found.append((self.score([*ids, EOS_ID], row) / lp[length + 1], ids))
        return sorted(found, reverse=True)


def on_host(tree, strategy, max_length, is_empty=None, **options):
    ids = sources(tree.rows, is_empty)
    return host_search(tree.host, tree.state, ids, strategy, max_length=max_length, **options)


def in_graph(tree, strategy, max_length, is_empty=None, **options):
    state = {name: ops.convert_to_tensor(v.astype("int32")) for name, v in tree.state.items()}
    if tree.attends:
        state["attention"] = ops.zeros((tree.rows, MEMORY))
        options["source"] = {"source_mask": ops.convert_to_tensor(tree.mask)}
    ids = ops.convert_to_tensor(sources(tree.rows, is_empty))
    results = []
    for options["dynamic"] in DYNAMIC:
        found = graph_search(tree.graph, state, ids, strategy, max_length=max_length, **options)
        results.append({name: ops.convert_to_numpy(value) for name, value in found.items()})
    return same_results(results)


def plain(hypotheses):
    return [(h.ids, h.finished) for h in hypotheses]


def both(tree, strategy, max_length, is_empty=None):
    """Returns the host's hypotheses; those of the graph must be the same."""
    expected = on_host(tree, strategy, max_length, is_empty)
    # The two add up the logarithms of a coverage in another order.
    rtol = 1e-5 if strategy.coverage_penalty else 1e-7
    same(cut(**in_graph(tree, strategy, max_length, is_empty)), expected, rtol)
    return expected


def same(found, expected, rtol=1e-5):
    for row, wanted in zip(found, expected, strict=True):
        assert plain(row) == plain(wanted)
        for one, other in zip(row, wanted, strict=True):
            np.testing.assert_allclose(one.score, other.score, rtol=rtol)
            np.testing.assert_allclose(one.ranking, other.ranking, rtol=rtol)
            np.testing.assert_allclose(one.token_log_probs, other.token_log_probs, atol=1e-5)
            if len(other.ids) and other.attention is not None:
                np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)
