import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as draw

from keras_seq2seq.text.sentences import Piece, map_sentences, split_sentences

pytest.importorskip("sentencex", reason="sentences are found by sentencex")

LANGUAGES = ["en", "fr", "de", "es", "zh", "ar", "xx"]
HOSTILE = [
    *("a", "B", "Dr.", "M.", "e.g.", "3.5", "https://x.y/A.B?C=d", "1.", "İ", "ß", "e\u0301"),
    *(".", "...", "…", "?", "!", "。", "।", "؟", ",", '"', "«", "»", "“", "”", "(", ")", "[", "]"),
    *(" ", "  ", "\t", "\u00a0", "\u202f", "\u3000", "\u200b", "\ufeff", "\0", "\ud800"),
    *("\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"),
    *("😀", "👨\u200d👩", "你", "क", "ل", "-", "*"),
]
TEXTS = draw.one_of(draw.lists(draw.sampled_from(HOSTILE), max_size=30).map("".join), draw.text())


def sentences(text, language="en"):
    return [piece.text for piece in split_sentences(text, language) if piece.is_sentence]


@given(TEXTS, draw.sampled_from(LANGUAGES))
def test_the_pieces_joined_are_the_text(text, language):
    assert "".join(piece.text for piece in split_sentences(text, language)) == text


@given(TEXTS, draw.sampled_from(LANGUAGES))
def test_sentences_are_clean(text, language):
    for sentence in sentences(text, language):
        assert sentence == sentence.strip()
        assert sentence.splitlines() == [sentence]
        assert any(map(str.isalpha, sentence))


@given(TEXTS, draw.sampled_from(LANGUAGES))
def test_all_letters_are_in_sentences_and_layout_is_in_one_piece(text, language):
    pieces = split_sentences(text, language)
    layout = [piece.text for piece in pieces if not piece.is_sentence]
    assert not any(map(str.isalpha, "".join(layout)))
    assert all(piece.text for piece in pieces)
    kinds = [piece.is_sentence for piece in pieces]
    assert (False, False) not in set(itertools.pairwise(kinds))


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["Dr. Smith is here.", "He waits."]),
        ("en", ["We like fruit, e.g. pears.", "Do you?", "Yes!"]),
        ("en", ["J. R. R. Tolkien wrote it.", "It costs 3.50 euros.", "Buy it."]),
        ("en", ["See https://example.org/A.B?C=D now.", "Use keras.Model there."]),
        ("en", ['He said "Go. Now." to us.', "Oh… we went.", "Why?!"]),
        ("en", ["😀 is a face.", "So is 😎!", "Right?"]),
        ("fr", ["M. Dupont arrive.", "Il voit Mme. Durand et le Dr. Petit."]),
        ("fr", ["Il mange p. ex. 3,5 kg, ou 3.5 kg.", "C'est trop\u00a0!", "Non\u00a0?"]),
        ("fr", ["« Oui ! » dit-il.", "J.-P. Martin est né en 50 av. J.-C. à Rome.", "Ah."]),
        ("de", ["Wir essen Obst, z. B. Birnen.", "Dr. Klein kommt."]),
    ],
)
def test_sentences_of_a_line(language, expected):
    assert sentences(" ".join(expected), language) == expected
    assert sentences("  \t".join(expected), language) == expected


def test_sentences_need_no_space_between_them():
    assert sentences("你好。我很好！谢谢。", "zh") == ["你好。", "我很好！", "谢谢。"]


def test_layout_is_kept_apart():
    text = "\n  One day.  Two days.\r\n\r\n\tA third\nand more. \n"
    pieces = split_sentences(text, "en")
    assert [(piece.text, piece.is_sentence) for piece in pieces] == [
        ("\n  ", False),
        ("One day.", True),
        ("  ", False),
        ("Two days.", True),
        ("\r\n\r\n\t", False),
        ("A third", True),
        ("\n", False),
        ("and more.", True),
        (" \n", False),
    ]


@pytest.mark.parametrize("text", [" ", "\n\n", " \t\r\n\u2028\u00a0", "-----\n", "1. 2.", "😀"])
def test_what_has_no_letter_is_layout(text):
    assert split_sentences(text, "en") == [Piece(text, is_sentence=False)]


def test_an_empty_text_has_no_pieces():
    assert split_sentences("", "en") == []


@pytest.mark.parametrize("text", [".B\u00a0.B\u0301:", "A\u2029.Dr\u0130\u201d", "A. \ud800 B."])
def test_what_stops_sentencex_is_kept_from_it(text):
    assert map_sentences([text], "en", list) == [text]


def test_a_language_without_rules_takes_those_of_english():
    text = "Dr. Smith is here. He waits."
    assert split_sentences(text, "qq") == split_sentences(text, "en")


@pytest.mark.parametrize("language", ["FR", "Fr"])
def test_the_case_of_a_language_is_ignored(language):
    # Only the rules of French know this abbreviation.
    text = "Voir suppl. Martin."
    assert split_sentences(text, language) == split_sentences(text, "fr")
    assert split_sentences(text, "fr") != split_sentences(text, "en")


@pytest.mark.parametrize("language", ["", "e", "12", "e1", "fr-CA", "french", "en\n", "éé"])
def test_a_language_is_a_code(language):
    with pytest.raises(ValueError, match="must be an ISO 639 code of two or three letters. Recei"):
        split_sentences("A text.", language)


def test_all_sentences_are_translated_in_one_call():
    calls = []

    def shout(texts):
        calls.append(texts)
        return [text.upper() for text in texts]

    texts = ["A dog. A cat.\n\n  A bird.\n", "", " \n", "Two."]
    assert map_sentences(texts, "en", shout) == ["A DOG. A CAT.\n\n  A BIRD.\n", "", " \n", "TWO."]
    assert calls == [["A dog.", "A cat.", "A bird.", "Two."]]


@given(draw.lists(TEXTS, max_size=4), draw.sampled_from(LANGUAGES))
def test_to_translate_nothing_changes_nothing(texts, language):
    assert map_sentences(texts, language, list) == texts


@pytest.mark.parametrize("texts", [[], ["", "\n"]])
def test_without_a_sentence_nothing_is_called(texts):
    assert map_sentences(texts, "en", lambda _: pytest.fail("called")) == texts


@pytest.mark.parametrize("translations", [[], ["one"], ["one", "two", "three"]])
def test_one_translation_for_each_sentence(translations):
    message = f"one text for each sentence. Received: {len(translations)} texts for 2 sentences"
    with pytest.raises(ValueError, match=message):
        map_sentences(["A dog. A cat."], "en", lambda _: translations)


def test_a_missing_sentencex_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(ImportError, match=r'sentencex: run `pip install "\.\[sentences\]"'):
        split_sentences("A text.", "en")
