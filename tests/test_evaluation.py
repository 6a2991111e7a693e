import importlib.metadata
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as draw

from keras_seq2seq.evaluation import METRICS, evaluate

REFERENCES = ["the small dog sees the old cat", "a bird is here today"]
ERROR_RATES = ("wer", "cer")


def error_rates(translations, references):
    found = evaluate(translations, references, metrics=ERROR_RATES)
    return found["wer"], found["cer"]


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


@pytest.mark.parametrize(
    ("translations", "references", "wer", "cer"),
    [
        # One word of four is another one; two characters of seven are.
        (["a b c xx"], ["a b c d"], 25, 200 / 7),
        # One word is missing: two characters with its space.
        (["a b c"], ["a b c d"], 25, 200 / 7),
        # One word too many.
        (["a b c d"], ["a b c"], 100 / 3, 40),
        # Errors are summed over the sentences before division: 1 word of 5, 1 character of 8.
        (["a", "a b c d"], ["b", "a b c d"], 20, 100 / 8),
        # Nothing was translated.
        (["", "a b c d"], ["d", "a b c d"], 20, 100 / 8),
        # More errors than words.
        (["a b c d"], ["d"], 300, 600),
        # Case and punctuation count.
        (["A dog."], ["a dog"], 100, 40),
        # All whitespace is alike, and none counts at the ends.
        (["  a\tb  c\u00a0d\n"], ["a b c d"], 0, 0),
    ],
)
def test_error_rates_by_hand(translations, references, wer, cer):
    assert error_rates(translations, references) == pytest.approx((wer, cer))


@given(*[draw.lists(draw.sampled_from(["", "a", "a b", "b a"]), min_size=3, max_size=3)] * 2)
def test_error_rates_are_0_only_for_equal_texts(translations, references):
    references[0] = "a"
    wer, cer = error_rates(translations, references)
    assert min(wer, cer) >= 0
    assert (wer == 0) == (cer == 0) == (translations == references)


def test_words_for_an_empty_reference_are_insertions():
    assert error_rates(["x y", "a b c d"], ["", "a b c d"]) == pytest.approx((50, 300 / 7))
    assert error_rates(["", "a b c d"], ["  ", "a b c d"]) == (0, 0)


@pytest.mark.parametrize("name", ERROR_RATES)
@pytest.mark.parametrize("translations", [["", ""], ["a", ""]])
def test_error_rates_need_a_word(name, translations):
    message = f"`{name}` needs at least one reference with a word. Received: 2 empty references"
    with pytest.raises(ValueError, match=message):
        evaluate(translations, ["", " \t"], metrics=[name])


def test_the_signatures_of_the_error_rates_name_the_version():
    found = evaluate(REFERENCES, REFERENCES, metrics=ERROR_RATES)
    version = importlib.metadata.version("jiwer")
    assert found["wer_signature"] == f"jiwer {version}, words split at whitespace, cased"
    assert found["cer_signature"] == f"jiwer {version}, whitespace as one space, cased"


def test_every_metric_has_a_score_and_a_signature():
    found = evaluate(REFERENCES, REFERENCES, metrics=METRICS)
    assert {name for name in METRICS if f"{name}_signature" in found} == set(METRICS)
    assert [round(found[name]) for name in METRICS] == [100, 100, 0, 0, 0]


def test_error_rates_have_no_interval():
    found = evaluate(REFERENCES, REFERENCES, metrics=METRICS, num_bootstraps=5)
    assert [name for name in METRICS if f"{name}_interval" in found] == ["bleu", "chrf", "ter"]


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
    with pytest.raises(ImportError, match=r'needs sacrebleu: run `pip install "\.\[train\]"'):
        evaluate(REFERENCES, REFERENCES)


def test_a_missing_jiwer_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    assert evaluate(REFERENCES, REFERENCES)["exact_match"] == 100
    with pytest.raises(ImportError, match=r'need jiwer: run `pip install "\.\[train\]"'):
        evaluate(REFERENCES, REFERENCES, metrics=["wer"])


def test_tokenised_texts_are_taken_as_they_are():
    found = evaluate(["a b , c d"], ["a b, c d"], metrics=["bleu"], tokenize="none")
    assert found["bleu"] < 99
    assert evaluate(["a b , c d"], ["a b, c d"], metrics=["bleu"])["bleu"] > 99
    assert "tok:none" in found["bleu_signature"]
    with pytest.raises(ValueError, match="`tokenize` must be one of .*Received: 'moses'"):
        evaluate(["a"], ["a"], metrics=["bleu"], tokenize="moses")


def test_tokenised_texts_are_no_surprise_where_they_are_said_to_be(caplog):
    texts = ["a dog runs ."] * 120
    evaluate(texts, texts, tokenize="none")
    assert caplog.text == ""
    evaluate(texts, texts)
    assert "tokenized period" in caplog.text
