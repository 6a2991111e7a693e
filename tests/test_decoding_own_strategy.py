"""A strategy of a user's own searches on the host and in the graph, like those of the package."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import TEXTS, random_ids, tiny_model, word_pairs
from fake_steps import both, follow, random_table

from keras_seq2seq import BeamSearch, Strategy, Translator
from keras_seq2seq.decoding.graph import single as graph
from keras_seq2seq.decoding.host import single as host
from keras_seq2seq.runtimes.keras import KerasRuntime
from keras_seq2seq.text.vocabulary import EOS_ID

ops = keras.ops


@dataclasses.dataclass(frozen=True, repr=False)
class SecondFirst(Strategy):
    """Takes the second most probable token at the first step, and is greedy afterwards."""

    def search_host(self, step, state, source_ids, **limits):
        return host.single_search(step, state, source_ids, self, choose=_on_host, **limits)

    def stream_host(self, step, state, source_ids, **limits):
        return host.single_stream(step, state, source_ids, self, choose=_on_host, **limits)

    def search_graph(self, step, state, source_ids, **options):
        return graph.single_search(step, state, source_ids, self, choose=_in_graph, **options)


def _on_host(adjusted, rows, position):
    if position > 0:
        return host.highest(adjusted, rows, position)
    return np.argsort(-adjusted, axis=-1, kind="stable")[:, 1]


def _in_graph(adjusted, rows, step, columns, inputs):
    values, ranked = ops.top_k(adjusted, 2)
    place = ops.where(step == 0, 1, 0)
    return ops.cast(ops.take(ranked, [place], axis=1), "int32"), ops.take(values, [place], axis=1)


def test_it_takes_the_second_token_first():
    table = follow([5, 6, EOS_ID, 7])
    table[0, 0, 4] = -0.7
    assert [ids for ids, _, _ in both(table)] == [[5, 6]]
    assert both(table, strategy=SecondFirst()) == [([4, 6], pytest.approx(-1.7), True)]


@pytest.mark.parametrize("rules", [{}, {"min_length": 2, "no_repeat_ngram_size": 1}], ids=str)
def test_graph_and_host_agree(rules):
    for case in range(20):
        table, is_empty = random_table(case)
        options = {"is_empty": is_empty, "max_length": table.shape[1]}
        both(table, strategy=SecondFirst(**rules), **options)


def test_a_translator_takes_it_on_the_host_and_in_the_graph(translating_model):
    texts = TEXTS + [source for source, _ in word_pairs(20, seed=5)]
    inside = Translator.from_model(translating_model, strategy=SecondFirst())
    assert inside.search == "in_file"
    runtime, length = inside.runtime, inside.max_length
    options = {"max_length": length, "strategy": SecondFirst(), "search": "host"}
    outside = Translator(runtime, translating_model.tokenizers, **options)
    found = inside.translate(texts)
    assert found == outside.translate(texts)
    assert found == ["".join(outside.stream(text)) for text in texts]
    greedy = translating_model.translate(texts)
    differ = [text for text, one, other in zip(texts, found, greedy, strict=True) if one != other]
    assert len(differ) > 10
    assert translating_model.translate(texts, strategy=SecondFirst()) == found


def test_its_first_token_is_the_second_of_a_beam():
    model, source_ids = tiny_model(), random_ids(3, 6)
    runtime = KerasRuntime(model, 1)
    ranked = runtime.search(source_ids, BeamSearch(4, 4, alpha=0, min_length=1))
    found = runtime.search(source_ids, SecondFirst(min_length=1))
    for (one,), row in zip(found, ranked, strict=True):
        assert one.ids == row[1].ids
        assert one.score == pytest.approx(row[1].score, abs=1e-5)


def test_a_runtime_without_it_searches_on_the_host(onnx_bundle):
    import keras_seq2seq

    translator = keras_seq2seq.load(onnx_bundle, "onnx", strategy=SecondFirst())
    assert translator.search == "host"
    reference = keras_seq2seq.load(onnx_bundle, "keras", strategy=SecondFirst())
    assert reference.search == "in_file"
    assert translator.translate(TEXTS) == reference.translate(TEXTS)
    with pytest.raises(ValueError, match=r"without SecondFirst\(\); pass search='host'"):
        keras_seq2seq.load(onnx_bundle, "onnx", strategy=SecondFirst(), search="in_file")
