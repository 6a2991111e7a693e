import pytest

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.english import (
    auxiliary_group,
    gerund,
    indefinite_article,
    past,
    plural,
    possessive,
    third_person,
    verb_group,
)
from keras_seq2seq.phrasebook.features import Agreement, Gender, Mode, Number, Tense

FORMS = {
    "answer": "answers answered answering",
    "arrive": "arrives arrived arriving",
    "buy": "buys bought buying",
    "call": "calls called calling",
    "choose": "chooses chose choosing",
    "close": "closes closed closing",
    "come": "comes came coming",
    "dance": "dances danced dancing",
    "do": "does did doing",
    "drink": "drinks drank drinking",
    "eat": "eats ate eating",
    "enter": "enters entered entering",
    "fill": "fills filled filling",
    "find": "finds found finding",
    "finish": "finishes finished finishing",
    "give": "gives gave giving",
    "go": "goes went going",
    "have": "has had having",
    "hear": "hears heard hearing",
    "help": "helps helped helping",
    "know": "knows knew knowing",
    "leave": "leaves left leaving",
    "like": "likes liked liking",
    "listen": "listens listened listening",
    "look": "looks looked looking",
    "lose": "loses lost losing",
    "make": "makes made making",
    "open": "opens opened opening",
    "play": "plays played playing",
    "prefer": "prefers preferred -",
    "put": "puts put putting",
    "read": "reads read reading",
    "receive": "receives received receiving",
    "repair": "repairs repaired repairing",
    "run": "runs ran running",
    "say": "says said saying",
    "see": "sees saw seeing",
    "sell": "sells sold selling",
    "show": "shows showed showing",
    "sing": "sings sang singing",
    "sleep": "sleeps slept sleeping",
    "start": "starts started starting",
    "stay": "stays stayed staying",
    "take": "takes took taking",
    "talk": "talks talked talking",
    "tell": "tells told telling",
    "try": "tries tried trying",
    "understand": "understands understood understanding",
    "visit": "visits visited visiting",
    "wait": "waits waited waiting",
    "want": "wants wanted wanting",
    "wash": "washes washed washing",
    "watch": "watches watched watching",
    "wear": "wears wore wearing",
    "work": "works worked working",
    "write": "writes wrote writing",
}
I = Agreement(1, Number.SINGULAR, Gender.MASCULINE)  # noqa: E741
SHE = Agreement(3, Number.SINGULAR, Gender.FEMININE)
THEY = Agreement(3, Number.PLURAL, Gender.MASCULINE)
STATED, DENIED, ASKED = Mode


@pytest.mark.parametrize(("verb", "forms"), FORMS.items())
def test_verb_forms(verb: str, forms: str) -> None:
    third, simple_past, ing = forms.split()
    assert (third_person(verb), past(verb)) == (third, simple_past)
    assert ing in ("-", gerund(verb))


def test_every_verb_is_tested() -> None:
    every = (*verbs.TRANSITIVE, *verbs.INTRANSITIVE, *verbs.MOTION)
    others = (verbs.GIVE, verbs.SHOW, verbs.SAY, verbs.TELL, verbs.PUT)
    assert {verb.english for verb in every + others} == set(FORMS)


@pytest.mark.parametrize(
    ("verb", "tense", "mode", "agreement", "words"),
    [
        ("eat", Tense.PRESENT, STATED, I, "|am eating"),
        ("eat", Tense.PRESENT, DENIED, SHE, "|is not eating"),
        ("eat", Tense.PRESENT, ASKED, THEY, "are|eating"),
        ("eat", Tense.PAST, STATED, SHE, "|ate"),
        ("eat", Tense.PAST, DENIED, SHE, "|did not eat"),
        ("eat", Tense.PAST, ASKED, SHE, "did|eat"),
        ("eat", Tense.FUTURE, STATED, THEY, "|are going to eat"),
        ("eat", Tense.FUTURE, DENIED, I, "|am not going to eat"),
        ("eat", Tense.FUTURE, ASKED, SHE, "is|going to eat"),
        ("be", Tense.PRESENT, STATED, SHE, "|is"),
        ("be", Tense.PRESENT, DENIED, THEY, "|are not"),
        ("be", Tense.PRESENT, ASKED, THEY, "are|"),
        ("be", Tense.FUTURE, STATED, SHE, "|is going to be"),
    ],
)
def test_verb_group_of_an_action(
    verb: str, tense: Tense, mode: Mode, agreement: Agreement, words: str
) -> None:
    assert "|".join(verb_group(verb, tense, mode, agreement, False)) == words


@pytest.mark.parametrize(
    ("mode", "agreement", "words"),
    [
        (STATED, SHE, "|knows"),
        (STATED, THEY, "|know"),
        (DENIED, SHE, "|does not know"),
        (DENIED, THEY, "|do not know"),
        (ASKED, SHE, "does|know"),
        (ASKED, THEY, "do|know"),
    ],
)
def test_simple_present_has_do_support(mode: Mode, agreement: Agreement, words: str) -> None:
    assert "|".join(verb_group("know", Tense.PRESENT, mode, agreement, True)) == words


@pytest.mark.parametrize(
    ("mode", "words"),
    [(STATED, "|can swim"), (DENIED, "|cannot swim"), (ASKED, "can|swim")],
)
def test_modal_auxiliary(mode: Mode, words: str) -> None:
    assert "|".join(auxiliary_group("can", "swim", mode)) == words


@pytest.mark.parametrize(
    ("singular", "expected"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("beach", "beaches"),
        ("glass", "glasses"),
        ("story", "stories"),
        ("library", "libraries"),
        ("key", "keys"),
        ("man", "men"),
        ("woman", "women"),
        ("child", "children"),
        ("mouse", "mice"),
    ],
)
def test_plural(singular: str, expected: str) -> None:
    assert plural(singular) == expected


@pytest.mark.parametrize(
    ("word", "article"),
    [("apple", "an"), ("old", "an"), ("umbrella", "an"), ("interesting", "an"), ("house", "a")],
)
def test_a_or_an(word: str, article: str) -> None:
    assert indefinite_article(word) == article


@pytest.mark.parametrize(
    ("owner", "expected"),
    [("Paul", "Paul's"), ("the children", "the children's"), ("my neighbours", "my neighbours'")],
)
def test_possessive(owner: str, expected: str) -> None:
    assert possessive(owner) == expected
