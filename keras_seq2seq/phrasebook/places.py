"""Places with their prepositions: in the garden, to school, at the doctor's, to Canada."""

from functools import cache

from keras_seq2seq.phrasebook.adjectives import Adjective, qualifying
from keras_seq2seq.phrasebook.dice import Dice
from keras_seq2seq.phrasebook.features import Number, Phrase
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import NOUNS, Noun, select
from keras_seq2seq.phrasebook.subjects import (
    NAMES,
    POSSESSIVES,
    THE,
    THIS,
    own_possessor,
    relatives,
)

IN, AT, TO, FROM = "in", "at", "to", "from"
_FRENCH = {
    "in": ("dans",),
    "at": ("à",),
    "to": ("à",),
    "from": ("de",),
    "on": ("sur",),
    "under": ("sous",),
    "behind": ("derrière",),
    "in front of": ("devant",),
    "near": ("près", "de"),
    "with": ("avec",),
}
_INSIDE = frozenset(
    noun.english for noun in select("house kitchen bedroom garden street village park car bag")
)
_PROPER = {
    "Paris": (("à",), ("Paris",)),
    "London": (("à",), ("Londres",)),
    "France": (("en",), ("France",)),
    "Canada": (("à", "le"), ("Canada",)),
}
_ORIGINS = {"Canada": ("de", "le", "Canada"), "France": ("de", "France")}
PROPER_PLACES = tuple(_PROPER)
LANDMARKS = ("in front of", "behind", "near")
DESTINATIONS = (
    *(noun.english for noun in select("BUILDING market beach park village office")),
    *PROPER_PLACES,
)
_OWN_CHANCE = 0.2
_ADJECTIVES = frozenset({"big", "small", "old", "new", "beautiful", "pretty"})


def place_names(selection: str) -> tuple[str, ...]:
    """Finds the places that a verb names; CITY stands for Paris and London."""
    names: list[str] = []
    for word in selection.split():
        if word == "CITY":
            names += PROPER_PLACES[:2]
        elif word in ("home", "train"):
            names.append(word)
        else:
            names += [noun.english for noun in select(word)]
    return tuple(dict.fromkeys(names))


def prepositional(preposition: str, phrase: Phrase) -> Phrase:
    """Puts one of the ten prepositions before a noun phrase."""
    return Phrase(
        f"{preposition} {phrase.english}",
        (*_FRENCH[preposition], *phrase.french),
        names=phrase.names,
    )


@cache
def place_phrases(name: str, preposition: str) -> tuple[Phrase, ...]:
    """Returns the ways to name a place; the plain one comes eight times, each other one once.

    Args:
        name: A place: a noun, a proper name, "home" or "train".
        preposition: AT for the place where somebody is, TO and FROM for motion.
    """
    if name in _PROPER:
        return (_proper_place(name, preposition),)
    if name == "home":
        return (Phrase("at home", ("à", "la", "maison"), names=("house",)),)
    if name == "train":
        return (Phrase("on the train", ("dans", "le", "train"), names=("train",)),)
    if preposition == AT:
        preposition = IN if name in _INSIDE else "on" if name == "beach" else AT
    noun = NOUNS[name]
    plain = prepositional(preposition, noun_phrase(noun, Number.SINGULAR, THE))
    if name == "school":
        plain = Phrase(f"{preposition} school", plain.french, names=plain.names)
    return (plain,) * 8 + tuple(_variants(noun, preposition))


def _proper_place(name: str, preposition: str) -> Phrase:
    """Returns a town or a country: in Paris, to Canada, from France."""
    where, french = _PROPER[name]
    words = _ORIGINS.get(name, ("de", *french)) if preposition == FROM else (*where, *french)
    return Phrase(f"{IN if preposition == AT else preposition} {name}", words, names=(name,))


