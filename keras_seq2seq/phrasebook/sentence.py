"""A finished sentence pair and what it teaches."""

from dataclasses import dataclass

from keras_seq2seq.phrasebook.clause import Clause

Combination = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sentence:
    """An English sentence with its French translation.

    Args:
        english: The English sentence.
        french: The French sentence.
        template: Name of the rule that made it.
        combinations: The pairs of a verb (or adjective) and a noun that it joins: verb and object,
            verb and place, adjective and subject.
    """

    english: str
    french: str
    template: str
    combinations: tuple[Combination, ...] = ()

    @classmethod
    def of(cls, template: str, clause: Clause, *combinations: Combination) -> "Sentence":
        """Says a clause in both languages."""
        return cls(clause.english(), clause.french(), template, combinations)
