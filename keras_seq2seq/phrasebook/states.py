"""Sentences about what somebody or something is: qualities, places, identities, professions."""

from functools import cache

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.actions import MODES, draw_other, unlike
from keras_seq2seq.phrasebook.adjectives import ADJECTIVES, PERSONAL, Adjective, adjective_form
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.determiners import Article
from keras_seq2seq.phrasebook.dice import Dice
from keras_seq2seq.phrasebook.features import Agreement, Gender, Mode, Number, Phrase, Tense
from keras_seq2seq.phrasebook.nouns import NOUNS, french_plural, select
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.places import (
    AT,
    LANDMARKS,
    at_somebody,
    draw_place,
    landmarks,
    place_names,
    surfaces,
    tables,
)
from keras_seq2seq.phrasebook.sentence import Sentence
from keras_seq2seq.phrasebook.subjects import (
    NAMES,
    PRONOUNS,
    WE,
    YOU,
    I,
    draw_animal,
    draw_person,
    relatives,
)
from keras_seq2seq.phrasebook.times import TIMES
from keras_seq2seq.phrasebook.verbs import LYING, SERVED, SPECIFIC

_UNGRADED = frozenset({"empty", "ready"})
_PASSING = tuple(
    item for item in PERSONAL if item.english in ("happy", "sad", "tired", "ready", "rich")
)
DESCRIPTIONS = tuple(item for item in ADJECTIVES if item.predicates)


def speaker(dice: Dice, mode: Mode) -> Phrase:
    """Draws a pronoun or a name; a question has "you" in place of "I" and "we"."""
    subject = dice.choose(PRONOUNS * 2 + NAMES)
    return YOU if subject in (I, WE) and mode is Mode.QUESTION else subject


def _predicate(dice: Dice, adjective: Adjective, agreement: Agreement) -> Phrase:
    """Returns an adjective that agrees with its subject, sometimes with "very"."""
    form = adjective_form(adjective.french, agreement.gender, agreement.number)
    graded = not adjective.is_colour and adjective.english not in _UNGRADED
    if graded and dice.chance(0.25):
        return Phrase(f"very {adjective.english}", ("très", form))
    return Phrase(adjective.english, (form,))


def quality(dice: Dice) -> Sentence:
    """Draws "The soup is very hot."."""
    adjective, mode = dice.choose(DESCRIPTIONS), dice.weigh(MODES)
    noun = dice.choose(select(adjective.predicates))
    subject = draw_object(dice, noun, SPECIFIC, qualified=False)
    words = _predicate(dice, adjective, subject.agreement)
    clause = Clause(subject, verbs.BE, Tense.PRESENT, mode, (words,))
    return Sentence.of("quality", clause, (adjective.english, noun.english))


def mood(dice: Dice) -> Sentence:
    """Draws "We are tired." and "They are going to be happy."."""
    mode, will_be = dice.weigh(MODES), dice.chance(0.25)
    adjective = dice.choose(_PASSING if will_be else PERSONAL)
    subject = speaker(dice, mode) if dice.chance(0.7) else draw_person(dice, mode, specific=True)
    words = _predicate(dice, adjective, subject.agreement)
    tense = Tense.FUTURE if will_be else Tense.PRESENT
    clause = Clause(subject, verbs.BECOME, tense, mode, (words,))
    nouns = (name for name in subject.names if name in NOUNS)
    return Sentence.of("mood", clause, *((adjective.english, noun) for noun in nouns))


_SOMEWHERE = (
    "home school market station beach museum restaurant hospital library cinema office garden"
    " kitchen bedroom street village park house car train CITY"
)
_HORSES_STAY = ("garden", "park", "street", "village")
_PETS_STAY = ("garden", "kitchen", "house", "street", "bedroom", "park")


def _surroundings(dice: Dice, vehicle: bool = False) -> Phrase:
    """Draws a place in front of, behind or near a building, or in the street for a vehicle."""
    if vehicle and dice.chance(0.3):
        return draw_place(dice, "street", AT)
    return dice.choose(landmarks(dice.choose(LANDMARKS)))


def _person_somewhere(dice: Dice, mode: Mode) -> tuple[Phrase, Phrase]:
    """Draws a person and a place."""
    subject = draw_person(dice, mode, specific=True)
    if dice.chance(0.2):
        place = dice.choose(at_somebody(AT))
    elif dice.chance(0.25):
        place = _surroundings(dice)
    else:
        place = draw_place(dice, dice.choose(place_names(_SOMEWHERE)), AT, subject)
    return unlike(dice, subject, [place]), place


