"""The verbs: one French verb for one English verb, with the tenses, objects and places that fit."""

from dataclasses import dataclass
from typing import Any

from keras_seq2seq.phrasebook.determiners import Article
from keras_seq2seq.phrasebook.features import Phrase, Tense

_PRESENT = (Tense.PRESENT,)
_EVENT = (Tense.PAST, Tense.FUTURE)
_ALL = (Tense.PRESENT, Tense.PAST, Tense.FUTURE)

SPECIFIC = (Article.DEFINITE, Article.DEMONSTRATIVE, Article.POSSESSIVE, Article.GENITIVE)
COUNTED = (*SPECIFIC, Article.INDEFINITE, Article.NUMERAL)
ANY = (*COUNTED, Article.BARE)
_TASTE = (Article.DEFINITE, Article.DEMONSTRATIVE, Article.GENITIVE, Article.GENERIC)
_CREATED = tuple(item for item in ANY if item is not Article.GENITIVE)
_SOUGHT = (*SPECIFIC, Article.INDEFINITE)
_OWNING = (Article.INDEFINITE, Article.NUMERAL)


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """One verb in both languages.

    Args:
        english: English base form.
        french: French infinitive.
        particle: English words between the verb and its object ("for", "on").
        link: French preposition before the object; empty for a direct object.
        fixed: Words that always follow it.
        stative: Whether its English present is simple ("knows") and not continuous.
        tenses: The tenses in which the French passé composé and the English forms match.
        objects: Nouns and kinds that can be its object, for `select`.
        articles: Determiners its object takes.
        animal_objects: Objects when a dog or a cat does it.
        animate: Whether an animal can do it.
        places: Names of places where it happens.
        shared: Whether one does it "with" somebody.
        planned: Whether its present can refer to the future ("is leaving tomorrow").
        lasting: Whether "last week" fits it.
        timed: Whether "at eight o'clock" fits it.
        single: Whether it has one object rather than several.
        rooted: Whether it needs a place.
        deniable: Whether it can be negated.
        foreign: Whether a possessive of its object never refers to the subject.
        any_denied: Whether its negation allows an indefinite object ("does not have a dog")
            although its statement allows no bare noun ("has dogs").
    """

    english: str
    french: str
    particle: str = ""
    link: str = ""
    fixed: Phrase | None = None
    stative: bool = False
    tenses: tuple[Tense, ...] = _ALL
    objects: str = ""
    articles: tuple[Article, ...] = ANY
    animal_objects: str = ""
    animate: bool = False
    places: str = ""
    shared: bool = False
    planned: bool = False
    lasting: bool = False
    timed: bool = False
    single: bool = False
    rooted: bool = False
    deniable: bool = True
    foreign: bool = False
    any_denied: bool = False

    @property
    def name(self) -> str:
        """The English verb with its particle and fixed words, unique among the transitive verbs."""
        fixed = self.fixed.english if self.fixed else ""
        return " ".join(word for word in (self.english, self.particle, fixed) if word)


def _state(english: str, french: str, **fields: Any) -> Verb:
    return Verb(english, french, stative=True, **fields)


_FOOD = "FRUIT FOOD"
_KEPT = "book key bag umbrella phone photo hat shoe"
LYING = "book newspaper letter key bag umbrella phone photo hat shoe computer"
SERVED = "FRUIT cake plate glass bottle flower bread cheese"
_GOODS = "CLOTHING car bike boat house table chair bed book newspaper flower bag umbrella phone"
_GOODS += " computer gift plate bottle horse dog"
_BOUGHT = _GOODS + " FRUIT FOOD milk coffee tea"
_PEOPLE = "PERSON KIN"

