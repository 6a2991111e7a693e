import pytest

from keras_seq2seq.phrasebook.adjectives import ADJECTIVES, adjective_form, qualifying
from keras_seq2seq.phrasebook.features import Gender, Number
from keras_seq2seq.phrasebook.nouns import NOUNS, select

M, F = Gender.MASCULINE, Gender.FEMININE
CASES = [(M, Number.SINGULAR), (F, Number.SINGULAR), (M, Number.PLURAL), (F, Number.PLURAL)]
FORMS = {
    "beau": "beau belle beaux belles",
    "blanc": "blanc blanche blancs blanches",
    "bleu": "bleu bleue bleus bleues",
    "bon": "bon bonne bons bonnes",
    "célèbre": "célèbre célèbre célèbres célèbres",
    "chaud": "chaud chaude chauds chaudes",
    "cher": "cher chère chers chères",
    "difficile": "difficile difficile difficiles difficiles",
    "facile": "facile facile faciles faciles",
    "fatigué": "fatigué fatiguée fatigués fatiguées",
    "frais": "frais fraîche frais fraîches",
    "froid": "froid froide froids froides",
    "gentil": "gentil gentille gentils gentilles",
    "grand": "grand grande grands grandes",
    "gris": "gris grise gris grises",
    "heureux": "heureux heureuse heureux heureuses",
    "intelligent": "intelligent intelligente intelligents intelligentes",
    "intéressant": "intéressant intéressante intéressants intéressantes",
    "jeune": "jeune jeune jeunes jeunes",
    "joli": "joli jolie jolis jolies",
    "long": "long longue longs longues",
    "malade": "malade malade malades malades",
    "noir": "noir noire noirs noires",
    "nouveau": "nouveau nouvelle nouveaux nouvelles",
    "petit": "petit petite petits petites",
    "prêt": "prêt prête prêts prêtes",
    "propre": "propre propre propres propres",
    "riche": "riche riche riches riches",
    "rouge": "rouge rouge rouges rouges",
    "sale": "sale sale sales sales",
    "triste": "triste triste tristes tristes",
    "vert": "vert verte verts vertes",
    "vide": "vide vide vides vides",
    "vieux": "vieux vieille vieux vieilles",
}


@pytest.mark.parametrize(("masculine", "forms"), FORMS.items())
def test_four_forms(masculine: str, forms: str) -> None:
    assert [adjective_form(masculine, *case) for case in CASES] == forms.split()


def test_every_adjective_is_tested() -> None:
    assert {item.french for item in ADJECTIVES} == set(FORMS)


@pytest.mark.parametrize(
    ("masculine", "following", "form"),
    [
        ("beau", "arbre", "bel"),
        ("beau", "oiseau", "bel"),
        ("beau", "hamster", "beau"),
        ("beau", "jardin", "beau"),
        ("nouveau", "ordinateur", "nouvel"),
        ("nouveau", "vélo", "nouveau"),
        ("vieux", "homme", "vieil"),
        ("vieux", "haricot", "vieux"),
        ("vieux", "chat", "vieux"),
        ("grand", "arbre", "grand"),
    ],
)
def test_masculine_before_vowel(masculine: str, following: str, form: str) -> None:
    assert adjective_form(masculine, M, Number.SINGULAR, following) == form


def test_bel_is_singular_only() -> None:
    assert adjective_form("beau", M, Number.PLURAL, "arbres") == "beaux"


@pytest.mark.parametrize(
    "english",
    [
        "big",
        "tall",
        "small",
        "little",
        "beautiful",
        "pretty",
        "old",
        "new",
        "good",
        "young",
        "long",
    ],
)
def test_short_common_adjectives_precede(english: str) -> None:
    assert [item.precedes for item in ADJECTIVES if item.english == english] == [True]


def test_exactly_these_precede() -> None:
    french = {item.french for item in ADJECTIVES if item.precedes}
    before = "grand petit beau joli vieux nouveau bon jeune long"
    assert french == set(before.split())


def test_selections_name_known_nouns() -> None:
    for item in ADJECTIVES:
        assert select(item.attributes + " " + item.predicates)


def test_pairs_end_with_a_colour() -> None:
    pairs = [items for items in qualifying(NOUNS["car"]) if len(items) == 2]
    assert pairs
    assert all(first.precedes and second.is_colour for first, second in pairs)