def _animal_somewhere(dice: Dice, mode: Mode) -> tuple[Phrase, Phrase]:
    """Draws an animal and a place."""
    subject = draw_animal(dice, mode, specific=True)
    if dice.chance(0.3):
        return subject, _surroundings(dice)
    places = _HORSES_STAY if "horse" in subject.names else _PETS_STAY
    return subject, draw_place(dice, dice.choose(places), AT)


def _thing_somewhere(dice: Dice) -> tuple[Phrase, Phrase]:
    """Draws a thing that lies somewhere, or a vehicle that stands somewhere."""
    if dice.chance(0.25):
        noun = dice.choose(select("car bike bus"))
        return draw_object(dice, noun, SPECIFIC), _surroundings(dice, vehicle=True)
    if dice.chance(0.1):
        subject = draw_object(dice, NOUNS["train"], SPECIFIC, single=True, qualified=False)
        return subject, draw_place(dice, "station", AT)
    lies = dice.chance(0.6)
    noun = dice.choose(select(LYING if lies else SERVED))
    subject = draw_object(dice, noun, SPECIFIC)
    if dice.chance(0.25):
        room = dice.choose(("bedroom", "car", "house") if lies else ("kitchen", "house"))
        return subject, draw_place(dice, room, AT)
    itself = Phrase("", (), names=(noun.english,))
    return subject, draw_other(dice, surfaces() if lies else tables(), [itself])


def location(dice: Dice) -> Sentence:
    """Draws "The keys are on the table." and "Is Marie at the doctor's?"."""
    mode = dice.weigh(MODES)
    if dice.chance(0.45):
        subject, place = _person_somewhere(dice, mode)
        times = TIMES[Tense.PRESENT]
        complements = (place, dice.choose(times)) if dice.chance(0.15) else (place,)
    else:
        subject, place = (
            _animal_somewhere(dice, mode) if dice.chance(0.3) else _thing_somewhere(dice)
        )
        complements = (place,)
    clause = Clause(subject, verbs.BE, Tense.PRESENT, mode, complements)
    return Sentence.of("location", clause)


_IDENTIFIED = "ANIMAL FRUIT FOOD DRINK TEXT CLOTHING VEHICLE TRANSPORT FURNITURE THING ART NATURE"
_IDENTIFIED += " house school hospital museum station question idea"
_NAMING = (Article.BARE, Article.INDEFINITE, Article.POSSESSIVE, Article.GENITIVE)
_IT = {
    Number.SINGULAR: Phrase("it", ("ce",)),
    Number.PLURAL: Phrase("these", ("ce",), Agreement(3, Number.PLURAL, Gender.MASCULINE)),
}


def identity(dice: Dice) -> Sentence:
    """Draws "It is not a dog." and "These are my sister's shoes."."""
    mode, noun = dice.weigh(MODES), dice.choose(select(_IDENTIFIED))
    thing = draw_object(dice, noun, _NAMING)
    if thing.english.startswith("some "):
        thing = draw_object(dice, noun, (Article.BARE,))
    subject = _IT[thing.agreement.number]
    return Sentence.of("identity", Clause(subject, verbs.BE, Tense.PRESENT, mode, (thing,)))


_PEERS = "brother sister friend neighbour"
_PROFESSIONS = (
    ("teacher", "professeur", "professeur"),
    ("doctor", "médecin", "médecin"),
    ("nurse", "infirmier", "infirmière"),
    ("student", "étudiant", "étudiante"),
    ("baker", "boulanger", "boulangère"),
)


@cache
def _known(names: str) -> tuple[Phrase, ...]:
    """Returns "my sister", "our friends" and so on, for the nouns that `names` selects."""
    kin = {noun.english for noun in select(names)}
    return tuple(item for item in relatives() if item.names[0] in kin)


def profession(dice: Dice) -> Sentence:
    """Draws "His mother is a doctor." and "They are students."."""
    (english, masculine, feminine), mode = dice.choose(_PROFESSIONS), dice.weigh(MODES)
    subject = speaker(dice, mode)
    if dice.chance(0.5):
        subject = dice.choose(_known(_PEERS if english == "student" else "KIN friend neighbour"))
    agreement = subject.agreement
    form = feminine if agreement.gender is Gender.FEMININE else masculine
    if agreement.number is Number.PLURAL:
        words = Phrase(english + "s", (french_plural(form),))
    else:
        words = Phrase("a " + english, (form,))
    clause = Clause(subject, verbs.BE, Tense.PRESENT, mode, (words,))
    return Sentence.of("profession", clause)
