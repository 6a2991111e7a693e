"""The verbs that govern an infinitive: can, must, have to, want to, know how to."""

from dataclasses import dataclass

from keras_seq2seq.phrasebook.features import Mode, Tense


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """A verb that governs an infinitive.

    Args:
        english: The English verb or auxiliary by tense.
        french: The French verb.
        link: English words before the infinitive; empty after an auxiliary.
        uses: The tenses and modes in which both languages mean the same.
    """

    english: dict[Tense, str]
    french: str
    link: str
    uses: tuple[tuple[Tense, Mode], ...]


_STATED, _DENIED, _ASKED = Mode.STATEMENT, Mode.NEGATION, Mode.QUESTION
CAN = Modal(
    {Tense.PRESENT: "can", Tense.PAST: "could"},
    "pouvoir",
    "",
    (
        (Tense.PRESENT, _STATED),
        (Tense.PRESENT, _DENIED),
        (Tense.PRESENT, _ASKED),
        (Tense.PAST, _DENIED),
    ),
)
MUST = Modal(
    {Tense.PRESENT: "must"},
    "devoir",
    "",
    ((Tense.PRESENT, _STATED), (Tense.PRESENT, _DENIED)),
)
HAVE_TO = Modal(
    dict.fromkeys(Tense, "have"),
    "devoir",
    "to",
    (
        (Tense.PRESENT, _ASKED),
        (Tense.PAST, _STATED),
        (Tense.PAST, _ASKED),
        (Tense.FUTURE, _STATED),
    ),
)
WANT_TO = Modal(
    {Tense.PRESENT: "want"}, "vouloir", "to", tuple((Tense.PRESENT, mode) for mode in Mode)
)
KNOW_HOW = Modal(
    {Tense.PRESENT: "know"}, "savoir", "how to", tuple((Tense.PRESENT, mode) for mode in Mode)
)
