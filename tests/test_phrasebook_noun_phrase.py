import pytest

from keras_seq2seq.phrasebook.adjectives import ADJECTIVES
from keras_seq2seq.phrasebook.determiners import Article, Determiner
from keras_seq2seq.phrasebook.elision import join_words
from keras_seq2seq.phrasebook.features import Mode, Number, Phrase
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import NOUNS

BY_NAME = {item.english: item for item in ADJECTIVES}
THE, A = Determiner(Article.DEFINITE), Determiner(Article.INDEFINITE)
BARE, GENERIC = Determiner(Article.BARE), Determiner(Article.GENERIC)
THIS = Determiner(Article.DEMONSTRATIVE)
NUMBERS = {"1": Number.SINGULAR, "2": Number.PLURAL}


def build(
    determiner: Determiner, words: str, number: str = "1", mode: Mode = Mode.STATEMENT
) -> tuple[str, str]:
    *adjectives, noun = words.split()
    qualities = tuple(BY_NAME[item] for item in adjectives)
    phrase = noun_phrase(NOUNS[noun], NUMBERS[number], determiner, qualities, mode)
    return phrase.english, join_words(phrase.french)


def my(possessor: str) -> Determiner:
    return Determiner(Article.POSSESSIVE, possessor=possessor)


def count(value: int) -> Determiner:
    return Determiner(Article.NUMERAL, value)


@pytest.mark.parametrize(
    ("words", "number", "english", "french"),
    [
        ("dog", "1", "the dog", "le chien"),
        ("house", "1", "the house", "la maison"),
        ("school", "1", "the school", "l'école"),
        ("man", "1", "the man", "l'homme"),
        ("hamster", "1", "the hamster", "le hamster"),
        ("story", "2", "the stories", "les histoires"),
        ("old man", "1", "the old man", "le vieil homme"),
        ("old friend", "2", "the old friends", "les vieux amis"),
        ("beautiful tree", "1", "the beautiful tree", "le bel arbre"),
        ("beautiful tree", "2", "the beautiful trees", "les beaux arbres"),
        ("new computer", "1", "the new computer", "le nouvel ordinateur"),
        ("red house", "1", "the red house", "la maison rouge"),
        ("interesting story", "2", "the interesting stories", "les histoires intéressantes"),
        ("big red car", "1", "the big red car", "la grande voiture rouge"),
        ("little black cat", "2", "the little black cats", "les petits chats noirs"),
    ],
)
def test_definite(words: str, number: str, english: str, french: str) -> None:
    assert build(THE, words, number) == (english, french)


@pytest.mark.parametrize(
    ("words", "number", "english", "french"),
    [
        ("apple", "1", "an apple", "une pomme"),
        ("old bag", "1", "an old bag", "un vieux sac"),
        ("empty glass", "1", "an empty glass", "un verre vide"),
        ("apple", "2", "some apples", "des pommes"),
        ("small house", "2", "some small houses", "de petites maisons"),
        ("old tree", "2", "some old trees", "de vieux arbres"),
        ("red car", "2", "some red cars", "des voitures rouges"),
        ("new red car", "2", "some new red cars", "de nouvelles voitures rouges"),
        ("bread", "1", "some bread", "du pain"),
        ("meat", "1", "some meat", "de la viande"),
        ("water", "1", "some water", "de l'eau"),
        ("money", "1", "some money", "de l'argent"),
        ("good bread", "1", "some good bread", "du bon pain"),
        ("good meat", "1", "some good meat", "de la bonne viande"),
        ("hamster", "1", "a hamster", "un hamster"),
    ],
)
def test_indefinite_and_partitive(words: str, number: str, english: str, french: str) -> None:
    assert build(A, words, number) == (english, french)


@pytest.mark.parametrize(
    ("words", "number", "english", "french"),
    [
        ("dog", "1", "a dog", "de chien"),
        ("apple", "1", "an apple", "de pomme"),
        ("egg", "2", "any eggs", "d'œufs"),
        ("bean", "2", "any beans", "de haricots"),
        ("bread", "1", "any bread", "de pain"),
        ("water", "1", "any water", "d'eau"),
        ("old computer", "1", "an old computer", "de vieil ordinateur"),
        ("expensive car", "2", "any expensive cars", "de voitures chères"),
    ],
)
def test_de_after_a_negation(words: str, number: str, english: str, french: str) -> None:
    assert build(A, words, number, Mode.NEGATION) == (english, french)


