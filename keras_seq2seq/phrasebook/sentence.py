"""A finished sentence pair and the combinations it contains."""

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
        combinations: The pairs of a verb (or adjective) and a noun that it contains: verb and
            object, verb and place, adjective and subject.
    """

    english: str
    french: str
    template: str
    combinations: tuple[Combination, ...] = ()

    @classmethod
    def of(cls, template: str, clause: Clause, *combinations: Combination) -> "Sentence":
        """Builds the sentence pair of a clause."""
        return cls(clause.english(), clause.french(), template, combinations)
