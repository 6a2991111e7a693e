"""Sentences about actions: somebody does something, somewhere, at some time."""

from collections.abc import Sequence

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.determiners import Article
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.features import Gender, Mode, Number, Phrase, Tense
from keras_seq2seq.phrasebook.nouns import Noun, select
from keras_seq2seq.phrasebook.objects import draw_object
from keras_seq2seq.phrasebook.places import (
    AT,
    draw_place,
    place_names,
    prepositional,
    surfaces,
    tables,
)
from keras_seq2seq.phrasebook.sentence import Sentence
from keras_seq2seq.phrasebook.subjects import (
    HE,
    PRONOUNS,
    SHE,
    THEY,
    YOU,
    companions,
    draw_animal,
    draw_person,
    learners,
    recipients,
)
from keras_seq2seq.phrasebook.times import CLOCK, LONG_TIMES, TIMES
from keras_seq2seq.phrasebook.verbs import Verb

MODES = Weighted((56.0, Mode.STATEMENT), (24.0, Mode.NEGATION), (20.0, Mode.QUESTION))
_TENSES = Weighted((45.0, Tense.PRESENT), (31.0, Tense.PAST), (24.0, Tense.FUTURE))
_TRANSITIVE = Weighted(*((len(select(verb.objects)) ** 0.5, verb) for verb in verbs.TRANSITIVE))
_PETS = "dog cat"
_YOUNG = ("boy", "girl", "child", "student", "brother", "sister")


def draw_mode(dice: Dice, verb: Verb) -> Mode:
    """Draws one of the modes of a verb."""
    mode = dice.weigh(MODES)
    return mode if verb.deniable or mode is not Mode.NEGATION else Mode.STATEMENT


def draw_tense(dice: Dice, verb: Verb) -> Tense:
    """Draws one of the tenses of a verb."""
    tense = dice.weigh(_TENSES)
    return tense if tense in verb.tenses else dice.choose(verb.tenses)


def draw_time(dice: Dice, verb: Verb, tense: Tense, probability: float) -> tuple[Phrase, ...]:
    """Draws a time that agrees with the tense, or none.

    Args:
        dice: Source of randomness.
        verb: The verb; a verb with one tense takes no time, and a verb of state hardly any.
        tense: Tense of the clause.
        probability: 0 to 1. How often there is a time.
    """
    is_state = verb.stative and (tense is Tense.PRESENT or not verb.lasting)
    if is_state or len(verb.tenses) == 1 or not dice.chance(probability):
        return ()
    if tense is Tense.PRESENT and verb.planned and dice.chance(0.6):
        tense = Tense.FUTURE
    if verb.timed and tense is not Tense.PRESENT and dice.chance(0.3):
        return (dice.choose(CLOCK),)
    times = TIMES[tense]
    if verb.lasting:
        times += LONG_TIMES[tense]
    return (dice.choose(times),)


def unlike(dice: Dice, subject: Phrase, others: Sequence[Phrase]) -> Phrase:
    """Returns the subject, or he, she or they if another phrase names the same noun."""
    taken = {name for phrase in others for name in phrase.names}
    if taken.isdisjoint(subject.names):
        return subject
    return dice.choose((HE, SHE, THEY))


def draw_other(dice: Dice, persons: Sequence[Phrase], others: Sequence[Phrase]) -> Phrase:
    """Draws one of the persons that none of the other phrases names."""
    taken = {name for phrase in others for name in phrase.names}
    while True:
        person = dice.choose(persons)
        if taken.isdisjoint(person.names):
            return person


def draw_agent(
    dice: Dice,
    verb: Verb,
    noun: Noun,
    mode: Mode,
    specific: bool,
    self_question: bool = False,
) -> Phrase:
    """Draws a human subject that fits a verb and its object.

    Args:
        dice: Source of randomness.
        verb: The verb.
        noun: Its object.
        mode: Mode of the clause.
        specific: Whether to leave out indefinite subjects.
        self_question: Whether one can ask it about oneself ("Can I open the door?").
    """
    if noun.kind == "HOMEWORK" or noun.english == "exercise":
        subject = dice.choose(PRONOUNS if dice.chance(0.5) else learners())
        is_odd = mode is Mode.QUESTION and subject.agreement.person == 1
        return YOU if is_odd else subject
    subject = draw_person(dice, mode, specific, self_question)
    if verb.objects == "CLOTHING":
        return _dressed(dice, noun, subject)
    is_parent = noun.english == "child" and not set(_YOUNG).isdisjoint(subject.names)
    return SHE if is_parent or noun.english in subject.names else subject


def _dressed(dice: Dice, noun: Noun, subject: Phrase) -> Phrase:
    """Returns a single person who can wear the noun: the subject if it fits, else he or she."""
    agreement = subject.agreement
    is_man = agreement.gender is Gender.MASCULINE and agreement.person == 3
    if agreement.number is Number.PLURAL or (noun.english == "dress" and is_man):
        return SHE if noun.english == "dress" else dice.choose((HE, SHE))
    return subject