TRANSITIVE = (
    Verb("eat", "manger", objects=_FOOD, animal_objects="meat fish cheese bread", timed=True),
    Verb("drink", "boire", objects="DRINK", animal_objects="water milk"),
    Verb("read", "lire", objects="TEXT", lasting=True),
    Verb("write", "écrire", objects="book letter story poem", articles=_CREATED, lasting=True),
    Verb(
        "watch",
        "regarder",
        objects="film bird dog cat horse boat train child",
        articles=_SOUGHT,
        animal_objects="bird mouse child",
    ),
    Verb(
        "listen",
        "écouter",
        "to",
        objects="MUSIC song story bird teacher KIN",
        articles=(*SPECIFIC, Article.BARE),
    ),
    Verb("look", "chercher", "for", objects=_KEPT + " dog cat hamster doctor", articles=_SOUGHT),
    Verb("find", "trouver", objects=_KEPT + " dog cat money", articles=_SOUGHT, tenses=_EVENT),
    Verb(
        "buy", "acheter", objects=_GOODS + " FRUIT FOOD milk coffee tea", lasting=True, foreign=True
    ),
    Verb("sell", "vendre", objects="car bike boat house table horse flower", lasting=True),
    _state(
        "like",
        "aimer",
        objects=_FOOD
        + " DRINK TEXT MUSIC dog cat horse bird mouse house garden flower song film car",
        articles=_TASTE,
        animal_objects="meat fish milk",
        tenses=_PRESENT,
    ),
    _state(
        "prefer",
        "préférer",
        objects=_FOOD + " DRINK dog cat train bus plane",
        articles=_TASTE,
        tenses=_PRESENT,
        deniable=False,
    ),
    _state("want", "vouloir", objects=_GOODS + " FRUIT FOOD DRINK cat", tenses=_PRESENT),
    _state(
        "have",
        "avoir",
        objects="dog cat horse hamster car bike house garden boat key phone computer umbrella book"
        " idea question lesson money work",
        articles=_OWNING,
        tenses=_PRESENT,
        single=True,
        any_denied=True,
    ),
    _state(
        "see",
        "voir",
        objects="ANIMAL NATURE house boat plane film PERSON KIN",
        tenses=(Tense.PRESENT, Tense.PAST),
        lasting=True,
        articles=_SOUGHT,
        any_denied=True,
        animal_objects="bird mouse child",
    ),
    _state(
        "hear",
        "entendre",
        objects="bird dog cat song MUSIC train plane child",
        any_denied=True,
        articles=_SOUGHT,
        tenses=(Tense.PRESENT, Tense.PAST),
    ),
    _state(
        "know",
        "connaître",
        objects="PERSON KIN song story poem village restaurant museum film answer",
        articles=SPECIFIC,
        tenses=_PRESENT,
        foreign=True,
    ),
    _state(
        "understand",
        "comprendre",
        objects="question answer lesson story exercise letter poem idea teacher doctor film",
        articles=SPECIFIC,
        tenses=(Tense.PRESENT, Tense.PAST),
    ),
    Verb(
        "take",
        "prendre",
        objects="bus train plane umbrella bag key book",
        articles=_SOUGHT,
        single=True,
        timed=True,
    ),
    Verb("put", "mettre", "on", objects="CLOTHING", articles=_SOUGHT, single=True),
    Verb("wear", "porter", objects="CLOTHING", articles=_SOUGHT, single=True, any_denied=True),
    Verb("open", "ouvrir", objects="PART bag book letter bottle gift umbrella", articles=_SOUGHT),
    Verb("close", "fermer", objects="PART bag book bottle umbrella", articles=SPECIFIC),
    Verb(
        "wash",
        "laver",
        objects="car bike plate glass bottle dress shirt coat window dog",
        articles=SPECIFIC,
    ),
    Verb("make", "faire", objects="cake soup bread coffee tea cheese dress"),
    Verb("do", "faire", objects="exercise homework work", articles=SPECIFIC),
    Verb(
        "finish",
        "finir",
        objects="book letter story exercise homework work soup cake lesson",
        articles=SPECIFIC,
        single=True,
        timed=True,
    ),
    Verb(
        "start",
        "commencer",
        objects="book letter lesson exercise homework work poem",
        articles=SPECIFIC,
        single=True,
        timed=True,
    ),
    Verb(
        "choose",
        "choisir",
        objects="CLOTHING cake cheese book gift film flower car",
        articles=_SOUGHT,
        single=True,
    ),
    Verb("fill", "remplir", objects="glass bottle bag plate", articles=SPECIFIC),
    Verb(
        "wait",
        "attendre",
        "for",
        objects="bus train plane PERSON KIN answer",
        articles=_SOUGHT,
        single=True,
    ),
    Verb(
        "lose",
        "perdre",
        objects=_KEPT + " money letter dog",
        articles=_SOUGHT,
        tenses=(Tense.PAST,),
        lasting=True,
    ),
    Verb("call", "appeler", objects=_PEOPLE + " dog cat", articles=SPECIFIC, timed=True),
    Verb("help", "aider", objects=_PEOPLE, articles=_SOUGHT),
    Verb(
        "visit",
        "visiter",
        objects="museum house village school hospital library",
        lasting=True,
        articles=COUNTED,
        foreign=True,
    ),
    Verb(
        "receive",
        "recevoir",
        objects="letter gift money flower answer photo book bike",
        foreign=True,
        tenses=_EVENT,
        lasting=True,
    ),
    Verb("try", "essayer", "on", objects="CLOTHING", articles=_SOUGHT, single=True),
    Verb("talk", "parler", "to", "à", objects=_PEOPLE, articles=SPECIFIC),
    Verb("answer", "répondre", "", "à", objects="question letter PERSON KIN", articles=SPECIFIC),
    Verb(
        "enter",
        "entrer",
        "",
        "dans",
        objects="BUILDING HOME ROOM garden",
        articles=SPECIFIC,
        single=True,
    ),
    Verb(
        "repair",
        "réparer",
        objects="car bike boat phone computer table chair bed PART",
        articles=COUNTED,
        lasting=True,
    ),
)

