import pytest

from keras_seq2seq.phrasebook import verbs
from keras_seq2seq.phrasebook.adjectives import ADJECTIVES
from keras_seq2seq.phrasebook.clause import Clause
from keras_seq2seq.phrasebook.determiners import Article, Determiner
from keras_seq2seq.phrasebook.features import Mode, Number, Phrase, Tense
from keras_seq2seq.phrasebook.modal_verbs import CAN, HAVE_TO, KNOW_HOW, MUST, WANT_TO, Modal
from keras_seq2seq.phrasebook.noun_phrase import noun_phrase
from keras_seq2seq.phrasebook.nouns import NOUNS
from keras_seq2seq.phrasebook.places import AT, FROM, TO, at_somebody, place_phrases
from keras_seq2seq.phrasebook.subjects import (
    HE,
    NAMES,
    SHE,
    THEY,
    WE,
    YOU,
    A,
    I,
    couple,
    own_possessor,
)
from keras_seq2seq.phrasebook.verbs import Verb

STATED, DENIED, ASKED = Mode
PRESENT, PAST, FUTURE = Tense
BY_NAME = {verb.name: verb for verb in (*verbs.INTRANSITIVE, *verbs.TRANSITIVE, *verbs.MOTION)}
ANNE = NAMES[-1]
GIRLS = noun_phrase(NOUNS["girl"], Number.PLURAL, Determiner(Article.DEFINITE))


def say(clause: Clause) -> tuple[str, str]:
    return clause.english(), clause.french()


def thing(name: str, mode: Mode = STATED) -> Phrase:
    return noun_phrase(NOUNS[name], Number.SINGULAR, A, (), mode)


@pytest.mark.parametrize(
    ("subject", "name", "tense", "mode", "english", "french"),
    [
        (THEY, "sleep", PRESENT, STATED, "They are sleeping.", "Ils dorment."),
        (I, "listen", PRESENT, STATED, "I am listening.", "J'écoute."),
        (I, "listen", PRESENT, DENIED, "I am not listening.", "Je n'écoute pas."),
        (SHE, "leave", PAST, STATED, "She left.", "Elle est partie."),
        (YOU, "leave", PAST, STATED, "You left.", "Vous êtes partis."),
        (GIRLS, "leave", PAST, STATED, "The girls left.", "Les filles sont parties."),
        (WE, "arrive", PAST, DENIED, "We did not arrive.", "Nous ne sommes pas arrivés."),
        (HE, "go home", PAST, STATED, "He went home.", "Il est rentré à la maison."),
        (HE, "sleep", PAST, ASKED, "Did he sleep?", "Est-ce qu'il a dormi ?"),
        (ANNE, "sleep", PRESENT, ASKED, "Is Anne sleeping?", "Est-ce qu'Anne dort ?"),
        (
            YOU,
            "work",
            FUTURE,
            ASKED,
            "Are you going to work?",
            "Est-ce que vous allez travailler ?",
        ),
        (I, "understand", PRESENT, DENIED, "I do not understand.", "Je ne comprends pas."),
        (SHE, "know", PRESENT, STATED, "She knows.", "Elle sait."),
    ],
)
def test_intransitive(
    subject: Phrase, name: str, tense: Tense, mode: Mode, english: str, french: str
) -> None:
    verb = next(verb for verb in verbs.INTRANSITIVE if verb.name == name)
    assert say(Clause(subject, verb, tense, mode)) == (english, french)


@pytest.mark.parametrize(
    ("subject", "verb", "tense", "mode", "noun", "pair"),
    [
        (I, "have", PRESENT, DENIED, "dog", "I do not have a dog.|Je n'ai pas de chien."),
        (HE, "eat", PAST, DENIED, "bread", "He did not eat any bread.|Il n'a pas mangé de pain."),
        (SHE, "drink", PRESENT, STATED, "water", "She is drinking some water.|Elle boit de l'eau."),
        (WE, "eat", PRESENT, STATED, "apple", "We are eating an apple.|Nous mangeons une pomme."),
        (HE, "look for", PRESENT, STATED, "key", "He is looking for a key.|Il cherche une clé."),
    ],
)
def test_transitive(
    subject: Phrase, verb: str, tense: Tense, mode: Mode, noun: str, pair: str
) -> None:
    transitive = next(item for item in verbs.TRANSITIVE if item.name == verb)
    clause = Clause(subject, transitive, tense, mode, (thing(noun, mode),))
    assert "|".join(say(clause)) == pair


def test_be_keeps_its_article_after_a_negation() -> None:
    clause = Clause(Phrase("it", ("ce",)), verbs.BE, PRESENT, DENIED, (thing("dog"),))
    assert say(clause) == ("It is not a dog.", "Ce n'est pas un chien.")


