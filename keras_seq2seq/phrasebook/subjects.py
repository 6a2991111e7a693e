"""Subjects of sentences: pronouns, names, relatives, persons, animals, pairs of persons."""

from functools import cache

from keras_seq2seq.phrasebook.adjectives import Adjective, qualifying
from keras_seq2seq.phrasebook.determiners import POSSESSORS, Article, Determiner
from keras_seq2seq.phrasebook.dice import Dice, Weighted
from keras_seq2seq.phrasebook.features import Agreement, Gender, Mode, Number, Phrase
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import NOUNS, Noun, select
from keras_seq2seq.phrasebook.numerals import WORDS

_SINGULAR, _PLURAL = Number.SINGULAR, Number.PLURAL
_MASCULINE, _FEMININE = Gender.MASCULINE, Gender.FEMININE
THE, THIS = Determiner(Article.DEFINITE), Determiner(Article.DEMONSTRATIVE)
A = Determiner(Article.INDEFINITE)
POSSESSIVES = tuple(Determiner(Article.POSSESSIVE, possessor=word) for word in POSSESSORS)
HIS, HER = POSSESSIVES[2:4]
NUMERALS = tuple(Determiner(Article.NUMERAL, value) for value in WORDS if value > 1)
_FEW = NUMERALS[:4]
_STRANGERS = "boy girl man woman child baker nurse teacher doctor student neighbour"


def _pronoun(english: str, french: str, person: int, number: Number, gender: Gender) -> Phrase:
    return Phrase(english, (french,), Agreement(person, number, gender))


I = _pronoun("I", "je", 1, _SINGULAR, _MASCULINE)  # noqa: E741
HE = _pronoun("he", "il", 3, _SINGULAR, _MASCULINE)
SHE = _pronoun("she", "elle", 3, _SINGULAR, _FEMININE)
WE = _pronoun("we", "nous", 1, _PLURAL, _MASCULINE)
YOU = _pronoun("you", "vous", 2, _PLURAL, _MASCULINE)
THEY = _pronoun("they", "ils", 3, _PLURAL, _MASCULINE)
PRONOUNS = (I, YOU, HE, SHE, WE, THEY)

_GIVEN_NAMES = (
    ("Paul", _MASCULINE),
    ("Pierre", _MASCULINE),
    ("Marie", _FEMININE),
    ("Julie", _FEMININE),
    ("Anne", _FEMININE),
)
NAMES = tuple(
    Phrase(name, (name,), Agreement(3, _SINGULAR, gender), (name,)) for name, gender in _GIVEN_NAMES
)


def _phrases(
    nouns: tuple[Noun, ...],
    determiners: tuple[Determiner, ...],
    adjectives: tuple[Adjective, ...] = (),
    numbers: tuple[Number, ...] = (_SINGULAR, _PLURAL),
) -> tuple[Phrase, ...]:
    """Returns every phrase of the nouns with the determiners, in the numbers they are used in."""
    return tuple(
        noun_phrase(noun, number, determiner, adjectives)
        for noun in nouns
        for number in numbers
        if number in noun.numbers
        for determiner in determiners
    )


def _qualified(
    nouns: tuple[Noun, ...],
    determiners: tuple[Determiner, ...],
    numbers: tuple[Number, ...] = (_SINGULAR, _PLURAL),
) -> tuple[Phrase, ...]:
    """Returns every phrase of the nouns with their adjectives."""
    return tuple(
        phrase
        for noun in nouns
        for adjectives in qualifying(noun, A not in determiners)
        for phrase in _phrases((noun,), determiners, adjectives, numbers)
    )


def _named_friends() -> tuple[Phrase, ...]:
    """Returns "my friend Julie", where French distinguishes ami from amie."""
    friends = {
        _MASCULINE: NOUNS["friend"],
        _FEMININE: Noun("friend", "amie", _FEMININE, "PERSON", owned=True),
    }
    phrases = []
    for name in NAMES:
        for determiner in POSSESSIVES:
            friend = noun_phrase(friends[name.agreement.gender], _SINGULAR, determiner)
            phrases.append(
                Phrase(
                    f"{friend.english} {name.english}",
                    (*friend.french, *name.french),
                    friend.agreement,
                    (*friend.names, *name.names),
                )
            )
    return tuple(phrases)


def couple(first: Phrase, second: Phrase) -> Phrase:
    """Joins two phrases with "and"; the pair is feminine only if both are."""
    genders = {first.agreement.gender, second.agreement.gender}
    gender = _FEMININE if genders == {_FEMININE} else _MASCULINE
    return Phrase(
        f"{first.english} and {second.english}",
        (*first.french, "et", *second.french),
        Agreement(3, _PLURAL, gender),
        (*first.names, *second.names),
    )


def _couples() -> tuple[Phrase, ...]:
    """Returns "Paul and Marie", "his brother and his sister", "the boy and the girl"."""
    groups = [NAMES]
    groups += [
        _phrases(select("father mother brother sister uncle"), (word,), (), (_SINGULAR,))
        for word in POSSESSIVES
    ]
    groups += [
        _phrases(select(names), (THE,), (), (_SINGULAR,))
        for names in ("man woman", "boy girl", "teacher student")
    ]
    return tuple(
        couple(first, second)
        for group in groups
        for first in group
        for second in group
        if first is not second
    )