_HOME = Phrase("home", ("à", "la", "maison"))

INTRANSITIVE = (
    Verb("watch", "regarder", tenses=_PRESENT),
    Verb("listen", "écouter", tenses=_PRESENT),
    Verb(
        "eat",
        "manger",
        animate=True,
        shared=True,
        timed=True,
        places="kitchen garden restaurant park home",
    ),
    Verb("drink", "boire", animate=True, tenses=_PRESENT),
    Verb("read", "lire", places="garden library bedroom park train home school"),
    Verb("write", "écrire", tenses=_PRESENT, places="library bedroom office garden"),
    Verb("sleep", "dormir", animate=True, places="bedroom house garden car train home"),
    Verb("work", "travailler", shared=True, places="BUILDING office market garden kitchen home"),
    Verb("play", "jouer", animate=True, shared=True, places="garden park street school beach home"),
    Verb("sing", "chanter", shared=True, places="street kitchen garden school park"),
    Verb("dance", "danser", shared=True, places="street kitchen garden beach park"),
    Verb("run", "courir", animate=True, places="park street garden beach"),
    Verb("wait", "attendre", places="station school restaurant hospital car street"),
    Verb("talk", "parler", shared=True, places="street kitchen garden"),
    Verb("leave", "partir", shared=True, planned=True, lasting=True, timed=True),
    Verb("go", "sortir", "out", shared=True, planned=True, timed=True),
    Verb("go", "rentrer", fixed=_HOME, shared=True, planned=True, timed=True),
    Verb(
        "arrive",
        "arriver",
        planned=True,
        timed=True,
        places="BUILDING market CITY office",
    ),
    Verb(
        "stay",
        "rester",
        shared=True,
        rooted=True,
        places="home house garden bedroom school hospital CITY",
    ),
    _state("understand", "comprendre", tenses=(Tense.PRESENT, Tense.PAST)),
    _state("know", "savoir", tenses=_PRESENT),
)

MOTION = (
    Verb("go", "aller", shared=True, planned=True, timed=True),
    Verb("come", "venir", shared=True, planned=True, timed=True),
)
BE = _state("be", "être", tenses=_PRESENT)
BECOME = _state("be", "être", tenses=(Tense.PRESENT, Tense.FUTURE))
FEEL = _state("be", "avoir", tenses=(Tense.PRESENT, Tense.FUTURE))
WEATHER = _state("be", "faire", tenses=(Tense.PRESENT, Tense.FUTURE))
GIVE = Verb(
    "give",
    "donner",
    objects="book flower gift apple orange letter money cake",
)
SHOW = Verb("show", "montrer", objects="photo book letter house bike dress", articles=COUNTED)
SAY = Verb("say", "dire")
TELL = Verb("tell", "dire")
PUT = Verb("put", "mettre", objects=LYING + " " + SERVED, articles=COUNTED)
