import re

import pytest

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.features import Mode
from keras_seq2seq.phrasebook.grammar import TEMPLATES, combinations, draw_sentence
from keras_seq2seq.phrasebook.nouns import select
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.sentence import Sentence

TEMPLATE_NAMES = [template.__name__ for template in TEMPLATES.items]


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    dice = Dice(11)
    return [draw_sentence(dice) for _ in range(40_000)]


def test_english_determines_french(sentences: list[Sentence]) -> None:
    french: dict[str, str] = {}
    for sentence in sentences:
        assert french.setdefault(sentence.english, sentence.french) == sentence.french


def test_english_determines_combinations(sentences: list[Sentence]) -> None:
    joined: dict[str, set[tuple[str, str]]] = {}
    for sentence in sentences:
        combined = set(sentence.combinations)
        assert joined.setdefault(sentence.english, combined) == combined, sentence.english


def test_every_template_is_drawn(sentences: list[Sentence]) -> None:
    assert {sentence.template for sentence in sentences} == set(TEMPLATE_NAMES)


def test_every_combination_is_listed(sentences: list[Sentence]) -> None:
    listed = {item for group in combinations().values() for item in group}
    assert {item for sentence in sentences for item in sentence.combinations} <= listed


FRENCH = re.compile(r"[A-ZÀÉ][\w' -]*[\w](\.| \?)")
ENGLISH = re.compile(r"[A-Z][\w' -]*[\w'][.?]")


def test_orthography(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        assert FRENCH.fullmatch(sentence.french), sentence.french
        assert ENGLISH.fullmatch(sentence.english), sentence.english
        assert sentence.french.endswith("?") == sentence.english.endswith("?")


@pytest.mark.parametrize(
    "mistake",
    [
        r"\b(le|la|je|ne|de|que) [aeiouyàâéèêëîïôœù]",
        r"\b(le|la|de|que|ne) h(omme|ôpital|istoire)",
        r"\b(l|d|qu|n|j)'(hamster|haricot|huit|onze|[bcdfgklmnpqrstvwxz])",
        r"\b(à|de) (le|les) (?!lire)",
        r"\b(ma|ta|sa|cette) (ami|homme|oiseau)\b|\b(ma|sa) [aeiouéèœ]",
        r"\bce [aeiouéèêœ]|\bcet [bcdfgjklmnpqrstvz]",
        r"\b(beau|nouveau|vieux) (homme|arbre|oiseau|ordinateur|hôpital|ami|étudiant)\b",
        r"\bdes (petit|grand|beaux|belles|joli|vieux|vieilles|nouve|bon|jeune|long)",
        r"\bpas (du|de la|de l'|des) ",
        r"  ",
    ],
)
def test_no_french_mistake(sentences: list[Sentence], mistake: str) -> None:
    exempt = (
        "n'est pas",
        "ne sont pas",
        "peur",
        "devant",
        "derrière",
        "près",
        "vien",
        "ven",
        "chez",
    )
    pattern = re.compile(mistake)
    found = [
        sentence.french
        for sentence in sentences
        if pattern.search(sentence.french) and not any(word in sentence.french for word in exempt)
    ]
    assert found == []


def test_english_articles(sentences: list[Sentence]) -> None:
    wrong = re.compile(r"\b(a [aeiou]|an [bcdfghjklmnpqrstvwxyz])")
    assert not [item.english for item in sentences if wrong.search(item.english)]


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (r"\byesterday\b", r"\bhier\b"),
        (r"\btomorrow\b", r"\bdemain\b"),
        (r"\btoday\b", r"\baujourd'hui\b"),
        (r"\bat eight o'clock\b", r"\bà huit heures\b"),
        (r"\bon Monday\b", r"(?<!\ble )\blundi\b"),
        (r"\bon Mondays\b", r"\ble lundi\b"),
    ],
)
def test_times_correspond(sentences: list[Sentence], english: str, french: str) -> None:
    timed = [item for item in sentences if re.search(english, item.english)]
    assert timed
    assert all(re.search(french, item.french) for item in timed)


@pytest.mark.parametrize(
    ("time", "auxiliary"),
    [
        ("hier", r"\b(ai|a|avons|avez|ont|suis|est|sommes|êtes|sont) (pas )?\w+[éiûtuse]\b"),
        (
            "demain",
            r"\b(va|allons|allez|vont|vien|ven|par|sor|arriv|rentr|peu|pouv|v[eo]u|d[oe])",
        ),
    ],
)
def test_times_agree_with_the_tense(sentences: list[Sentence], time: str, auxiliary: str) -> None:
    timed = [item.french for item in sentences if re.search(rf"\b{time}\b", item.french)]
    text = [item.replace("n'", "n' ").replace("J'", "J' ").replace("j'", "j' ") for item in timed]
    assert text
    assert [item for item in text if not re.search(auxiliary, item)] == []


@pytest.mark.parametrize("mode", Mode)
def test_every_object_has_a_determiner(mode: Mode) -> None:
    dice = Dice(0)
    for verb in (*verbs.TRANSITIVE, verbs.GIVE, verbs.SHOW, verbs.PUT):
        for noun in select(verb.objects):
            assert draw_object(dice, noun, verb.articles, mode).english


def test_dice_repeats_itself() -> None:
    first, second = Dice(5), Dice(5)
    assert [draw_sentence(first) for _ in range(50)] == [draw_sentence(second) for _ in range(50)]


def test_dice_follows_the_weights() -> None:
    dice, options = Dice(0), Weighted((3.0, "often"), (1.0, "seldom"))
    often = sum(dice.weigh(options) == "often" for _ in range(4_000))
    assert 2_800 < often < 3_200


def test_dice_shuffles_everything() -> None:
    assert sorted(Dice(1).shuffled(range(20))) == list(range(20))
