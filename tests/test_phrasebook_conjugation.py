import pytest

from keras_seq2seq.phrasebook import irregular, verbs
from keras_seq2seq.phrasebook.conjugation import auxiliary, participle, present, verb_words
from keras_seq2seq.phrasebook.features import Agreement, Gender, Mode, Number, Tense

M, F = Gender.MASCULINE, Gender.FEMININE
SINGULAR, PLURAL = Number.SINGULAR, Number.PLURAL
ELLE = Agreement(3, SINGULAR, F)
ELLES = Agreement(3, PLURAL, F)
ILS = Agreement(3, PLURAL, M)
NOUS = Agreement(1, PLURAL, M)

IRREGULAR = {
    "aller": "vais vas va allons allez vont",
    "avoir": "ai as a avons avez ont",
    "boire": "bois bois boit buvons buvez boivent",
    "comprendre": "comprends comprends comprend comprenons comprenez comprennent",
    "connaître": "connais connais connaît connaissons connaissez connaissent",
    "courir": "cours cours court courons courez courent",
    "devoir": "dois dois doit devons devez doivent",
    "dire": "dis dis dit disons dites disent",
    "dormir": "dors dors dort dormons dormez dorment",
    "écrire": "écris écris écrit écrivons écrivez écrivent",
    "être": "suis es est sommes êtes sont",
    "faire": "fais fais fait faisons faites font",
    "lire": "lis lis lit lisons lisez lisent",
    "mettre": "mets mets met mettons mettez mettent",
    "ouvrir": "ouvre ouvres ouvre ouvrons ouvrez ouvrent",
    "partir": "pars pars part partons partez partent",
    "pouvoir": "peux peux peut pouvons pouvez peuvent",
    "prendre": "prends prends prend prenons prenez prennent",
    "recevoir": "reçois reçois reçoit recevons recevez reçoivent",
    "savoir": "sais sais sait savons savez savent",
    "sortir": "sors sors sort sortons sortez sortent",
    "venir": "viens viens vient venons venez viennent",
    "voir": "vois vois voit voyons voyez voient",
    "vouloir": "veux veux veut voulons voulez veulent",
}
REGULAR = {
    "regarder": "regarde regardes regarde regardons regardez regardent",
    "chercher": "cherche cherches cherche cherchons cherchez cherchent",
    "fermer": "ferme fermes ferme fermons fermez ferment",
    "finir": "finis finis finit finissons finissez finissent",
    "choisir": "choisis choisis choisit choisissons choisissez choisissent",
    "remplir": "remplis remplis remplit remplissons remplissez remplissent",
    "attendre": "attends attends attend attendons attendez attendent",
    "vendre": "vends vends vend vendons vendez vendent",
    "perdre": "perds perds perd perdons perdez perdent",
}
SPELLING = {
    "manger": "mange manges mange mangeons mangez mangent",
    "commencer": "commence commences commence commençons commencez commencent",
    "acheter": "achète achètes achète achetons achetez achètent",
    "appeler": "appelle appelles appelle appelons appelez appellent",
    "préférer": "préfère préfères préfère préférons préférez préfèrent",
    "réparer": "répare répares répare réparons réparez réparent",
    "essayer": "essaie essaies essaie essayons essayez essaient",
}
MOVEMENT = ("aller", "arriver", "entrer", "partir", "rentrer", "rester", "sortir", "venir")
PARTICIPLES = {
    "aimer": "aimé",
    "acheter": "acheté",
    "aller": "allé",
    "appeler": "appelé",
    "attendre": "attendu",
    "avoir": "eu",
    "boire": "bu",
    "choisir": "choisi",
    "commencer": "commencé",
    "comprendre": "compris",
    "connaître": "connu",
    "courir": "couru",
    "devoir": "dû",
    "dire": "dit",
    "dormir": "dormi",
    "écrire": "écrit",
    "entendre": "entendu",
    "essayer": "essayé",
    "être": "été",
    "faire": "fait",
    "finir": "fini",
    "lire": "lu",
    "manger": "mangé",
    "mettre": "mis",
    "ouvrir": "ouvert",
    "partir": "parti",
    "perdre": "perdu",
    "pouvoir": "pu",
    "préférer": "préféré",
    "prendre": "pris",
    "recevoir": "reçu",
    "remplir": "rempli",
    "répondre": "répondu",
    "savoir": "su",
    "sortir": "sorti",
    "vendre": "vendu",
    "venir": "venu",
    "voir": "vu",
    "vouloir": "voulu",
}


