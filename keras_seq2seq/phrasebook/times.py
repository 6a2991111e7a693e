"""Times that agree with a tense, and times of habits."""

from keras_seq2seq.phrasebook.features import Phrase, Tense

_DAYS = (
    ("Monday", "lundi"),
    ("Wednesday", "mercredi"),
    ("Saturday", "samedi"),
    ("Sunday", "dimanche"),
)
_TODAY = (
    Phrase("today", ("aujourd'hui",)),
    Phrase("this morning", ("ce", "matin")),
    Phrase("this afternoon", ("cet", "après-midi")),
)
_ON_DAYS = tuple(Phrase(f"on {day}", (jour,)) for day, jour in _DAYS)
_HOURS = (
    ("two", "deux"),
    ("three", "trois"),
    ("five", "cinq"),
    ("six", "six"),
    ("eight", "huit"),
    ("nine", "neuf"),
    ("ten", "dix"),
    ("eleven", "onze"),
)
CLOCK = (
    *(Phrase(f"at {hour} o'clock", ("à", heure, "heures")) for hour, heure in _HOURS),
    Phrase("at noon", ("à", "midi")),
)

TIMES = {
    Tense.PRESENT: (Phrase("now", ("maintenant",)), *_TODAY),
    Tense.PAST: (
        Phrase("yesterday", ("hier",)),
        Phrase("yesterday morning", ("hier", "matin")),
        Phrase("yesterday evening", ("hier", "soir")),
        *_TODAY,
        *_ON_DAYS,
    ),
    Tense.FUTURE: (
        Phrase("tomorrow", ("demain",)),
        Phrase("tomorrow morning", ("demain", "matin")),
        Phrase("tomorrow evening", ("demain", "soir")),
        Phrase("this evening", ("ce", "soir")),
        _TODAY[0],
        *_ON_DAYS,
    ),
}
LONG_TIMES = {
    Tense.PRESENT: (),
    Tense.PAST: (
        Phrase("last week", ("la", "semaine", "dernière")),
        Phrase("last year", ("la", "année", "dernière")),
    ),
    Tense.FUTURE: (
        Phrase("next week", ("la", "semaine", "prochaine")),
        Phrase("next year", ("la", "année", "prochaine")),
    ),
}
HABITS = (
    Phrase("every day", ("tous", "les", "jours")),
    Phrase("every morning", ("tous", "les", "matins")),
    Phrase("every evening", ("tous", "les", "soirs")),
    Phrase("in the morning", ("le", "matin")),
    Phrase("in the evening", ("le", "soir")),
    *(Phrase(f"on {day}s", ("le", jour)) for day, jour in _DAYS),
)
