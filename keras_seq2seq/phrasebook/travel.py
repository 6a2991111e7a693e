"""Sentences about coming and going, of persons and of trains."""

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.actions import MODES, draw_other, draw_tense, draw_time, unlike
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.determiners import Article
from keras_seq2seq.phrasebook.dice import Dice
from keras_seq2seq.phrasebook.features import Phrase, Tense
from keras_seq2seq.phrasebook.nouns import select
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.places import (
    DESTINATIONS,
    FROM,
    PROPER_PLACES,
    TO,
    at_somebody,
    draw_place,
    prepositional,
)
from keras_seq2seq.phrasebook.sentence import Combination, Sentence
from keras_seq2seq.phrasebook.subjects import companions, draw_person
from keras_seq2seq.phrasebook.times import LONG_TIMES

_COME = verbs.MOTION[1]
_LEAVE_ARRIVE = tuple(verb for verb in verbs.INTRANSITIVE if verb.english in ("leave", "arrive"))


def motion(dice: Dice) -> Sentence:
    """Draws "We are going to the market tomorrow."."""
    verb, mode = dice.choose(verbs.MOTION), dice.weigh(MODES)
    tense = Tense.PRESENT if dice.chance(0.5) else draw_tense(dice, verb)
    subject = draw_person(dice, mode)
    combinations: list[Combination] = []
    if dice.chance(0.2):
        where, is_far = dice.choose(at_somebody(TO)), False
    else:
        place = dice.choose(DESTINATIONS)
        where, is_far = draw_place(dice, place, TO), place in PROPER_PLACES
        combinations.append((verb.name, place))
    subject = unlike(dice, subject, [where])
    complements = [where]
    if dice.chance(0.2):
        complements.append(prepositional("with", draw_other(dice, companions(), [subject, where])))
    elif is_far and tense is not Tense.PRESENT and dice.chance(0.3):
        complements.append(dice.choose(LONG_TIMES[tense]))
    else:
        complements += draw_time(dice, verb, tense, 0.5)
    clause = Clause(subject, verb, tense, mode, tuple(complements))
    return Sentence.of("motion", clause, *combinations)


def origin(dice: Dice) -> Sentence:
    """Draws "They are coming from the market." and "Julie comes from Canada."."""
    mode, place = dice.weigh(MODES), dice.choose(DESTINATIONS)
    where = draw_place(dice, place, FROM)
    subject = unlike(dice, draw_person(dice, mode, specific=True), [where])
    is_home = place in PROPER_PLACES
    clause = Clause(subject, _COME, Tense.PRESENT, mode, (where,), habitual=is_home)
    return Sentence.of("origin", clause, (_COME.name, place))


def transport(dice: Dice) -> Sentence:
    """Draws "The train is leaving at eight o'clock."."""
    verb, mode = dice.choose(_LEAVE_ARRIVE), dice.weigh(MODES)
    tense = draw_tense(dice, verb)
    noun = dice.choose(select("TRANSPORT boat"))
    articles = (Article.DEFINITE, Article.DEFINITE, Article.DEMONSTRATIVE)
    subject: Phrase = draw_object(dice, noun, articles, single=True, qualified=False)
    clause = Clause(subject, verb, tense, mode, draw_time(dice, verb, tense, 0.8))
    return Sentence.of("transport", clause)
