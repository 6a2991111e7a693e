"""Noun phrases: determiner, adjectives and noun, agreeing, in both languages."""

from functools import cache

from keras_seq2seq.phrasebook.adjectives import Adjective, adjective_form
from keras_seq2seq.phrasebook.determiners import (
    Article,
    Determiner,
    english_determiner,
    french_determiner,
)
from keras_seq2seq.phrasebook.features import Agreement, Mode, Number, Phrase
from keras_seq2seq.phrasebook.nouns import Noun

_INDEFINITE = frozenset({Article.INDEFINITE, Article.BARE})


@cache
def noun_phrase(
    noun: Noun,
    number: Number,
    determiner: Determiner,
    adjectives: tuple[Adjective, ...] = (),
    mode: Mode = Mode.STATEMENT,
) -> Phrase:
    """Builds a noun phrase.

    Args:
        noun: The noun.
        number: Its number.
        determiner: What stands in front.
        adjectives: What qualifies it, in English order.
        mode: Mode of the clause if the phrase is its object; STATEMENT for a subject and after
            être, where a negation does not change the article.
    Returns:
        The phrase, with the gender and number that words around it agree with.
    """
    agreement = Agreement(3, number, noun.gender)
    owner = determiner.owner
    owned_by = ("de", *owner.french) if owner else ()
    owner_names = owner.names if owner else ()
    return Phrase(
        _english(noun, number, determiner, adjectives, mode),
        _french(noun, agreement, determiner, adjectives, mode) + owned_by,
        agreement,
        (noun.english, *owner_names),
    )


def _english(
    noun: Noun,
    number: Number,
    determiner: Determiner,
    adjectives: tuple[Adjective, ...],
    mode: Mode,
) -> str:
    """Returns the English words: the determiner, the adjectives, the noun."""
    words = [*(item.english for item in adjectives), noun.english_form(number)]
    first = english_determiner(determiner, number, noun.mass, words[0], mode)
    return " ".join([first, *words] if first else words)


def _french(
    noun: Noun,
    agreement: Agreement,
    determiner: Determiner,
    adjectives: tuple[Adjective, ...],
    mode: Mode,
) -> tuple[str, ...]:
    """Returns the French words, the adjectives on their side of the noun."""
    gender, number = agreement.gender, agreement.number
    words = [noun.french_form(number)]
    for item in reversed([item for item in adjectives if item.precedes]):
        words.insert(0, adjective_form(item.french, gender, number, words[0]))
    has_adjective_first = len(words) > 1
    words += [
        adjective_form(item.french, gender, number) for item in adjectives if not item.precedes
    ]
    becomes_de = determiner.article in _INDEFINITE and (
        mode is Mode.NEGATION or (number is Number.PLURAL and has_adjective_first)
    )
    return (*french_determiner(determiner, agreement, noun.mass, words[0], becomes_de), *words)
