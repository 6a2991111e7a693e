import pytest
from conftest import word_pairs

from keras_seq2seq.training import corpus_notices as kinds
from keras_seq2seq.training.corpus import from_pairs
from keras_seq2seq.training.corpus_notices import is_invisible

CLEAN = list(dict.fromkeys(word_pairs(300, longest=9)))
ODD = {
    kinds.REPEATED: CLEAN[0],
    kinds.COPIED: ("zebra", "zebra "),
    kinds.LONG: ("one side", "x" * 340_000),
    kinds.QUOTED: ('"the ""dog"""', '"le chien"'),
    kinds.MISREAD: ("summer", "Ã©tÃ©"),
    kinds.SWAPPED: ("le chien voit un petit chat", "the dog sees a small cat"),
    kinds.BROKEN: ("two\tcolumns", "un"),
}


def test_clean_pairs_have_no_notice():
    assert from_pairs(CLEAN).report.notices == {}


@pytest.mark.parametrize("kind", ODD)
def test_what_looks_wrong_is_kept_and_told(kind):
    corpus = from_pairs([*CLEAN, ODD[kind]])
    where = f"pair {len(CLEAN) + 1}"
    assert corpus.pairs[-1] == ODD[kind]
    assert corpus.report.notices == {kind: (1, (where,))}
    assert f"kept, but look: 1 {kind}, first {where}" in str(corpus.report)


def test_only_the_first_three_places_are_told():
    report = from_pairs([*CLEAN, *[CLEAN[0]] * 9]).report
    first = len(CLEAN) + 1
    assert report.notices[kinds.REPEATED] == (9, tuple(f"pair {first + i}" for i in range(3)))


@pytest.mark.parametrize(
    ("text", "invisible"),
    [
        *(("", True), (" \u00a0", True), ("\u200b\u200d", True), ("\ufeff\x01", True)),
        *(("a\u200b", False), ("👩\u200d👩", False), ("!", False)),
    ],
)
def test_invisible_texts(text, invisible):
    assert is_invisible(text) == invisible
