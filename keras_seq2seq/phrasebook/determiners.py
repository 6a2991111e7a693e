"""Articles, possessives, demonstratives and numerals in front of a noun."""

from dataclasses import dataclass
from enum import Enum

from keras_seq2seq.phrasebook import english
from keras_seq2seq.phrasebook.elision import starts_with_vowel_sound
from keras_seq2seq.phrasebook.features import Agreement, Gender, Mode, Number, Phrase
from keras_seq2seq.phrasebook.numerals import english_numeral, french_numeral


class Article(Enum):
    """The kinds of determiners.

    INDEFINITE is "a", or "some" with plurals and mass nouns; BARE means the same, but has no word
    in English; GENERIC has no word in English either, but the definite article in French.
    """

    DEFINITE = "the"
    INDEFINITE = "a"
    BARE = "bare"
    GENERIC = "generic"
    DEMONSTRATIVE = "this"
    POSSESSIVE = "my"
    NUMERAL = "two"
    GENITIVE = "Paul's"


@dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    """A determiner and its details.

    Args:
        article: Its kind.
        value: The number of a NUMERAL, one of `numerals.WORDS`; otherwise 0.
        possessor: The English possessive of a POSSESSIVE; otherwise empty.
        owner: The owner of a GENITIVE.
    """

    article: Article
    value: int = 0
    possessor: str = ""
    owner: Phrase | None = None


_POSSESSIVES = {
    "my": ("mon", "ma", "mes"),
    "your": ("votre", "votre", "vos"),
    "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"),
    "our": ("notre", "notre", "nos"),
    "their": ("leur", "leur", "leurs"),
}
POSSESSORS = tuple(_POSSESSIVES)


def english_determiner(
    determiner: Determiner, number: Number, mass: bool, following: str, mode: Mode
) -> str:
    """Returns the English determiner, empty for none.

    Args:
        determiner: The determiner.
        number: Number of the noun.
        mass: Whether the noun is a mass noun.
        following: The next English word, for "a" or "an".
        mode: Mode of the clause; "some" becomes "any" outside statements.
    """
    match determiner.article:
        case Article.DEFINITE:
            return "the"
        case Article.INDEFINITE if mass or number is Number.PLURAL:
            return "some" if mode is Mode.STATEMENT else "any"
        case Article.INDEFINITE:
            return english.indefinite_article(following)
        case Article.DEMONSTRATIVE:
            return "this" if number is Number.SINGULAR else "these"
        case Article.POSSESSIVE:
            return determiner.possessor
        case Article.NUMERAL:
            return english_numeral(determiner.value)
        case Article.GENITIVE if determiner.owner is not None:
            return english.possessive(determiner.owner.english)
    return ""


def french_determiner(
    determiner: Determiner, agreement: Agreement, mass: bool, following: str, partitive_de: bool
) -> tuple[str, ...]:
    """Returns the French words of a determiner before elision and contraction.

    Args:
        determiner: The determiner.
        agreement: Number and gender of the noun.
        mass: Whether the noun is a mass noun.
        following: The next French word, for cet and for mon before a vowel.
        partitive_de: Whether indefinite and partitive articles become de: after a negation, and
            before an adjective that precedes a plural noun.
    """
    match determiner.article:
        case Article.DEFINITE | Article.GENERIC | Article.GENITIVE:
            return (_definite(agreement),)
        case Article.INDEFINITE | Article.BARE:
            if partitive_de:
                return ("de",)
            if mass:
                return ("de", _definite(agreement))
            if agreement.number is Number.PLURAL:
                return ("des",)
            return ("une" if agreement.gender is Gender.FEMININE else "un",)
        case Article.NUMERAL:
            return french_numeral(determiner.value, agreement.gender)
        case Article.DEMONSTRATIVE:
            return (_demonstrative(agreement, following),)
        case Article.POSSESSIVE:
            return (_possessive(determiner.possessor, agreement, following),)


def _definite(agreement: Agreement) -> str:
    if agreement.number is Number.PLURAL:
        return "les"
    return "la" if agreement.gender is Gender.FEMININE else "le"


def _demonstrative(agreement: Agreement, following: str) -> str:
    if agreement.number is Number.PLURAL:
        return "ces"
    if agreement.gender is Gender.FEMININE:
        return "cette"
    return "cet" if starts_with_vowel_sound(following) else "ce"


def _possessive(possessor: str, agreement: Agreement, following: str) -> str:
    masculine, feminine, plural = _POSSESSIVES[possessor]
    if agreement.number is Number.PLURAL:
        return plural
    if agreement.gender is Gender.FEMININE and not starts_with_vowel_sound(following):
        return feminine
    return masculine
