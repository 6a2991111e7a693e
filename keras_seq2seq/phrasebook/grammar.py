"""The grammar: the sentence templates, their frequencies and the combinations they contain."""

from keras_seq2seq.phrasebook import actions, conditions, habits, modals, states, travel, verbs
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.nouns import select
from keras_seq2seq.phrasebook.places import DESTINATIONS, place_names
from keras_seq2seq.phrasebook.sentence import Combination, Sentence

TEMPLATES = Weighted(
    (30.0, actions.transitive),
    (13.0, actions.intransitive),
    (7.0, travel.motion),
    (1.0, travel.origin),
    (1.0, travel.transport),
    (4.0, actions.giving),
    (1.5, actions.saying),
    (2.0, actions.putting),
    (10.0, modals.modal),
    (1.0, modals.skill),
    (3.0, habits.routine),
    (3.0, habits.custom),
    (6.0, states.quality),
    (2.5, states.mood),
    (6.0, states.location),
    (4.0, states.identity),
    (1.5, states.profession),
    (1.0, conditions.feeling),
    (1.0, conditions.fear),
    (0.5, conditions.age),
    (0.5, conditions.family),
    (3.0, conditions.existence),
    (0.5, conditions.weather),
)


def draw_sentence(dice: Dice) -> Sentence:
    """Draws one sentence from any template."""
    return dice.weigh(TEMPLATES)(dice)


def combinations() -> dict[str, tuple[Combination, ...]]:
    """Returns the combinations that can be held out, grouped by their verb or adjective.

    A combination is a verb and its object, a verb and its place, or an adjective and its subject.
    """
    transitive = (*verbs.TRANSITIVE, verbs.GIVE, verbs.SHOW, verbs.PUT)
    groups: dict[str, tuple[Combination, ...]] = {}
    for verb in transitive:
        nouns = select(f"{verb.objects} {verb.animal_objects}")
        groups[verb.name + " object"] = tuple((verb.name, noun.english) for noun in nouns)
    for verb in verbs.INTRANSITIVE:
        places = place_names(verb.places)
        groups[verb.name + " place"] = tuple((verb.name, place) for place in places)
    for verb in verbs.MOTION:
        groups[verb.name + " destination"] = tuple((verb.name, place) for place in DESTINATIONS)
    for item in states.DESCRIPTIONS:
        nouns = select(item.predicates)
        groups[item.english] = tuple((item.english, noun.english) for noun in nouns)
    return groups