def draw_object_of(dice: Dice, verb: Verb, noun: Noun, mode: Mode, subject: Phrase) -> Phrase:
    """Draws a phrase of `noun` as the object of a verb, with `draw_object`."""
    articles = verb.articles
    is_any_said = verb.any_denied or Article.BARE in articles
    if mode is Mode.NEGATION and not is_any_said:
        articles = tuple(item for item in articles if item is not Article.INDEFINITE)
    return draw_object(
        dice,
        noun,
        articles,
        mode,
        subject=subject,
        single=verb.single,
        foreign=verb.foreign,
    )


def transitive(dice: Dice) -> Sentence:
    """Draws "The little girl is eating an apple."."""
    verb = dice.weigh(_TRANSITIVE)
    mode, tense = draw_mode(dice, verb), draw_tense(dice, verb)
    if verb.animal_objects and dice.chance(0.12):
        subject = draw_animal(dice, mode, verb.stative, _PETS)
        prey = [item for item in select(verb.animal_objects) if item.english not in subject.names]
        noun = dice.choose(prey)
    else:
        noun = dice.choose(select(verb.objects))
        subject = draw_agent(dice, verb, noun, mode, verb.stative)
    thing = draw_object_of(dice, verb, noun, mode, subject)
    time = draw_time(dice, verb, tense, 0.25)
    clause = Clause(subject, verb, tense, mode, (thing, *time))
    return Sentence.of("transitive", clause, (verb.name, noun.english))


def intransitive(dice: Dice) -> Sentence:
    """Draws "The children are not playing in the garden."."""
    verb, mode = dice.choose(verbs.INTRANSITIVE), dice.weigh(MODES)
    tense = draw_tense(dice, verb)
    if verb.animate and dice.chance(0.3):
        return _animal_action(dice, verb, tense, mode)
    subject = draw_person(dice, mode, verb.stative)
    places = place_names(verb.places)
    complements: list[Phrase] = []
    combinations = []
    if places and (verb.rooted or dice.chance(0.7)):
        place = dice.choose(places)
        complements.append(draw_place(dice, place, AT, subject))
        combinations.append((verb.name, place))
    elif verb.shared and dice.chance(0.5):
        complements.append(prepositional("with", draw_other(dice, companions(), [subject])))
    subject = unlike(dice, subject, complements)
    complements += draw_time(dice, verb, tense, 0.45)
    clause = Clause(subject, verb, tense, mode, tuple(complements))
    return Sentence.of("intransitive", clause, *combinations)


def _animal_action(dice: Dice, verb: Verb, tense: Tense, mode: Mode) -> Sentence:
    """Draws "The black cat is sleeping in the kitchen."."""
    subject = draw_animal(dice, mode)
    haunts = ("garden", "park") if "horse" in subject.names else ("garden", "kitchen", "house")
    places = [name for name in haunts if name in place_names(verb.places)]
    if not places or not dice.chance(0.6):
        clause = Clause(subject, verb, tense, mode, draw_time(dice, verb, tense, 0.3))
        return Sentence.of("intransitive", clause)
    place = dice.choose(places)
    where = draw_place(dice, place, AT, subject)
    clause = Clause(subject, verb, tense, mode, (where,))
    return Sentence.of("intransitive", clause, (verb.name, place))


def giving(dice: Dice) -> Sentence:
    """Draws "She is giving a book to the child." and "He showed his photos to Marie."."""
    verb, mode = dice.choose((verbs.GIVE, verbs.SHOW)), dice.weigh(MODES)
    tense, subject = draw_tense(dice, verb), draw_person(dice, mode)
    noun = dice.choose(select(verb.objects))
    thing = draw_object_of(dice, verb, noun, mode, subject)
    recipient = draw_other(dice, recipients(), [subject, thing])
    complements = (thing, prepositional("to", recipient), *draw_time(dice, verb, tense, 0.1))
    clause = Clause(subject, verb, tense, mode, complements)
    return Sentence.of("giving", clause, (verb.name, noun.english))


_WORDS = (
    (verbs.SAY, Phrase("hello", ("bonjour",))),
    (verbs.SAY, Phrase("goodbye", ("au", "revoir"))),
    (verbs.SAY, Phrase("thank you", ("merci",))),
    (verbs.SAY, Phrase("yes", ("oui",))),
    (verbs.SAY, Phrase("no", ("non",))),
    (verbs.TELL, Phrase("the truth", ("la", "vérité"))),
)


def saying(dice: Dice) -> Sentence:
    """Draws "They said hello to the teacher."."""
    (verb, words), mode = dice.choose(_WORDS), dice.weigh(MODES)
    tense = draw_tense(dice, verb)
    subject = draw_person(dice, mode)
    complements = [words]
    if dice.chance(0.6):
        complements.append(prepositional("to", draw_other(dice, recipients(), [subject])))
    clause = Clause(subject, verb, tense, mode, tuple(complements))
    return Sentence.of("saying", clause)


def putting(dice: Dice) -> Sentence:
    """Draws "She put the keys on the table."."""
    verb, mode = verbs.PUT, dice.weigh(MODES)
    tense, subject = draw_tense(dice, verb), draw_person(dice, mode)
    noun = dice.choose(select(verb.objects))
    thing = draw_object_of(dice, verb, noun, mode, subject)
    places = tables() if noun in select(verbs.SERVED) else surfaces()
    where = draw_other(dice, places, [Phrase("", (), names=(noun.english,))])
    clause = Clause(subject, verb, tense, mode, (thing, where))
    return Sentence.of("putting", clause, (verb.name, noun.english))
