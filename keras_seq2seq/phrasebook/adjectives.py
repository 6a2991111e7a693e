"""The adjectives: their French forms, their place, and the nouns they go with."""

from dataclasses import dataclass
from functools import cache

from keras_seq2seq.phrasebook.elision import starts_with_vowel_sound
from keras_seq2seq.phrasebook.features import Gender, Number
from keras_seq2seq.phrasebook.nouns import Noun, french_plural, select

_FEMININE = {
    "beau": "belle",
    "blanc": "blanche",
    "bon": "bonne",
    "frais": "fraîche",
    "gentil": "gentille",
    "long": "longue",
    "nouveau": "nouvelle",
    "vieux": "vieille",
}
_BEFORE_VOWEL = {"beau": "bel", "nouveau": "nouvel", "vieux": "vieil"}


def adjective_form(masculine: str, gender: Gender, number: Number, following: str = "") -> str:
    """Returns the form of a French adjective that agrees with its noun.

    Args:
        masculine: The masculine singular, as in a dictionary.
        gender: Gender to agree with.
        number: Number to agree with.
        following: The next word, for bel, nouvel and vieil; empty for none.
    Returns:
        One of the forms of the adjective.
    Example:
        >>> adjective_form("vieux", Gender.MASCULINE, Number.SINGULAR, "homme")
        'vieil'
    """
    if gender is Gender.MASCULINE:
        if number is Number.PLURAL:
            return french_plural(masculine)
        if masculine in _BEFORE_VOWEL and following and starts_with_vowel_sound(following):
            return _BEFORE_VOWEL[masculine]
        return masculine
    feminine = _feminine(masculine)
    return feminine if number is Number.SINGULAR else feminine + "s"


@cache
def _feminine(masculine: str) -> str:
    if masculine in _FEMININE:
        return _FEMININE[masculine]
    if masculine.endswith("e"):
        return masculine
    if masculine.endswith("er"):
        return masculine[:-2] + "ère"
    if masculine.endswith("eux"):
        return masculine[:-1] + "se"
    return masculine + "e"


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """One adjective in both languages.

    Args:
        english: The English adjective.
        french: The French masculine singular.
        precedes: Whether the French adjective stands before its noun.
        attributes: Names of the nouns it qualifies, for `select`.
        predicates: Names of the subjects it can describe after "is", for `select`.
        is_colour: Whether it follows another adjective in English ("the big red car").
    """

    english: str
    french: str
    precedes: bool = False
    attributes: str = ""
    predicates: str = ""
    is_colour: bool = False


_SIZED = "house car garden tree table school hospital museum kitchen bedroom station park market"
_SIZED += " bag window door boat restaurant library bed village horse bottle plate"
_PAINTED = "car dress coat shirt hat shoe bag umbrella bike door chair plate boat bus house bird"
_COLOURED = _PAINTED + " flower"
_FURRED = " cat dog horse mouse hamster"
_DATED = "house car book bike boat table chair bed CLOTHING bag umbrella computer phone photo film"
_DATED += " school hospital station museum"
_WASHED = "shirt dress coat plate glass bottle car shoe kitchen bedroom window street"
_DEAR = "house car bike boat dress coat hat shoe bag computer phone restaurant"
_TASKS = "question lesson exercise"
_EVERYONE = "PERSON KIN"

