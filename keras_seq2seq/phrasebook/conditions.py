"""Sentences where French uses another verb: avoir faim, avoir dix ans, il y a, il fait froid."""

from keras_seq2seq.phrasebook import english, verbs
from keras_seq2seq.phrasebook.actions import MODES
from keras_seq2seq.phrasebook.adjectives import qualifying
from keras_seq2seq.phrasebook.clause import Clause, english_sentence, french_sentence
from keras_seq2seq.phrasebook.determiners import Article, Determiner
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.features import Gender, Mode, Number, Phrase, Tense
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import NOUNS, select
from keras_seq2seq.phrasebook.numerals import english_numeral, french_numeral
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.places import AT, place_names, place_phrases, surfaces, tables
from keras_seq2seq.phrasebook.sentence import Sentence
from keras_seq2seq.phrasebook.states import speaker
from keras_seq2seq.phrasebook.subjects import NUMERALS, A, draw_animal, draw_person
from keras_seq2seq.phrasebook.times import TIMES
from keras_seq2seq.phrasebook.verbs import LYING, SERVED

_FEELINGS = (
    Phrase("hungry", ("faim",)),
    Phrase("thirsty", ("soif",)),
    Phrase("cold", ("froid",)),
    Phrase("hot", ("chaud",)),
    Phrase("sleepy", ("sommeil",)),
    Phrase("afraid", ("peur",)),
)
_BEING_RIGHT = Phrase("right", ("raison",))


def feeling(dice: Dice) -> Sentence:
    """Draws "The children are very hungry." and "You are right."."""
    mode = dice.weigh(MODES)
    if dice.chance(0.1):
        subject = draw_person(dice, mode, specific=True)
        clause = Clause(subject, verbs.FEEL, Tense.PRESENT, mode, (_BEING_RIGHT,))
        return Sentence.of("feeling", clause)
    words = dice.choose(_FEELINGS)
    tense = Tense.FUTURE if dice.chance(0.25) else Tense.PRESENT
    if dice.chance(0.25):
        words = Phrase(f"very {words.english}", ("très", *words.french))
    is_animal = "hot" not in words.english and dice.chance(0.15)
    subject = (draw_animal if is_animal else draw_person)(dice, mode, specific=True)
    return Sentence.of("feeling", Clause(subject, verbs.FEEL, tense, mode, (words,)))


def fear(dice: Dice) -> Sentence:
    """Draws "The little boy is afraid of the horse."."""
    mode, noun = dice.weigh(MODES), dice.choose(select("ANIMAL water teacher doctor"))
    articles = (Article.DEFINITE, Article.POSSESSIVE, Article.DEMONSTRATIVE, Article.GENERIC)
    subject = draw_person(dice, mode, specific=True)
    while noun.english in subject.names:
        subject = draw_person(dice, mode, specific=True)
    qualified = noun.kind == "ANIMAL"
    thing = draw_object(dice, noun, articles, subject=subject, qualified=qualified, foreign=True)
    words = Phrase(f"afraid of {thing.english}", ("peur", "de", *thing.french))
    return Sentence.of("fear", Clause(subject, verbs.FEEL, Tense.PRESENT, mode, (words,)))


_HAVE = next(verb for verb in verbs.TRANSITIVE if verb.name == "have")
_YOUNG = ("boy", "girl", "child", "brother", "sister", "friend", "student")


def age(dice: Dice) -> Sentence:
    """Draws "My little sister is seven years old."."""
    mode = dice.weigh(MODES)
    subject = speaker(dice, mode) if dice.chance(0.5) else draw_person(dice, mode, specific=True)
    is_young = not subject.names or subject.names[0] in _YOUNG
    value = dice.choose(NUMERALS[3:] if is_young else NUMERALS[-2:]).value
    words = Phrase(
        f"{english_numeral(value)} years old", (*french_numeral(value, Gender.MASCULINE), "ans")
    )
    return Sentence.of("age", Clause(subject, verbs.FEEL, Tense.PRESENT, mode, (words,)))


