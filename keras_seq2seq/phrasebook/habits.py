"""Sentences about habits: what somebody does every day, on Sundays, in the morning."""

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.actions import MODES, draw_agent, unlike
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.determiners import Article
from keras_seq2seq.phrasebook.dice import Dice
from keras_seq2seq.phrasebook.features import Mode, Phrase, Tense
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import select
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.places import AT, TO, draw_place, place_names
from keras_seq2seq.phrasebook.sentence import Sentence
from keras_seq2seq.phrasebook.subjects import draw_person, own_possessor
from keras_seq2seq.phrasebook.times import HABITS

_SOME = (Article.INDEFINITE, Article.BARE)
_ALL, _THE, _MY = (Article.BARE,), (Article.DEFINITE,), (Article.POSSESSIVE,)
_ROUTINES = (
    ("eat", "apple orange egg", _SOME),
    ("eat", "bread cheese meat soup fish", _ALL),
    ("drink", "DRINK", _ALL),
    ("drink", "DRINK", _ALL),
    ("read", "newspaper", _THE),
    ("read", "book story poem", _SOME),
    ("write", "letter poem", _SOME),
    ("take", "bus train", _THE),
    ("wait for", "bus train", _THE),
    ("listen to", "music", _ALL),
    ("buy", "bread milk flower cheese meat fish", _ALL),
    ("make", "soup bread coffee tea", _ALL),
    ("wash", "car dog", _MY),
    ("do", "homework", _MY),
    ("call", "KIN friend", _MY),
    ("help", "KIN neighbour", _MY),
    ("watch", "film", _SOME),
)
_TRANSITIVE = {verb.name: verb for verb in verbs.TRANSITIVE}
_NEAR = place_names("school market beach library cinema office park restaurant museum village")
_DAILY = ("read", "work", "play", "sing", "dance", "run", "go out", "go home")
_INTRANSITIVE = tuple(verb for verb in verbs.INTRANSITIVE if verb.name in _DAILY)


def routine(dice: Dice) -> Sentence:
    """Draws "She drinks coffee in the morning."."""
    (name, nouns, articles), mode = dice.choose(_ROUTINES), dice.weigh(MODES)
    verb, noun = _TRANSITIVE[name], dice.choose(select(nouns))
    subject = draw_agent(dice, verb, noun, mode, specific=True)
    if articles is _MY:
        thing = noun_phrase(noun, noun.numbers[0], own_possessor(subject))
    else:
        thing = draw_object(dice, noun, articles, mode, single=True, qualified=False)
    clause = _habit(dice, subject, verb, mode, (thing,))
    return Sentence.of("routine", clause, (name, noun.english))


def custom(dice: Dice) -> Sentence:
    """Draws "We go to the market on Saturdays." and "They work at home in the evening."."""
    mode = dice.weigh(MODES)
    verb, role, places = verbs.MOTION[0], TO, _NEAR
    if dice.chance(0.5):
        verb, role = dice.choose(_INTRANSITIVE), AT
        places = place_names(verb.places)
    where: tuple[Phrase, ...] = ()
    subject = draw_person(dice, mode, specific=True)
    combinations = []
    if places and (role == TO or dice.chance(0.7)):
        place = dice.choose(places)
        where = (draw_place(dice, place, role, subject),)
        combinations = [(verb.name, place)]
    subject = unlike(dice, subject, where)
    return Sentence.of("custom", _habit(dice, subject, verb, mode, where), *combinations)


def _habit(
    dice: Dice, subject: Phrase, verb: verbs.Verb, mode: Mode, complements: tuple[Phrase, ...]
) -> Clause:
    """Completes a habit with its time."""
    time = dice.choose(HABITS)
    return Clause(subject, verb, Tense.PRESENT, mode, (*complements, time), habitual=True)
