"""The nouns: one French word for one English word, with gender, kind and limits of use."""

from dataclasses import dataclass
from functools import cache

from keras_seq2seq.phrasebook import english
from keras_seq2seq.phrasebook.features import Gender, Number

M, F = Gender.MASCULINE, Gender.FEMININE
_BOTH = (Number.SINGULAR, Number.PLURAL)


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """One noun in both languages.

    Args:
        english: English singular, also the name of the noun in every table.
        french: French singular.
        gender: French gender.
        kind: Class of meaning, in capitals, that verbs and adjectives select.
        owned: Whether "my" and "Paul's" go with it.
        mass: Whether it cannot be counted ("some bread").
        numbers: The numbers it is used in.
    """

    english: str
    french: str
    gender: Gender
    kind: str
    owned: bool = False
    mass: bool = False
    numbers: tuple[Number, ...] = _BOTH

    def english_form(self, number: Number) -> str:
        """Returns the English noun in a number."""
        return self.english if number is Number.SINGULAR else english.plural(self.english)

    def french_form(self, number: Number) -> str:
        """Returns the French noun in a number."""
        return self.french if number is Number.SINGULAR else french_plural(self.french)


def french_plural(word: str) -> str:
    """Returns the plural of a French noun or adjective: livres, bus, gâteaux, journaux."""
    if word.endswith(("s", "x", "z")):
        return word
    if word.endswith("al"):
        return word[:-1] + "ux"
    return word + ("x" if word.endswith(("eau", "eu")) and word != "bleu" else "s")


def _singular(kind: str, *rows: tuple[str, str, Gender], mass: bool = False) -> tuple[Noun, ...]:
    return tuple(Noun(*row, kind, not mass, mass, (Number.SINGULAR,)) for row in rows)


def _owned(kind: str, *rows: tuple[str, str, Gender]) -> tuple[Noun, ...]:
    return tuple(Noun(*row, kind, owned=True) for row in rows)


def _public(kind: str, *rows: tuple[str, str, Gender]) -> tuple[Noun, ...]:
    return tuple(Noun(*row, kind) for row in rows)