ADJECTIVES = (
    Adjective("big", "grand", True, _SIZED, _SIZED),
    Adjective("tall", "grand", True, "boy girl man woman tree", _EVERYONE + " tree"),
    Adjective("small", "petit", True, _SIZED + " cake photo", _SIZED + " CLOTHING"),
    Adjective("little", "petit", True, "boy girl dog cat bird mouse brother sister"),
    Adjective(
        "beautiful",
        "beau",
        True,
        "house garden tree bird horse dress car boat film photo poem beach village park woman hat",
        "house garden tree dress car boat photo poem beach village park",
    ),
    Adjective(
        "pretty", "joli", True, "girl dress flower song hat village garden", "dress flower song"
    ),
    Adjective("old", "vieux", True, _DATED + " man woman dog friend tree", _DATED + " KIN dog"),
    Adjective("new", "nouveau", True, _DATED + " teacher student neighbour friend song idea"),
    Adjective(
        "good",
        "bon",
        True,
        "FOOD coffee tea FRUIT book film restaurant teacher doctor student friend story idea",
        "cake cheese bread soup coffee tea FRUIT meat fish",
    ),
    Adjective("young", "jeune", True, "man woman teacher doctor nurse baker student", _EVERYONE),
    Adjective("long", "long", True, "letter story film book lesson poem", "letter story film"),
    Adjective("red", "rouge", False, _COLOURED + " apple", _COLOURED + " apple", True),
    Adjective("blue", "bleu", False, _COLOURED, _COLOURED, True),
    Adjective("green", "vert", False, _PAINTED + " apple bean", _PAINTED + " apple", True),
    Adjective("white", "blanc", False, _COLOURED + _FURRED, _COLOURED + _FURRED, True),
    Adjective("black", "noir", False, _PAINTED + _FURRED, _PAINTED + _FURRED, True),
    Adjective(
        "grey", "gris", False, "coat shirt CLOTHING bag" + _FURRED, "CLOTHING" + _FURRED, True
    ),
    Adjective(
        "interesting",
        "intéressant",
        False,
        "book film story museum letter lesson newspaper idea question village work",
        "book film story museum letter lesson newspaper idea question village work",
    ),
    Adjective("difficult", "difficile", False, _TASKS + " work", _TASKS + " work"),
    Adjective("easy", "facile", False, _TASKS + " work", _TASKS + " work"),
    Adjective("expensive", "cher", False, _DEAR, _DEAR + " cheese meat fish"),
    Adjective("empty", "vide", False, "glass bottle bag house street", "ROOM glass bottle bag"),
    Adjective("clean", "propre", False, _WASHED, _WASHED),
    Adjective("dirty", "sale", False, _WASHED, _WASHED),
    Adjective("hot", "chaud", False, "water milk soup", "soup coffee tea milk water bread"),
    Adjective("cold", "froid", False, "water milk soup meat", "soup coffee tea water meat"),
    Adjective("fresh", "frais", False, "fish bread cheese egg", "fish bread cheese egg milk"),
    Adjective("happy", "heureux", False, "child", _EVERYONE),
    Adjective("sad", "triste", False, "song story film", _EVERYONE + " song story film"),
    Adjective("tired", "fatigué", False, "", _EVERYONE + " dog horse"),
    Adjective("ill", "malade", False, "", _EVERYONE + " dog cat"),
    Adjective("kind", "gentil", False, "", _EVERYONE),
    Adjective("intelligent", "intelligent", False, "boy girl child student", _EVERYONE + " dog"),
    Adjective(
        "famous", "célèbre", False, "restaurant museum book film song", "museum book film song"
    ),
    Adjective("rich", "riche", False, "man woman", _EVERYONE),
    Adjective("ready", "prêt", False, "", _EVERYONE + " soup cake coffee tea"),
)
PERSONAL = tuple(item for item in ADJECTIVES if _EVERYONE in item.predicates)


@cache
def qualifying(noun: Noun, specific: bool = False) -> tuple[tuple[Adjective, ...], ...]:
    """Returns the adjectives, and the pairs of them, that can qualify a noun.

    Args:
        noun: The noun.
        specific: Whether the noun has a determiner such as "the" or "my"; then "good" is left out.
    Returns:
        Tuples of one adjective, or of two: one that precedes in French and then a colour.
    """
    single = [
        item
        for item in ADJECTIVES
        if noun in select(item.attributes) and not (specific and item.english == "good")
    ]
    pairs = [
        (first, second)
        for first in single
        for second in single
        if first.precedes and second.is_colour
    ]
    return (*((item,) for item in single), *pairs)
