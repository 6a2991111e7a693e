import pytest

from keras_seq2seq.phrasebook.elision import join_words, starts_with_vowel_sound


@pytest.mark.parametrize(
    "word", ["ami", "école", "œuf", "île", "eau", "homme", "hôpital", "histoire", "Anne", "y"]
)
def test_vowel_sound(word: str) -> None:
    assert starts_with_vowel_sound(word)


@pytest.mark.parametrize(
    "word",
    [
        *("chat", "hamster", "hamsters", "haricot", "haricots", "héros", "hibou", "hiboux"),
        *("huit", "onze", "oui", "yaourt"),
    ],
)
def test_consonant_sound(word: str) -> None:
    assert not starts_with_vowel_sound(word)


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ("je ai faim", "j'ai faim"),
        ("je écris", "j'écris"),
        ("je parle", "je parle"),
        ("il ne est pas ici", "il n'est pas ici"),
        ("il ne a pas de argent", "il n'a pas d'argent"),
        ("il ne y a pas de eau", "il n'y a pas d'eau"),
        ("je ne ai pas", "je n'ai pas"),
        ("le homme", "l'homme"),
        ("la école", "l'école"),
        ("la histoire", "l'histoire"),
        ("les hommes", "les hommes"),
        ("le hamster", "le hamster"),
        ("le haricot", "le haricot"),
        ("pas de hamster", "pas de hamster"),
        ("pas de haricots", "pas de haricots"),
        ("que elle mange", "qu'elle mange"),
        ("que Anne mange", "qu'Anne mange"),
        ("que un ami", "qu'un ami"),
        ("que il y a", "qu'il y a"),
        ("que Marie mange", "que Marie mange"),
        ("le livre de Anne", "le livre d'Anne"),
        ("le livre de un ami", "le livre d'un ami"),
        ("ce est un chat", "c'est un chat"),
        ("ce ne est pas un chat", "ce n'est pas un chat"),
        ("ce sont des chats", "ce sont des chats"),
        ("tu as", "tu as"),
        ("la onze", "la onze"),
        ("la", "la"),
    ],
)
def test_elision(words: str, joined: str) -> None:
    assert join_words(words.split()) == joined


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ("à le marché", "au marché"),
        ("à le hamster", "au hamster"),
        ("à le hôpital", "à l'hôpital"),
        ("à la gare", "à la gare"),
        ("à la école", "à l'école"),
        ("à les enfants", "aux enfants"),
        ("de le jardin", "du jardin"),
        ("de le ami", "de l'ami"),
        ("de la eau", "de l'eau"),
        ("de la viande", "de la viande"),
        ("de les voisins", "des voisins"),
        ("de le bel arbre", "du bel arbre"),
        ("de le ancien ami", "de l'ancien ami"),
        ("près de le marché", "près du marché"),
        ("je mange le pain à le marché", "je mange le pain au marché"),
    ],
)
def test_contraction(words: str, joined: str) -> None:
    assert join_words(words.split()) == joined
