"""Objects of a verb: a noun that goes with the verb, and a determiner that both allow."""

from functools import cache

from keras_seq2seq.phrasebook.adjectives import qualifying
from keras_seq2seq.phrasebook.determiners import Article, Determiner
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.features import Mode, Number, Phrase
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import Noun
from keras_seq2seq.phrasebook.subjects import (
    HER,
    HIS,
    NUMERALS,
    POSSESSIVES,
    own_possessor,
    own_possessors,
    owners,
)

_WEIGHTS = {
    Article.DEFINITE: 30.0,
    Article.INDEFINITE: 25.0,
    Article.BARE: 12.0,
    Article.GENERIC: 30.0,
    Article.DEMONSTRATIVE: 9.0,
    Article.POSSESSIVE: 20.0,
    Article.NUMERAL: 8.0,
    Article.GENITIVE: 7.0,
}
_OWNED = frozenset({Article.POSSESSIVE, Article.GENITIVE})
_COLLECTIVE = frozenset({Article.BARE, Article.GENERIC})
_PLURAL_ARTICLES = _COLLECTIVE | {Article.NUMERAL}
_SPECIFIED = frozenset({Article.DEFINITE, Article.DEMONSTRATIVE})
_ACQUIRED = frozenset({"friend", "doctor", "child", "student"})
_OWNED_ONCE = frozenset({"HOME", "ROOM", "OUTDOORS", "VEHICLE", "BUILDING", "FURNITURE"})
_HELPERS = frozenset({"doctor", "teacher"})
_NOURISHING = frozenset({"FRUIT", "FOOD", "DRINK"})
_MANY = frozenset({"apple", "orange", "egg", "book", "flower", "photo", "letter"})
_NUMEROUS = NUMERALS[:5] * 2 + NUMERALS
_FEW = NUMERALS[:2] * 2 + NUMERALS[:4]
_PLAIN = {article: Determiner(article) for article in Article}
_ADJECTIVE_CHANCE = 0.3
_PLURAL_CHANCE = 0.3
_OWN_CHANCE = 0.75
_COLLECTIVE_POSSESSORS = frozenset({"our", "their"})


def _is_allowed(article: Article, noun: Noun, mode: Mode) -> bool:
    """Returns True if a noun takes a kind of determiner in a clause of this mode."""
    if article in _OWNED:
        owned_by_name = article is Article.GENITIVE and noun.kind == "PART"
        return noun.owned and not owned_by_name
    if noun.kind == "KIN" or (noun.english == "friend" and article in _SPECIFIED):
        return False
    if noun.kind == "PERSON" and article not in _SPECIFIED:
        return noun.english in _ACQUIRED and mode is not Mode.NEGATION
    if article is Article.NUMERAL:
        return len(noun.numbers) == 2 and mode is not Mode.NEGATION
    if article is Article.DEMONSTRATIVE:
        return not noun.mass and noun.kind != "HOMEWORK"
    if article in _COLLECTIVE:
        return noun.kind != "PERSON" and (noun.mass or Number.PLURAL in noun.numbers)
    return True


@cache
def _articles(noun: Noun, articles: tuple[Article, ...], mode: Mode) -> Weighted[Article]:
    """Returns those determiners of the verb that the noun can take, with their weights."""
    return Weighted(*((_WEIGHTS[item], item) for item in articles if _is_allowed(item, noun, mode)))


def _draw_number(dice: Dice, noun: Noun, article: Article, single: bool) -> Number:
    """Draws a number that the noun and the determiner allow."""
    if len(noun.numbers) == 1:
        return noun.numbers[0]
    if article in _PLURAL_ARTICLES:
        return Number.PLURAL
    is_owned_once = noun.kind in _OWNED_ONCE or noun.english in _HELPERS
    if single or (article in _OWNED and is_owned_once):
        return Number.SINGULAR
    return Number.PLURAL if dice.chance(_PLURAL_CHANCE) else Number.SINGULAR


def _draw_possessive(dice: Dice, noun: Noun, subject: Phrase | None, foreign: bool) -> Determiner:
    """Draws a possessive, mostly that of the subject; only women have a dress here."""
    if subject is not None and not foreign and dice.chance(_OWN_CHANCE):
        determiner = own_possessor(subject)
    else:
        determiner = dice.choose(POSSESSIVES)
        while foreign and subject is not None and determiner in own_possessors(subject):
            determiner = dice.choose(POSSESSIVES)
    return HER if noun.english == "dress" and determiner is HIS else determiner


def _draw_owner(dice: Dice, noun: Noun, subject: Phrase | None) -> Determiner:
    """Draws an owner ("Paul's") that is neither the noun nor the subject."""
    candidates = owners(noun.kind == "KIN", noun.english == "dress")
    taken = {noun.english, *(subject.names if subject else ())}
    while True:
        determiner = dice.choose(candidates)
        if determiner.owner is not None and taken.isdisjoint(determiner.owner.names):
            return determiner


def draw_object(
    dice: Dice,
    noun: Noun,
    articles: tuple[Article, ...],
    mode: Mode = Mode.STATEMENT,
    *,
    subject: Phrase | None = None,
    single: bool = False,
    qualified: bool = True,
    foreign: bool = False,
) -> Phrase:
    """Draws a phrase of a noun.

    Args:
        dice: Source of randomness.
        noun: The noun.
        articles: The determiners that the verb allows, at least one of them allowed by the noun.
        mode: Mode of the clause; STATEMENT where a negation does not change the article.
        subject: The subject of the clause, who mostly owns the object.
        single: Whether a countable noun without a number is singular.
        qualified: Whether the noun may have an adjective.
        foreign: Whether a possessive of the noun never refers to the subject.
    """
    article = dice.weigh(_articles(noun, articles, mode))
    match article:
        case Article.NUMERAL:
            determiner = dice.choose(_NUMEROUS if noun.english in _MANY else _FEW)
        case Article.POSSESSIVE:
            determiner = _draw_possessive(dice, noun, subject, foreign)
        case Article.GENITIVE:
            determiner = _draw_owner(dice, noun, subject)
        case _:
            determiner = _PLAIN[article]
    number = _draw_number(dice, noun, article, single)
    if noun.kind == "CLOTHING" and determiner.possessor in _COLLECTIVE_POSSESSORS:
        number = Number.PLURAL
    is_own_food = noun.kind in _NOURISHING and article in _OWNED
    plain = not qualified or article is Article.GENERIC or is_own_food
    choices = () if plain else qualifying(noun, article in _OWNED or article in _SPECIFIED)
    adjectives = dice.choose(choices) if choices and dice.chance(_ADJECTIVE_CHANCE) else ()
    return noun_phrase(noun, number, determiner, adjectives, mode)
