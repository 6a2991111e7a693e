"""Sentences with can, must, have to, want to and know how to."""

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.actions import draw_agent, draw_object_of, draw_time, unlike
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.determiners import Article
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.features import Phrase, Tense
from keras_seq2seq.phrasebook.modal_verbs import CAN, HAVE_TO, KNOW_HOW, MUST, WANT_TO
from keras_seq2seq.phrasebook.nouns import NOUNS, select
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.places import AT, DESTINATIONS, TO, draw_place, place_names
from keras_seq2seq.phrasebook.sentence import Combination, Sentence
from keras_seq2seq.phrasebook.subjects import draw_person
from keras_seq2seq.phrasebook.verbs import Verb

_MODALS = Weighted((35.0, CAN), (20.0, MUST), (17.0, HAVE_TO), (28.0, WANT_TO))
_PERCEPTIONS = ("see", "hear")
_CHANCES = ("lose", "receive", "find")
_DEEDS = tuple(
    verb for verb in verbs.TRANSITIVE if not verb.stative and verb.english not in _CHANCES
)
_PERCEIVED = tuple(verb for verb in verbs.TRANSITIVE if verb.english in _PERCEPTIONS)
_MOVES = tuple(
    verb
    for verb in verbs.INTRANSITIVE
    if len(verb.tenses) > 1 and not verb.stative and verb.english != "arrive"
)
_SKILLS = (
    Verb("sing", "chanter"),
    Verb("dance", "danser"),
    Verb("read", "lire"),
    Verb("write", "écrire"),
    Verb("make", "faire", objects="cake soup bread coffee tea cheese"),
    Verb("repair", "réparer", objects="car bike phone computer"),
    Verb("write", "écrire", objects="letter poem"),
)


def _infinitive(dice: Dice, can: bool) -> tuple[Verb, str]:
    """Draws a verb and the name of its noun or place; the name is empty if it has none."""
    kind = dice.chance(0.6), dice.chance(0.3)
    if kind[0]:
        verb = dice.choose(_PERCEIVED if can and kind[1] else _DEEDS)
        return verb, dice.choose(select(verb.objects)).english
    if kind[1]:
        return verbs.MOTION[0], dice.choose(DESTINATIONS)
    verb = dice.choose(_MOVES)
    places = place_names(verb.places)
    return verb, dice.choose(places) if places and (verb.rooted or dice.chance(0.5)) else ""


def modal(dice: Dice) -> Sentence:
    """Draws "My sister wants to buy a dress."."""
    governor = dice.weigh(_MODALS)
    tense, mode = dice.choose(governor.uses)
    verb, name = _infinitive(dice, governor is CAN)
    self_question = governor in (CAN, HAVE_TO)
    complements: tuple[Phrase, ...] = ()
    if verb.objects:
        noun = NOUNS[name]
        subject = draw_agent(dice, verb, noun, mode, True, self_question)
        complements = (draw_object_of(dice, verb, noun, mode, subject),)
    else:
        subject = draw_person(dice, mode, True, self_question)
        if name:
            role = TO if verb in verbs.MOTION else AT
            complements = (draw_place(dice, name, role, subject),)
        subject = unlike(dice, subject, complements)
    if not verb.stative:
        moment = Tense.FUTURE if tense is Tense.PRESENT else tense
        complements += draw_time(dice, verb, moment, 0.2)
    combinations: list[Combination] = [(verb.name, name)] if name else []
    clause = Clause(subject, verb, tense, mode, complements, governor)
    return Sentence.of("modal", clause, *combinations)


def skill(dice: Dice) -> Sentence:
    """Draws "Do you know how to make cheese?"."""
    verb, (tense, mode) = dice.choose(_SKILLS), dice.choose(KNOW_HOW.uses)
    subject = draw_person(dice, mode, specific=True)
    complements: tuple[Phrase, ...] = ()
    combinations: list[Combination] = []
    if verb.objects:
        noun = dice.choose(select(verb.objects))
        article = Article.INDEFINITE if noun.english == "cake" else Article.BARE
        complements = (draw_object(dice, noun, (article,), mode, single=True, qualified=False),)
        combinations = [(verb.name, noun.english)]
    clause = Clause(subject, verb, tense, mode, complements, KNOW_HOW)
    return Sentence.of("skill", clause, *combinations)