@cache
def relatives() -> tuple[Phrase, ...]:
    """Returns the phrases with a possessive: "my mother", "his friends", "our little brother"."""
    close = _phrases(select("KIN friend neighbour child"), POSSESSIVES)
    return (
        *close,
        *close,
        *_phrases(select("teacher doctor"), POSSESSIVES, (), (_SINGULAR,)),
        *_qualified(select("brother sister"), POSSESSIVES),
    )


@cache
def strangers() -> tuple[Phrase, ...]:
    """Returns the persons with a definite article, more of them without an adjective."""
    persons = select(_STRANGERS)
    return (*_phrases(persons, (THE,) * 6), *_qualified(persons, (THE,)))


@cache
def _persons(specific: bool) -> Weighted[tuple[Phrase, ...]]:
    """Returns the pools of human subjects.

    Args:
        specific: Whether subjects such as "a boy" and "two girls" are left out.
    """
    persons, young = select(_STRANGERS), select("man woman boy girl child student")
    pools = [
        (40.0, PRONOUNS),
        (7.0, NAMES),
        (18.0, relatives()),
        (22.0, strangers()),
        (5.0, _phrases(persons, (THIS,)) + _qualified(young, (THIS,))),
        (2.0, _named_friends()),
        (3.0, _couples()),
    ]
    if not specific:
        pools.append((3.0, _phrases(young, (A,)) + _qualified(persons, (A,), (_SINGULAR,))))
        pools.append((1.5, _phrases(young, _FEW, (), (_PLURAL,))))
    return Weighted(*pools)


@cache
def _animals(nouns: str, specific: bool) -> Weighted[tuple[Phrase, ...]]:
    """Returns the pools of animal subjects."""
    animals = select(nouns)
    owned = tuple(noun for noun in animals if noun.owned)
    pools = [
        (40.0, _phrases(animals, (THE,))),
        (25.0, _qualified(animals, (THE,))),
        (20.0, _phrases(owned, POSSESSIVES)),
        (8.0, _phrases(animals, (THIS,))),
    ]
    if not specific:
        pools.append((7.0, _phrases(animals, (A,)) + _qualified(animals, (A,))))
        pools.append((5.0, _phrases(animals, _FEW, (), (_PLURAL,))))
    return Weighted(*pools)


def draw_person(
    dice: Dice, mode: Mode, specific: bool = False, self_question: bool = False
) -> Phrase:
    """Draws a human subject.

    Args:
        dice: Source of randomness.
        mode: Mode of the clause; only a statement has an indefinite subject.
        specific: Whether to leave out indefinite subjects in any mode.
        self_question: Whether one can ask it about oneself ("Can I open the door?").
    """
    pool = dice.weigh(_persons(specific or mode is not Mode.STATEMENT))
    subject = dice.choose(pool)
    if mode is Mode.QUESTION and not self_question and subject in (I, WE):
        return YOU
    return subject


def draw_animal(dice: Dice, mode: Mode, specific: bool = False, nouns: str = "ANIMAL") -> Phrase:
    """Draws an animal as a subject, from the nouns that `nouns` selects."""
    pool = dice.weigh(_animals(nouns, specific or mode is not Mode.STATEMENT))
    return dice.choose(pool)


def own_possessors(subject: Phrase) -> frozenset[Determiner]:
    """Returns the possessives that include the subject: "my" and "our" for both "I" and "we"."""
    own = own_possessor(subject)
    ours = frozenset({POSSESSIVES[0], POSSESSIVES[4]})
    return ours if own in ours else frozenset({own})


def own_possessor(subject: Phrase) -> Determiner:
    """Returns the possessive of the subject: my for "I", her for "the girl", their for "they"."""
    agreement = subject.agreement
    if agreement.number is Number.PLURAL:
        return POSSESSIVES[{1: 4, 2: 1, 3: 5}[agreement.person]]
    if agreement.person == 1:
        return POSSESSIVES[0]
    return POSSESSIVES[3 if agreement.gender is _FEMININE else 2]


@cache
def owners(of_kin: bool, of_dress: bool) -> tuple[Determiner, ...]:
    """Returns who can own something: "Paul's", "my brother's", "the children's".

    Args:
        of_kin: Whether the thing owned is a relative; then the owner is not a relative.
        of_dress: Whether the thing owned is a dress; then the owner is a woman.
    """
    mine = POSSESSIVES[0], POSSESSIVES[4]
    close = select("friend neighbour" if of_kin else "KIN friend neighbour")
    singular = _phrases(select("boy girl child teacher doctor woman man"), (THE,), (), (_SINGULAR,))
    plural = _phrases(select("child student neighbour"), (THE,), (), (_PLURAL,))
    everybody = NAMES * 3 + _phrases(close, mine, (), (_SINGULAR,)) + singular + plural
    genders = (_FEMININE,) if of_dress else (_FEMININE, _MASCULINE)
    return tuple(
        Determiner(Article.GENITIVE, owner=item)
        for item in everybody
        if item.agreement.gender in genders
    )


@cache
def recipients() -> tuple[Phrase, ...]:
    """Returns the persons to whom one can say or give something."""
    return NAMES * 4 + relatives() + _phrases(select(_STRANGERS), (THE, THE, THIS)) * 2


@cache
def companions() -> tuple[Phrase, ...]:
    """Returns the persons with whom one goes out or plays."""
    return NAMES * 4 + _phrases(select("KIN friend child"), POSSESSIVES)


@cache
def learners() -> tuple[Phrase, ...]:
    """Returns the persons who have homework, except the pronouns."""
    mine = _phrases(select("brother sister child friend"), POSSESSIVES)
    return NAMES * 2 + mine + _phrases(select("boy girl child student"), (THE, THIS))