@pytest.mark.parametrize(
    ("modal", "tense", "mode", "english", "french"),
    [
        (CAN, PRESENT, STATED, "He can eat.", "Il peut manger."),
        (CAN, PRESENT, DENIED, "He cannot eat.", "Il ne peut pas manger."),
        (CAN, PRESENT, ASKED, "Can he eat?", "Est-ce qu'il peut manger ?"),
        (CAN, PAST, DENIED, "He could not eat.", "Il n'a pas pu manger."),
        (MUST, PRESENT, STATED, "He must eat.", "Il doit manger."),
        (MUST, PRESENT, DENIED, "He must not eat.", "Il ne doit pas manger."),
        (HAVE_TO, PRESENT, ASKED, "Does he have to eat?", "Est-ce qu'il doit manger ?"),
        (HAVE_TO, PAST, STATED, "He had to eat.", "Il a dû manger."),
        (HAVE_TO, FUTURE, STATED, "He is going to have to eat.", "Il va devoir manger."),
        (WANT_TO, PRESENT, STATED, "He wants to eat.", "Il veut manger."),
        (WANT_TO, PRESENT, DENIED, "He does not want to eat.", "Il ne veut pas manger."),
        (KNOW_HOW, PRESENT, ASKED, "Does he know how to eat?", "Est-ce qu'il sait manger ?"),
    ],
)
def test_modal(modal: Modal, tense: Tense, mode: Mode, english: str, french: str) -> None:
    assert (tense, mode) in modal.uses
    clause = Clause(HE, Verb("eat", "manger"), tense, mode, modal=modal)
    assert say(clause) == (english, french)


@pytest.mark.parametrize(
    ("name", "preposition", "english", "french"),
    [
        ("school", TO, "to school", "à l'école"),
        ("school", AT, "at school", "à l'école"),
        ("market", TO, "to the market", "au marché"),
        ("market", FROM, "from the market", "du marché"),
        ("hospital", AT, "at the hospital", "à l'hôpital"),
        ("garden", AT, "in the garden", "dans le jardin"),
        ("beach", AT, "on the beach", "sur la plage"),
        ("beach", TO, "to the beach", "à la plage"),
        ("home", AT, "at home", "à la maison"),
        ("train", AT, "on the train", "dans le train"),
        ("Paris", AT, "in Paris", "à Paris"),
        ("France", TO, "to France", "en France"),
        ("Canada", TO, "to Canada", "au Canada"),
        ("Canada", FROM, "from Canada", "du Canada"),
        ("London", FROM, "from London", "de Londres"),
    ],
)
def test_place(name: str, preposition: str, english: str, french: str) -> None:
    where = place_phrases(name, preposition)[0]
    clause = Clause(SHE, verbs.BE, PRESENT, STATED, (where,))
    assert say(clause) == (f"She is {english}.", f"Elle est {french}.")


def test_chez() -> None:
    said = {phrase.english: phrase.french for phrase in at_somebody(AT)}
    assert said["at the doctor's"] == ("chez", "le", "médecin")
    assert said["at Paul's house"] == ("chez", "Paul")
    assert said["at my grandmother's house"] == ("chez", "ma", "grand-mère")


def test_habits_are_in_the_simple_present() -> None:
    daily = Phrase("every day", ("tous", "les", "jours"))
    clause = Clause(SHE, Verb("sing", "chanter"), PRESENT, STATED, (daily,), habitual=True)
    assert say(clause) == ("She sings every day.", "Elle chante tous les jours.")


def test_a_mixed_couple_is_masculine() -> None:
    paul, _, marie, julie, _ = NAMES
    leave = BY_NAME["leave"]
    mixed = Clause(couple(marie, paul), leave, PAST, STATED)
    feminine = Clause(couple(marie, julie), leave, PAST, STATED)
    assert mixed.french() == "Marie et Paul sont partis."
    assert feminine.french() == "Marie et Julie sont parties."


@pytest.mark.parametrize(
    ("subject", "possessor"),
    [(I, "my"), (WE, "our"), (YOU, "your"), (HE, "his"), (SHE, "her"), (THEY, "their")],
)
def test_own_possessor(subject: Phrase, possessor: str) -> None:
    assert own_possessor(subject).possessor == possessor


def test_fear_contracts() -> None:
    little = next(item for item in ADJECTIVES if item.english == "little")
    boy = noun_phrase(NOUNS["boy"], Number.SINGULAR, Determiner(Article.DEFINITE), (little,))
    words = Phrase("afraid of the dog", ("peur", "de", "le", "chien"))
    clause = Clause(boy, verbs.FEEL, PRESENT, STATED, (words,))
    assert say(clause) == (
        "The little boy is afraid of the dog.",
        "Le petit garçon a peur du chien.",
    )