def _sizes(noun: Noun) -> list[tuple[Adjective, ...]]:
    """Returns the adjectives of size, age and beauty that qualify a place."""
    return [
        items for items in qualifying(noun) if len(items) == 1 and items[0].english in _ADJECTIVES
    ]


def _variants(noun: Noun, preposition: str) -> list[Phrase]:
    """Returns a place with an adjective or, if one can be in it, with "this"."""
    phrases = [noun_phrase(noun, Number.SINGULAR, THE, items) for items in _sizes(noun)]
    if preposition == IN:
        phrases.append(noun_phrase(noun, Number.SINGULAR, THIS))
    return [prepositional(preposition, phrase) for phrase in phrases]


def draw_place(dice: Dice, name: str, preposition: str, subject: Phrase | None = None) -> Phrase:
    """Draws a way to name a place.

    Args:
        dice: Source of randomness.
        name: A place, as for `place_phrases`.
        preposition: AT, TO or FROM.
        subject: Who is there, for phrases such as "in her garden"; None for nobody.
    """
    is_inside = preposition == AT and name in _INSIDE and NOUNS[name].owned
    if subject is not None and is_inside and dice.chance(_OWN_CHANCE):
        phrase = noun_phrase(NOUNS[name], Number.SINGULAR, own_possessor(subject))
        return prepositional(IN, phrase)
    return dice.choose(place_phrases(name, preposition))


@cache
def at_somebody(preposition: str) -> tuple[Phrase, ...]:
    """Returns the phrases with chez: "at the doctor's", "to my uncle's house", "to Paul's house".

    Args:
        preposition: AT or TO.
    """
    shops = [noun_phrase(NOUNS[name], Number.SINGULAR, THE) for name in ("doctor", "baker")]
    hosts = [*NAMES, *(item for item in relatives() if item.names[0] in _HOSTS)]
    singular = [item for item in hosts if item.agreement.number is Number.SINGULAR]
    return (
        *(_chez(f"{preposition} {item.english}'s", item) for item in shops * 6),
        *(_chez(f"{preposition} {item.english}'s house", item) for item in singular),
    )


_HOSTS = frozenset({"grandmother", "uncle", "brother", "sister", "friend", "neighbour", "teacher"})


def _chez(english: str, host: Phrase) -> Phrase:
    return Phrase(english, ("chez", *host.french), names=host.names)


@cache
def landmarks(preposition: str) -> tuple[Phrase, ...]:
    """Returns the buildings that somebody can be in front of, behind or near.

    Args:
        preposition: One of `LANDMARKS`.
    """
    spots = select("school station museum hospital restaurant cinema house library")
    phrases = [noun_phrase(noun, Number.SINGULAR, THE) for noun in spots]
    phrases += [
        noun_phrase(noun, Number.SINGULAR, THE, items) for noun in spots for items in _sizes(noun)
    ]
    return tuple(prepositional(preposition, phrase) for phrase in phrases)


@cache
def tables() -> tuple[Phrase, ...]:
    """Returns the tables on which a meal is laid: on the table, on the big table."""
    table = NOUNS["table"]
    options = [(), (), *_sizes(table)]
    return tuple(
        prepositional("on", noun_phrase(table, Number.SINGULAR, THE, items)) for items in options
    )


@cache
def surfaces() -> tuple[Phrase, ...]:
    """Returns where a thing lies: on the table, under the chair, in the red bag."""
    phrases = []
    for preposition, names in (
        ("on", "table chair bed"),
        ("under", "table chair bed"),
        ("in", "bag"),
    ):
        for noun in select(names):
            options = [(), (), *(items for items in qualifying(noun) if len(items) == 1)]
            phrases += [
                prepositional(preposition, noun_phrase(noun, Number.SINGULAR, THE, items))
                for items in options
            ]
            phrases += [
                prepositional(preposition, noun_phrase(noun, Number.SINGULAR, word))
                for word in POSSESSIVES
            ]
    return tuple(phrases)
