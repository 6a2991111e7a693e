"""Number words in both languages."""

from keras_seq2seq.phrasebook.features import Gender

WORDS = {
    1: ("one", ("un",)),
    2: ("two", ("deux",)),
    3: ("three", ("trois",)),
    4: ("four", ("quatre",)),
    5: ("five", ("cinq",)),
    6: ("six", ("six",)),
    7: ("seven", ("sept",)),
    8: ("eight", ("huit",)),
    9: ("nine", ("neuf",)),
    10: ("ten", ("dix",)),
    11: ("eleven", ("onze",)),
    12: ("twelve", ("douze",)),
    20: ("twenty", ("vingt",)),
    21: ("twenty-one", ("vingt", "et", "un")),
    30: ("thirty", ("trente",)),
}


def english_numeral(value: int) -> str:
    """Returns the English word of a number of `WORDS`."""
    return WORDS[value][0]


def french_numeral(value: int, gender: Gender) -> tuple[str, ...]:
    """Returns the French words of a number of `WORDS`; un agrees, also in vingt et un."""
    words = WORDS[value][1]
    if words[-1] == "un" and gender is Gender.FEMININE:
        return (*words[:-1], "une")
    return words
