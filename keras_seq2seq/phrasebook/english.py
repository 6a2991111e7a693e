"""English forms: verbs with do-support, plurals, a or an, the possessive 's."""

from functools import cache

from keras_seq2seq.phrasebook.features import Agreement, Mode, Number, Tense

_PAST = {
    "buy": "bought",
    "choose": "chose",
    "come": "came",
    "do": "did",
    "drink": "drank",
    "eat": "ate",
    "find": "found",
    "give": "gave",
    "go": "went",
    "have": "had",
    "hear": "heard",
    "know": "knew",
    "leave": "left",
    "lose": "lost",
    "make": "made",
    "prefer": "preferred",
    "put": "put",
    "read": "read",
    "run": "ran",
    "say": "said",
    "see": "saw",
    "sell": "sold",
    "sing": "sang",
    "sleep": "slept",
    "take": "took",
    "tell": "told",
    "understand": "understood",
    "wear": "wore",
    "write": "wrote",
}
_DOUBLING = frozenset({"put", "run"})
_PLURALS = {
    "child": "children",
    "homework": "homework",
    "man": "men",
    "mouse": "mice",
    "woman": "women",
}
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def _ends_in_consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in "aeou"


def plural(noun: str) -> str:
    """Returns the plural of a noun: dogs, buses, stories, children."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if _ends_in_consonant_y(noun):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(_SIBILANTS) else "s")


def indefinite_article(following: str) -> str:
    """Returns "an" before a vowel and "a" otherwise; no word of the lexicon needs more."""
    return "an" if following[0].lower() in "aeiou" else "a"


def possessive(owner: str) -> str:
    """Returns an owner with its 's, or with the apostrophe alone after a plural s."""
    return owner + ("'" if owner.endswith("s") else "'s")


def third_person(verb: str) -> str:
    """Returns the third person singular of the simple present: eats, washes, tries, has."""
    if verb == "have":
        return "has"
    if _ends_in_consonant_y(verb):
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith((*_SIBILANTS, "o")) else "s")


def past(verb: str) -> str:
    """Returns the simple past: watched, closed, tried, wrote."""
    if verb in _PAST:
        return _PAST[verb]
    if _ends_in_consonant_y(verb):
        return verb[:-1] + "ied"
    return verb + ("d" if verb.endswith("e") else "ed")


def gerund(verb: str) -> str:
    """Returns the -ing form: watching, closing, running, seeing."""
    if verb in _DOUBLING:
        return verb + verb[-1] + "ing"
    if verb.endswith("e") and not verb.endswith(("ee", "be")):
        return verb[:-1] + "ing"
    return verb + "ing"


def form_of_be(agreement: Agreement) -> str:
    """Returns am, is or are."""
    if agreement.number is Number.PLURAL:
        return "are"
    return {1: "am", 2: "are", 3: "is"}[agreement.person]


def auxiliary_group(auxiliary: str, rest: str, mode: Mode) -> tuple[str, str]:
    """Places an auxiliary: before the subject in a question, before "not" in a negation.

    Args:
        auxiliary: The finite auxiliary, for instance "does" or "can".
        rest: The words that depend on it; may be empty.
        mode: Mode of the clause.
    Returns:
        The words before the subject, empty unless `mode` is QUESTION, and the words after it.
    """
    if mode is Mode.QUESTION:
        return auxiliary, rest
    if mode is Mode.NEGATION:
        auxiliary = "cannot" if auxiliary == "can" else auxiliary + " not"
    return "", f"{auxiliary} {rest}".rstrip()


@cache
def verb_group(
    verb: str, tense: Tense, mode: Mode, agreement: Agreement, simple: bool
) -> tuple[str, str]:
    """Returns the English verb of a clause, split around its subject.

    Args:
        verb: Base form; "be" is the copula.
        tense: The present is continuous unless `simple` is True.
        mode: Mode of the clause; negations and questions take do-support.
        agreement: What the verb agrees with: its subject.
        simple: True for verbs of state and for habits ("knows", "eats every day").
    Returns:
        The words before the subject and the words after it.
    Example:
        >>> from keras_seq2seq.phrasebook.features import THIRD_SINGULAR
        >>> verb_group("eat", Tense.PAST, Mode.QUESTION, THIRD_SINGULAR, False)
        ('did', 'eat')
    """
    if tense is Tense.FUTURE:
        return auxiliary_group(form_of_be(agreement), "going to " + verb, mode)
    if tense is Tense.PRESENT and verb == "be":
        return auxiliary_group(form_of_be(agreement), "", mode)
    if tense is Tense.PRESENT and not simple:
        return auxiliary_group(form_of_be(agreement), gerund(verb), mode)
    is_third = agreement.person == 3 and agreement.number is Number.SINGULAR
    if mode is Mode.STATEMENT:
        if tense is Tense.PAST:
            return "", past(verb)
        return "", third_person(verb) if is_third else verb
    if tense is Tense.PAST:
        return auxiliary_group("did", verb, mode)
    return auxiliary_group("does" if is_third else "do", verb, mode)
