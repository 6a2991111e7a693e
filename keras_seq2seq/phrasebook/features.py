"""Grammatical features and the two-language phrase that every rule returns."""

from dataclasses import dataclass
from enum import Enum


class Gender(Enum):
    """French gender."""

    MASCULINE = "masculine"
    FEMININE = "feminine"


class Number(Enum):
    """Grammatical number, the same in both languages."""

    SINGULAR = "singular"
    PLURAL = "plural"


class Tense(Enum):
    """Tense of a clause: present, past (passé composé), near future (aller + infinitive)."""

    PRESENT = "present"
    PAST = "past"
    FUTURE = "future"


class Mode(Enum):
    """Whether a clause states, denies or asks."""

    STATEMENT = "statement"
    NEGATION = "negation"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a verb, participle or adjective agrees with.

    Args:
        person: int in 1..3.
        number: Number of the phrase.
        gender: Gender of the phrase.
    """

    person: int
    number: Number
    gender: Gender

    @property
    def index(self) -> int:
        """Row of a conjugation table: 0 (je) to 5 (ils)."""
        return self.person - 1 + (3 if self.number is Number.PLURAL else 0)


THIRD_SINGULAR = Agreement(3, Number.SINGULAR, Gender.MASCULINE)


@dataclass(frozen=True, slots=True)
class Phrase:
    """The same words in English and in French.

    Args:
        english: The English words.
        french: The French words before elision and contraction, one per item.
        agreement: What a verb or adjective that belongs to the phrase agrees with.
        names: The English nouns that occur in it.
    """

    english: str
    french: tuple[str, ...]
    agreement: Agreement = THIRD_SINGULAR
    names: tuple[str, ...] = ()