@pytest.mark.parametrize("determiner", [THE, THIS, my("my"), GENERIC])
def test_other_determiners_ignore_negation(determiner: Determiner) -> None:
    assert build(determiner, "dog", "2") == build(determiner, "dog", "2", Mode.NEGATION)


def test_any_in_questions() -> None:
    assert build(A, "bread", "1", Mode.QUESTION) == ("any bread", "du pain")


def test_no_english_article_for_bare_and_generic() -> None:
    assert build(BARE, "apple", "2") == ("apples", "des pommes")
    assert build(GENERIC, "apple", "2") == ("apples", "les pommes")
    assert build(GENERIC, "water") == ("water", "l'eau")


@pytest.mark.parametrize(
    ("words", "number", "english", "french"),
    [
        ("book", "1", "this book", "ce livre"),
        ("man", "1", "this man", "cet homme"),
        ("computer", "1", "this computer", "cet ordinateur"),
        ("new computer", "1", "this new computer", "ce nouvel ordinateur"),
        ("hamster", "1", "this hamster", "ce hamster"),
        ("school", "1", "this school", "cette école"),
        ("child", "2", "these children", "ces enfants"),
    ],
)
def test_demonstrative(words: str, number: str, english: str, french: str) -> None:
    assert build(THIS, words, number) == (english, french)


@pytest.mark.parametrize(
    ("possessor", "words", "number", "french"),
    [
        ("my", "book", "1", "mon livre"),
        ("my", "sister", "1", "ma sœur"),
        ("my", "school", "1", "mon école"),
        ("my", "story", "1", "mon histoire"),
        ("my", "new school", "1", "ma nouvelle école"),
        ("my", "friend", "2", "mes amis"),
        ("his", "car", "1", "sa voiture"),
        ("her", "car", "1", "sa voiture"),
        ("her", "idea", "1", "son idée"),
        ("her", "dog", "1", "son chien"),
        ("his", "plate", "1", "son assiette"),
        ("our", "house", "1", "notre maison"),
        ("our", "key", "2", "nos clés"),
        ("your", "orange", "1", "votre orange"),
        ("your", "child", "2", "vos enfants"),
        ("their", "story", "1", "leur histoire"),
        ("their", "shoe", "2", "leurs chaussures"),
    ],
)
def test_possessive(possessor: str, words: str, number: str, french: str) -> None:
    assert build(my(possessor), words, number)[1] == french


@pytest.mark.parametrize(
    ("value", "words", "english", "french"),
    [
        (2, "dog", "two dogs", "deux chiens"),
        (8, "egg", "eight eggs", "huit œufs"),
        (11, "horse", "eleven horses", "onze chevaux"),
        (21, "book", "twenty-one books", "vingt et un livres"),
        (21, "apple", "twenty-one apples", "vingt et une pommes"),
        (3, "small house", "three small houses", "trois petites maisons"),
    ],
)
def test_numeral(value: int, words: str, english: str, french: str) -> None:
    assert build(count(value), words, "2") == (english, french)


@pytest.mark.parametrize(
    ("owner", "words", "english", "french"),
    [
        (Phrase("Anne", ("Anne",)), "book", "Anne's book", "le livre d'Anne"),
        (Phrase("the teacher", ("le", "professeur")), "car", None, "la voiture du professeur"),
        (Phrase("the children", ("les", "enfants")), "key", None, "la clé des enfants"),
        (Phrase("the man", ("le", "homme")), "old hat", None, "le vieux chapeau de l'homme"),
        (Phrase("my sister", ("ma", "sœur")), "red bag", None, "le sac rouge de ma sœur"),
    ],
)
def test_genitive(owner: Phrase, words: str, english: str | None, french: str) -> None:
    phrase = build(Determiner(Article.GENITIVE, owner=owner), words)
    assert phrase == (english or f"{owner.english}'s {words}", french)
