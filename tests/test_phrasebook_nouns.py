import pytest

from keras_seq2seq.phrasebook.features import Number
from keras_seq2seq.phrasebook.nouns import NOUNS, french_plural, select


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("livre", "livres"),
        ("bus", "bus"),
        ("souris", "souris"),
        ("gâteau", "gâteaux"),
        ("oiseau", "oiseaux"),
        ("bateau", "bateaux"),
        ("journal", "journaux"),
        ("cheval", "chevaux"),
        ("hôpital", "hôpitaux"),
        ("bleu", "bleus"),
        ("devoir", "devoirs"),
    ],
)
def test_french_plural(singular: str, plural: str) -> None:
    assert french_plural(singular) == plural


@pytest.mark.parametrize(
    ("name", "english", "french"),
    [
        ("child", "children", "enfants"),
        ("newspaper", "newspapers", "journaux"),
        ("homework", "homework", "devoirs"),
        ("shoe", "shoes", "chaussures"),
    ],
)
def test_plural_forms(name: str, english: str, french: str) -> None:
    noun = NOUNS[name]
    assert noun.english_form(Number.PLURAL) == english
    assert noun.french_form(Number.PLURAL) == french


def test_one_french_word_for_one_english_word() -> None:
    assert len({noun.french for noun in NOUNS.values()}) == len(NOUNS)


def test_mass_nouns_have_no_plural() -> None:
    mass = [noun for noun in NOUNS.values() if noun.mass]
    assert {noun.english for noun in mass} >= {"bread", "water", "money", "music"}
    assert all(noun.numbers == (Number.SINGULAR,) for noun in mass)


@pytest.mark.parametrize("feminine", ["school", "story", "water", "key", "photo", "mouse"])
def test_feminine(feminine: str) -> None:
    assert NOUNS[feminine].gender.value == "feminine"


@pytest.mark.parametrize("masculine", ["tree", "computer", "uncle", "egg", "bus", "museum"])
def test_masculine(masculine: str) -> None:
    assert NOUNS[masculine].gender.value == "masculine"


def test_select_names_and_kinds_once() -> None:
    names = [noun.english for noun in select("apple FRUIT dog apple")]
    assert names == ["apple", "orange", "dog"]


def test_select_refuses_unknown_names() -> None:
    with pytest.raises(KeyError, match="unicorn"):
        select("dog unicorn")