def family(dice: Dice) -> Sentence:
    """Draws "Do you have two brothers?" and "She does not have any sisters."."""
    mode = dice.weigh(MODES)
    noun = NOUNS[dice.choose(("brother", "sister", "child", "friend"))]
    subject = speaker(dice, mode) if dice.chance(0.5) else draw_person(dice, mode, specific=True)
    while noun.english in subject.names:
        subject = speaker(dice, mode)
    number = dice.choose(noun.numbers)
    counted = number is Number.PLURAL and mode is Mode.STATEMENT
    determiner = dice.choose(NUMERALS[:5]) if counted else A
    choices = () if noun.english == "child" else qualifying(noun)
    adjectives = dice.choose(choices) if choices and dice.chance(0.3) else ()
    thing = noun_phrase(noun, number, determiner, adjectives, mode)
    clause = Clause(subject, _HAVE, Tense.PRESENT, mode, (thing,))
    return Sentence.of("family", clause)


_SCENES = Weighted(
    (3.0, ("child boy girl man woman", "garden street park kitchen school market station beach")),
    (2.0, ("student teacher child", "school library")),
    (2.0, ("doctor nurse", "hospital")),
    (3.0, ("dog cat bird mouse", "garden house park kitchen")),
    (1.0, ("horse", "garden village")),
    (1.0, ("flower", "garden park")),
    (2.0, ("tree", "garden park street village")),
    (1.0, ("table chair", "bedroom kitchen office garden")),
    (1.0, ("bed window", "bedroom")),
    (2.0, ("car bike bus", "street village")),
    (2.0, ("museum restaurant hospital library cinema station school", "village street")),
    (2.0, ("bread cheese milk fish meat soup cake egg apple orange", "kitchen house")),
    (4.0, ("bread cheese water milk coffee tea " + SERVED, "table")),
    (6.0, (LYING, "surface")),
)
_FURNITURE = {"surface": surfaces, "table": tables}
_NO = Determiner(Article.BARE)


def existence(dice: Dice) -> Sentence:
    """Draws "There are two cats in the garden." and "There is no milk on the table."."""
    mode, (names, places) = dice.weigh(MODES), dice.weigh(_SCENES)
    noun = dice.choose(select(names))
    place = dice.choose(_whereabouts(dice, places))
    while noun.english in place.names:
        place = dice.choose(_whereabouts(dice, places))
    number = dice.choose(noun.numbers)
    determiner = _NO if mode is Mode.NEGATION else A
    if mode is not Mode.NEGATION and len(noun.numbers) == 2 and dice.chance(0.2):
        number, determiner = Number.PLURAL, dice.choose(NUMERALS[:4])
    choices = qualifying(noun) if dice.chance(0.3) else ()
    adjectives = dice.choose(choices) if choices else ()
    thing = noun_phrase(noun, number, determiner, adjectives, mode)
    if mode is Mode.NEGATION:
        thing = Phrase("no " + thing.english, thing.french, thing.agreement)
    be = english.form_of_be(thing.agreement)
    there_be = f"{be} there" if mode is Mode.QUESTION else f"there {be}"
    il_y_a = ("il", "ne", "y", "a", "pas") if mode is Mode.NEGATION else ("il", "y", "a")
    return Sentence(
        english_sentence(f"{there_be} {thing.english} {place.english}", mode),
        french_sentence([*il_y_a, *thing.french, *place.french], mode),
        "existence",
    )


def _whereabouts(dice: Dice, places: str) -> tuple[Phrase, ...]:
    """Returns the phrases of one of the places of a scene."""
    if places in _FURNITURE:
        return _FURNITURE[places]()
    return place_phrases(dice.choose(place_names(places)), AT)


_SKIES = (
    Phrase("cold", ("froid",)),
    Phrase("very cold", ("très", "froid")),
    Phrase("hot", ("chaud",)),
    Phrase("very hot", ("très", "chaud")),
)
_IT = Phrase("it", ("il",))


def weather(dice: Dice) -> Sentence:
    """Draws "It is cold in Paris today."."""
    mode, words = dice.weigh(MODES), dice.choose(_SKIES)
    tense = Tense.FUTURE if dice.chance(0.35) else Tense.PRESENT
    complements = [words]
    if dice.chance(0.6):
        place = dice.choose(place_names("CITY garden kitchen bedroom house car"))
        complements.append(place_phrases(place, AT)[0])
    if dice.chance(0.6):
        complements.append(dice.choose(TIMES[tense]))
    clause = Clause(_IT, verbs.WEATHER, tense, mode, tuple(complements))
    return Sentence.of("weather", clause)
