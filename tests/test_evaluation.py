import sys

import pytest

from keras_seq2seq.training.evaluation import evaluate

REFERENCES = ["the small dog sees the old cat", "a bird is here today"]


def test_equal_texts_are_perfect():
    found = evaluate(REFERENCES, REFERENCES)
    assert found["bleu"] == pytest.approx(100)
    assert found["chrf"] == pytest.approx(100)
    assert found["exact_match"] == 100
    assert found["sentences"] == 2


def test_nothing_right_is_zero():
    found = evaluate(["zz", "zzz"], REFERENCES)
    assert found["bleu"] == found["exact_match"] == 0
    assert found["chrf"] == pytest.approx(0, abs=1)


def test_half_of_the_sentences_match():
    assert evaluate([REFERENCES[0], "a bird"], REFERENCES)["exact_match"] == 50


def test_bleu_by_hand():
    # Precisions 7/8, 6/7, 5/6, 4/5 multiply to 4/8; longer than the reference: no penalty.
    found = evaluate(["a b c d e f g x"], ["a b c d e f g"])
    assert found["bleu"] == pytest.approx(100 * 0.5**0.25)


def test_bleu_punishes_what_is_too_short():
    found = evaluate(["a b c d e f"], ["a b c d e f g h"])
    assert found["bleu"] == pytest.approx(100 * 2.718281828 ** (1 - 8 / 6), rel=1e-6)


def test_the_signatures_are_those_of_sacrebleu():
    found = evaluate(REFERENCES, REFERENCES)
    assert found["bleu_signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|")
    assert found["chrf_signature"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|")


def test_translation_error_rate_by_hand():
    # One word of eight is replaced.
    found = evaluate(["a b c d e f g x"], ["a b c d e f g h"], metrics=["ter"])
    assert found["ter"] == pytest.approx(12.5)
    assert found["ter_signature"].startswith("nrefs:1|case:lc|tok:tercom|")
    assert "bleu" not in found


def test_intervals_hold_the_score():
    found = evaluate([*REFERENCES, "a bird"] * 9, [*REFERENCES, "a dog"] * 9, num_bootstraps=50)
    score, _, rest = found["bleu_interval"].partition(" (μ = ")
    mean, _, half = rest.rstrip(")").partition(" ± ")
    assert float(score) == pytest.approx(found["bleu"], abs=0.01)
    assert abs(float(mean) - found["bleu"]) < float(half)
    assert "|bs:50|" in found["bleu_signature"]


def test_too_poor_resamples_have_no_interval():
    found = evaluate([REFERENCES[0], "zz"], [REFERENCES[0], "never this"], num_bootstraps=20)
    assert found["exact_match"] == 50
    assert "bleu_interval" in found
    assert "chrf_interval" not in found


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(ValueError, match="`num_bootstraps` must be at least 0. Received: -1"):
        evaluate(REFERENCES, REFERENCES, num_bootstraps=-1)


def test_unknown_metrics_are_refused():
    with pytest.raises(ValueError, match=r"`metrics` must be among .*Received: \['comet'\]"):
        evaluate(REFERENCES, REFERENCES, metrics=["bleu", "comet"])


def test_generators_of_equal_length_are_not_needed_twice():
    assert evaluate(tuple(REFERENCES), list(REFERENCES))["exact_match"] == 100


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1), (0, 0)])
def test_one_reference_for_each(first, second):
    message = f"at least one. Received: {first} translations, {second} references"
    with pytest.raises(ValueError, match=message):
        evaluate(REFERENCES[:first], REFERENCES[:second])


def test_a_missing_sacrebleu_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ImportError, match=r'pip install "keras_seq2seq\[train\]"'):
        evaluate(REFERENCES, REFERENCES)