_PERSONS = (
    *_public("PERSON", ("boy", "garçon", M), ("girl", "fille", F), ("man", "homme", M)),
    *_public("PERSON", ("woman", "femme", F), ("baker", "boulanger", M)),
    *_public("PERSON", ("nurse", "infirmière", F)),
    *_owned("PERSON", ("child", "enfant", M), ("teacher", "professeur", M)),
    *_owned("PERSON", ("doctor", "médecin", M)),
    *_public("PERSON", ("student", "étudiant", M)),
    *_owned("PERSON", ("neighbour", "voisin", M), ("friend", "ami", M)),
    *_singular("KIN", ("father", "père", M), ("mother", "mère", F)),
    *_singular("KIN", ("grandmother", "grand-mère", F)),
    *_owned("KIN", ("brother", "frère", M), ("sister", "sœur", F), ("uncle", "oncle", M)),
)
_ANIMALS = (
    *_owned("ANIMAL", ("dog", "chien", M), ("cat", "chat", M), ("horse", "cheval", M)),
    *_owned("ANIMAL", ("mouse", "souris", F), ("hamster", "hamster", M)),
    *_public("ANIMAL", ("bird", "oiseau", M)),
)
_NOURISHMENT = (
    *_owned("FRUIT", ("apple", "pomme", F), ("orange", "orange", F)),
    *_owned("FOOD", ("cake", "gâteau", M), ("egg", "œuf", M)),
    Noun("bean", "haricot", M, "FOOD", numbers=(Number.PLURAL,)),
    *_singular(
        "FOOD", ("bread", "pain", M), ("cheese", "fromage", M), ("meat", "viande", F), mass=True
    ),
    *_singular("FOOD", ("fish", "poisson", M), mass=True),
    Noun("soup", "soupe", F, "FOOD", True, True, (Number.SINGULAR,)),
    *_singular("DRINK", ("water", "eau", F), ("milk", "lait", M), mass=True),
    Noun("coffee", "café", M, "DRINK", True, True, (Number.SINGULAR,)),
    Noun("tea", "thé", M, "DRINK", True, True, (Number.SINGULAR,)),
)
_THINGS = (
    *_owned("TEXT", ("book", "livre", M), ("newspaper", "journal", M), ("letter", "lettre", F)),
    *_owned("TEXT", ("story", "histoire", F), ("poem", "poème", M)),
    *_owned("CLOTHING", ("coat", "manteau", M), ("dress", "robe", F), ("shirt", "chemise", F)),
    *_owned("CLOTHING", ("hat", "chapeau", M)),
    Noun("shoe", "chaussure", F, "CLOTHING", owned=True, numbers=(Number.PLURAL,)),
    *_owned("VEHICLE", ("car", "voiture", F), ("bike", "vélo", M), ("boat", "bateau", M)),
    *_public("TRANSPORT", ("train", "train", M), ("bus", "bus", M), ("plane", "avion", M)),
    *_owned("FURNITURE", ("chair", "chaise", F), ("table", "table", F), ("bed", "lit", M)),
    *_owned("PART", ("window", "fenêtre", F), ("door", "porte", F)),
    *_owned("THING", ("key", "clé", F), ("flower", "fleur", F), ("bag", "sac", M)),
    *_owned("THING", ("umbrella", "parapluie", M), ("phone", "téléphone", M)),
    *_owned("THING", ("computer", "ordinateur", M), ("gift", "cadeau", M)),
    *_owned("THING", ("plate", "assiette", F), ("glass", "verre", M), ("photo", "photo", F)),
    *_owned("THING", ("bottle", "bouteille", F)),
    *_public("NATURE", ("tree", "arbre", M)),
    *_owned("ART", ("song", "chanson", F)),
    *_public("ART", ("film", "film", M)),
)
_ABSTRACT = (
    *_owned("ABSTRACT", ("question", "question", F), ("answer", "réponse", F)),
    *_owned("ABSTRACT", ("idea", "idée", F), ("lesson", "leçon", F)),
    *_owned("ABSTRACT", ("exercise", "exercice", M)),
    Noun("homework", "devoir", M, "HOMEWORK", owned=True, numbers=(Number.PLURAL,)),
    Noun("work", "travail", M, "ABSTRACT", True, True, (Number.SINGULAR,)),
    Noun("money", "argent", M, "MONEY", True, True, (Number.SINGULAR,)),
    Noun("music", "musique", F, "MUSIC", True, True, (Number.SINGULAR,)),
)
_PLACES = (
    *_public("BUILDING", ("station", "gare", F), ("museum", "musée", M)),
    *_public("BUILDING", ("restaurant", "restaurant", M), ("hospital", "hôpital", M)),
    *_public("BUILDING", ("library", "bibliothèque", F), ("cinema", "cinéma", M)),
    *_owned("BUILDING", ("school", "école", F)),
    *_owned("HOME", ("house", "maison", F)),
    *_owned("ROOM", ("kitchen", "cuisine", F), ("bedroom", "chambre", F)),
    *_owned("ROOM", ("office", "bureau", M)),
    *_owned("OUTDOORS", ("garden", "jardin", M), ("village", "village", M)),
    *_public("OUTDOORS", ("market", "marché", M), ("beach", "plage", F), ("park", "parc", M)),
    *_public("OUTDOORS", ("street", "rue", F)),
)

NOUNS = {
    noun.english: noun
    for noun in (*_PERSONS, *_ANIMALS, *_NOURISHMENT, *_THINGS, *_ABSTRACT, *_PLACES)
}


@cache
def select(selection: str) -> tuple[Noun, ...]:
    """Finds the nouns that a verb or an adjective goes with.

    Args:
        selection: Names of nouns and, in capitals, of kinds, with spaces between them.
    Returns:
        The nouns in the order of the selection, each one once.
    Raises:
        KeyError: If a name is neither a noun nor a kind.
    """
    chosen: dict[str, Noun] = {}
    for name in selection.split():
        members = [noun for noun in NOUNS.values() if noun.kind == name] or [NOUNS[name]]
        chosen.update((noun.english, noun) for noun in members)
    return tuple(chosen.values())
