"""French verb forms: the present of all groups, the passé composé, the near future."""

import re
from functools import cache

from keras_seq2seq.phrasebook import irregular
from keras_seq2seq.phrasebook.features import Agreement, Gender, Mode, Number, Tense

ETRE_VERBS = frozenset(
    {"aller", "arriver", "entrer", "partir", "rentrer", "rester", "sortir", "venir"}
)
_DOUBLING = frozenset({"appeler", "jeter"})
_ENDINGS = {
    "er": ("e", "es", "e", "ons", "ez", "ent"),
    "ir": ("is", "is", "it", "issons", "issez", "issent"),
    "re": ("s", "s", "", "ons", "ez", "ent"),
}
_PARTICIPLE_ENDINGS = {"er": "é", "ir": "i", "re": "u"}
_OPEN_SYLLABLE = re.compile(r"[eé]([bcdfglmnprstvz])$")


@cache
def present(infinitive: str) -> tuple[str, ...]:
    """Conjugates a verb in the present indicative.

    Args:
        infinitive: A French infinitive in -er, -ir or -re, or an irregular one from the table.
    Returns:
        The forms of je, tu, il, nous, vous, ils.
    Example:
        >>> present("manger")[3]
        'mangeons'
    """
    if infinitive in irregular.PRESENT:
        return irregular.PRESENT[infinitive]
    stem, group = infinitive[:-2], infinitive[-2:]
    endings = _ENDINGS[group]
    if group != "er":
        return tuple(stem + ending for ending in endings)
    stressed = _stressed_stem(infinitive)
    stems = (stressed, stressed, stressed, _soft_stem(stem), stem, stressed)
    return tuple(stem + ending for stem, ending in zip(stems, endings, strict=True))


def _stressed_stem(infinitive: str) -> str:
    """Returns the stem of an -er verb before a mute ending: achèt-, appell-, préfèr-, essai-."""
    stem = infinitive[:-2]
    if infinitive in _DOUBLING:
        return stem + stem[-1]
    if stem.endswith("y"):
        return stem[:-1] + "i"
    return _OPEN_SYLLABLE.sub(r"è\1", stem)


def _soft_stem(stem: str) -> str:
    """Returns the stem that keeps the sound of g and c before -ons: mange-, commenç-."""
    if stem.endswith("g"):
        return stem + "e"
    return stem[:-1] + "ç" if stem.endswith("c") else stem


@cache
def participle(infinitive: str, gender: Gender, number: Number) -> str:
    """Returns the past participle, agreeing in gender and number."""
    form = irregular.PARTICIPLE.get(infinitive)
    if form is None:
        form = infinitive[:-2] + _PARTICIPLE_ENDINGS[infinitive[-2:]]
    if gender is Gender.FEMININE:
        form += "e"
    return form if number is Number.SINGULAR or form.endswith("s") else form + "s"


def auxiliary(infinitive: str) -> str:
    """Returns the verb that builds the passé composé: "être" or "avoir"."""
    return "être" if infinitive in ETRE_VERBS else "avoir"


@cache
def verb_words(infinitive: str, tense: Tense, mode: Mode, agreement: Agreement) -> tuple[str, ...]:
    """Returns the finite verb with its auxiliary, its participle and its negation.

    The participle agrees with the subject after être and stays masculine singular after avoir,
    because no object of this grammar precedes its verb.

    Args:
        infinitive: The verb.
        tense: Tense of the clause.
        mode: NEGATION adds ne ... pas.
        agreement: What the verb agrees with: its subject.
    Returns:
        The French words before elision.
    """
    finite, rest = _finite(infinitive, tense, agreement)
    if mode is Mode.NEGATION:
        return ("ne", finite, "pas", *rest)
    return (finite, *rest)


def _finite(infinitive: str, tense: Tense, agreement: Agreement) -> tuple[str, tuple[str, ...]]:
    """Returns the conjugated word and the words that follow it."""
    if tense is Tense.PRESENT:
        return present(infinitive)[agreement.index], ()
    if tense is Tense.FUTURE:
        return present("aller")[agreement.index], (infinitive,)
    helper = auxiliary(infinitive)
    if helper == "être":
        past = participle(infinitive, agreement.gender, agreement.number)
    else:
        past = participle(infinitive, Gender.MASCULINE, Number.SINGULAR)
    return present(helper)[agreement.index], (past,)
