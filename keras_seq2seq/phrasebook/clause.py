"""A clause, and its sentences in English and in French."""

from dataclasses import dataclass

from keras_seq2seq.phrasebook import english
from keras_seq2seq.phrasebook.conjugation import verb_words
from keras_seq2seq.phrasebook.elision import join_words
from keras_seq2seq.phrasebook.features import Mode, Phrase, Tense
from keras_seq2seq.phrasebook.modal_verbs import Modal
from keras_seq2seq.phrasebook.verbs import Verb


@dataclass(frozen=True, slots=True)
class Clause:
    """Subject, verb and complements, before either language.

    Args:
        subject: The subject.
        verb: The verb; with a modal, the infinitive.
        tense: Tense of the finite verb.
        mode: Statement, negation or question.
        complements: What follows the verb, in the order of both languages.
        modal: The finite verb that governs `verb`, if there is one.
        habitual: Whether the clause is a habit, so that the English present is simple.
    """

    subject: Phrase
    verb: Verb
    tense: Tense
    mode: Mode
    complements: tuple[Phrase, ...] = ()
    modal: Modal | None = None
    habitual: bool = False

    def english(self) -> str:
        """Returns the English sentence."""
        verb = self.verb
        fixed = verb.fixed.english if verb.fixed else ""
        front, group = self._english_verb()
        words = [front, self.subject.english, group, verb.particle, fixed]
        words += [item.english for item in self.complements]
        return english_sentence(" ".join(filter(None, words)), self.mode)

    def french(self) -> str:
        """Returns the French sentence."""
        verb, modal = self.verb, self.modal
        finite = modal.french if modal else verb.french
        words = [*self.subject.french]
        words += verb_words(finite, self.tense, self.mode, self.subject.agreement)
        if modal:
            words.append(verb.french)
        if verb.fixed:
            words += verb.fixed.french
        if verb.link:
            words.append(verb.link)
        for item in self.complements:
            words += item.french
        return french_sentence(words, self.mode)

    def _english_verb(self) -> tuple[str, str]:
        """Returns the English verb before and after the subject."""
        verb, modal, tense = self.verb, self.modal, self.tense
        agreement = self.subject.agreement
        if modal is None:
            simple = verb.stative or self.habitual
            return english.verb_group(verb.english, tense, self.mode, agreement, simple)
        word = modal.english[tense]
        if not modal.link:
            return english.auxiliary_group(word, verb.english, self.mode)
        front, group = english.verb_group(word, tense, self.mode, agreement, True)
        return front, f"{group} {modal.link} {verb.english}"


def english_sentence(words: str, mode: Mode) -> str:
    """Capitalises and punctuates English words."""
    return words[0].upper() + words[1:] + ("?" if mode is Mode.QUESTION else ".")


def french_sentence(words: list[str], mode: Mode) -> str:
    """Joins French words into a sentence; a question begins with "Est-ce que"."""
    if mode is Mode.QUESTION:
        return f"Est-ce {join_words(['que', *words])} ?"
    joined = join_words(words)
    return joined[0].upper() + joined[1:] + "."
