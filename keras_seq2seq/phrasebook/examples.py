"""The sentences with which every phrasebook begins, so that documentation can count on them."""

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.adjectives import ADJECTIVES
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.features import Mode, Number, Phrase, Tense
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import NOUNS
from keras_seq2seq.phrasebook.places import TO, place_phrases
from keras_seq2seq.phrasebook.sentence import Sentence
from keras_seq2seq.phrasebook.subjects import HE, SHE, THE, THEY, WE, A
from keras_seq2seq.phrasebook.times import TIMES

_VERBS = {verb.name: verb for verb in verbs.TRANSITIVE}
_ADJECTIVES = {item.english: item for item in ADJECTIVES}


def _transitive(
    subject: Phrase, name: str, thing: Phrase, tense: Tense, mode: Mode = Mode.STATEMENT
) -> Sentence:
    clause = Clause(subject, _VERBS[name], tense, mode, (thing,))
    return Sentence.of("transitive", clause, (name, thing.names[0]))


def _the(noun: str, *adjectives: str) -> Phrase:
    qualities = tuple(_ADJECTIVES[item] for item in adjectives)
    return noun_phrase(NOUNS[noun], Number.SINGULAR, THE, qualities)


def examples() -> tuple[Sentence, ...]:
    """Returns "They are watching.", "The little girl is eating an apple." and four more."""
    watching = Clause(THEY, verbs.INTRANSITIVE[0], Tense.PRESENT, Mode.STATEMENT)
    market = (place_phrases("market", TO)[0], TIMES[Tense.FUTURE][0])
    going = Clause(WE, verbs.MOTION[0], Tense.PRESENT, Mode.STATEMENT, market)
    apple = noun_phrase(NOUNS["apple"], Number.SINGULAR, A)
    return (
        Sentence.of("intransitive", watching),
        Sentence.of("motion", going, ("go", "market")),
        _transitive(_the("girl", "little"), "eat", apple, Tense.PRESENT),
        _transitive(THEY, "like", _the("house", "red"), Tense.PRESENT),
        _transitive(SHE, "know", _the("teacher"), Tense.PRESENT),
        _transitive(HE, "eat", _the("bread"), Tense.PAST, Mode.NEGATION),
    )