@pytest.mark.parametrize(("infinitive", "forms"), (IRREGULAR | REGULAR | SPELLING).items())
def test_present_has_six_forms(infinitive: str, forms: str) -> None:
    assert present(infinitive) == tuple(forms.split())


def test_every_irregular_verb_is_tested() -> None:
    assert set(irregular.PRESENT) == set(IRREGULAR)
    assert set(irregular.PARTICIPLE) == set(IRREGULAR)


def test_every_irregular_verb_is_used() -> None:
    used = {verb.french for verb in (*verbs.TRANSITIVE, *verbs.INTRANSITIVE, *verbs.MOTION)}
    assert set(IRREGULAR) - used == {"être", "dire", "pouvoir", "devoir"}


@pytest.mark.parametrize(("infinitive", "form"), PARTICIPLES.items())
def test_participle(infinitive: str, form: str) -> None:
    assert participle(infinitive, M, SINGULAR) == form


@pytest.mark.parametrize(
    ("infinitive", "forms"),
    [
        ("aller", "allé allée allés allées"),
        ("venir", "venu venue venus venues"),
        ("sortir", "sorti sortie sortis sorties"),
        ("mettre", "mis mise mis mises"),
        ("ouvrir", "ouvert ouverte ouverts ouvertes"),
    ],
)
def test_participle_agrees(infinitive: str, forms: str) -> None:
    cases = [(M, SINGULAR), (F, SINGULAR), (M, PLURAL), (F, PLURAL)]
    assert [participle(infinitive, *case) for case in cases] == forms.split()


@pytest.mark.parametrize("infinitive", MOVEMENT)
def test_verbs_of_movement_take_etre(infinitive: str) -> None:
    assert auxiliary(infinitive) == "être"


@pytest.mark.parametrize("infinitive", ["avoir", "courir", "danser", "dormir", "manger", "voir"])
def test_other_verbs_take_avoir(infinitive: str) -> None:
    assert auxiliary(infinitive) == "avoir"


def test_only_movement_takes_etre() -> None:
    every = (*verbs.TRANSITIVE, *verbs.INTRANSITIVE, *verbs.MOTION)
    with_etre = {verb.french for verb in every if auxiliary(verb.french) == "être"}
    assert with_etre == set(MOVEMENT)


@pytest.mark.parametrize(
    ("infinitive", "agreement", "words"),
    [
        ("partir", ELLE, "est partie"),
        ("partir", ELLES, "sont parties"),
        ("aller", ILS, "sont allés"),
        ("venir", NOUS, "sommes venus"),
        ("manger", ELLES, "ont mangé"),
        ("ouvrir", ELLE, "a ouvert"),
    ],
)
def test_past_agrees_with_the_subject_after_etre_only(
    infinitive: str, agreement: Agreement, words: str
) -> None:
    assert verb_words(infinitive, Tense.PAST, Mode.STATEMENT, agreement) == tuple(words.split())


@pytest.mark.parametrize(
    ("tense", "words"),
    [
        (Tense.PRESENT, "ne regarde pas"),
        (Tense.PAST, "ne a pas regardé"),
        (Tense.FUTURE, "ne va pas regarder"),
    ],
)
def test_negation_surrounds_the_finite_word(tense: Tense, words: str) -> None:
    assert verb_words("regarder", tense, Mode.NEGATION, ELLE) == tuple(words.split())


def test_near_future() -> None:
    assert verb_words("lire", Tense.FUTURE, Mode.STATEMENT, NOUS) == ("allons", "lire")
