"""Each object that a user sees in a notebook says in a line what it is."""

import numpy as np
import pytest
from conftest import TEXTS

from keras_seq2seq import Gate, PairBatches, Shortlist, Translator, from_pairs
from keras_seq2seq.decoding.host.scoring import Score
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.training.training_state import TrainingState
from keras_seq2seq.verification.parity import Parity

PAIRS = [("the dog " * 20, "le chien " * 20)] * 500
MANY = np.zeros((900, 900), "int32")


def translation(model):
    return Translator.from_model(model).n_best(TEXTS)[1][0]


MADE = {
    "Translation(text='": lambda model: translation(model),
    "Hypothesis(ids=(": lambda model: translation(model).hypothesis,
    "Score(log_prob=": lambda model: Score(np.zeros(900)),
    "Translator(runtime='keras', search='in_file', strategy=": Translator.from_model,
    "PairBatches(500 pairs, 0 left out, ": lambda model: PairBatches(
        PAIRS, model.tokenizers, max_length=99
    ),
    "TokenizerPair(source=": lambda model: model.tokenizers,
    "Shortlist(always=(1,), candidates=(900, 900), ": lambda model: Shortlist(
        np.array([3], "int32"), MANY, 900
    ),
    "Corpus(500 pairs, 0 errors)": lambda model: from_pairs(PAIRS),
    "CorpusReport(kept=500, ": lambda model: from_pairs(PAIRS).report,
    "Gate(500 pairs, metric='bleu', ": lambda model: Gate(PAIRS),
    "Parity(passed=True, 0 agreements, 0 altered files)": lambda model: Parity(()),
    "Inspection(path='a', format='onnx', bytes=5, 900 notes)": lambda model: Inspection(
        "a", "onnx", 5, notes=("x",) * 900
    ),
    "TrainingState(epoch=1, batch=2, 9 variables, ": lambda model: TrainingState(
        1, 2, "", "jax", ("a",) * 9, (MANY,) * 9, (), {"KeepBest": {"best": 1}}
    ),
}


@pytest.mark.parametrize("start", MADE)
def test_a_repr_is_a_line_that_says_what_it_is(translating_model, start):
    said = repr(MADE[start](translating_model))
    assert said.startswith(start)
    assert "\n" not in said and len(said) < 300


def test_a_repr_gives_attention_by_its_shape(translating_model):
    found = translation(translating_model)
    assert f"finished={found.hypothesis.finished}" in repr(found)
    assert f"attention={found.attention.shape}" in repr(found)
