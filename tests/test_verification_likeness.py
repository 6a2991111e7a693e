import math

import numpy as np
import pytest

from keras_seq2seq.decoding.hypothesis import Hypothesis
from keras_seq2seq.verification.likeness import agreement

VOCABULARY = 1000


def said(*ids, log_prob=-0.1):
    log_probs = np.full(len(ids) + 1, log_prob, "float32")
    return Hypothesis(ids, float(log_probs.sum()), True, log_probs, None)


@pytest.mark.parametrize(
    ("expected", "found", "percent"),
    [
        ([said(7, 8, 9)], [said(7, 8, 9)], 100),
        ([said(7, 8, 9)], [said()], 0),
        ([said()], [said()], 100),
        ([said(7, 8, 9)], [said(9, 8, 7)], 0),
        ([said(7, 8, 9)], [said(7, 8, 5)], 50),
        ([said(7, 7, 7)], [said(7)], 200 / 3),
        ([said(7, 8), said(9)], [said(7, 8), said(6)], 60),
    ],
)
def test_agreement_counts_neighbouring_tokens_and_ends(expected, found, percent):
    assert agreement(expected, found, VOCABULARY) == pytest.approx(percent)
    assert agreement(found, expected, VOCABULARY) == pytest.approx(percent)


def test_translations_that_float32_is_undecided_about_do_not_count():
    guess = said(7, 8, log_prob=-math.log(VOCABULARY))
    other = said(5, 6)
    assert agreement([guess], [other], VOCABULARY) is None
    assert agreement([guess, said(9)], [other, said(9)], VOCABULARY) == 100
    # That the other file is undecided is no excuse.
    assert agreement([other], [guess], VOCABULARY) == 0


def test_a_translation_without_a_token_counts():
    nothing = Hypothesis((), 0.0, True, np.zeros(0, "float32"), None)
    assert agreement([nothing], [said(5)], VOCABULARY) == 0
