"""How French words meet: elision (l'école) and contraction (au, du, aux, des)."""

from collections.abc import Sequence
from functools import cache

_VOWELS = frozenset("aàâeéèêëiîïoôœuùûh")
_ELIDING = frozenset({"je", "ne", "de", "le", "la", "que"})
_CONTRACTIONS = {
    ("à", "le"): "au",
    ("à", "les"): "aux",
    ("de", "le"): "du",
    ("de", "les"): "des",
}
# Without a final s or x, so that the plural is found too.
_ASPIRATED = frozenset({"hamster", "haricot", "haut", "haute", "héro", "hibou"})
_CONSONANTAL = frozenset({"huit", "onze", "oui"})


@cache
def starts_with_vowel_sound(word: str) -> bool:
    """Tells whether elision and liaison take place before a French word.

    Args:
        word: One French word. A mute h counts as a vowel, an aspirated h does not.
    Returns:
        True for "école" and "homme", False for "haricot", "huit" and "onze".
    """
    lowered = word.lower()
    if lowered == "y":
        return True
    if lowered[0] not in _VOWELS:
        return False
    return lowered not in _CONSONANTAL and lowered.rstrip("sx") not in _ASPIRATED


def join_words(words: Sequence[str]) -> str:
    """Joins French words with their elisions and contractions.

    The articles le and les always follow à and de as articles here, because the grammar has no
    object pronouns; so every such pair contracts.

    Args:
        words: French words in their full form, at least one.
    Returns:
        The words with one space between them and none after an apostrophe.
    Example:
        >>> join_words(["je", "ai", "peur", "de", "le", "chien", "de", "le", "homme"])
        "j'ai peur du chien de l'homme"
    """
    pieces: list[str] = []
    last = len(words) - 1
    position = 0
    while position <= last:
        word = words[position]
        following = words[position + 1] if position < last else ""
        after = words[position + 2] if position + 1 < last else ""
        contracted = _CONTRACTIONS.get((word, following))
        if contracted and not (following == "le" and after and starts_with_vowel_sound(after)):
            pieces.append(contracted + " ")
            position += 2
            continue
        pieces.append(word[:-1] + "'" if _elides(word, following) else word + " ")
        position += 1
    return "".join(pieces).rstrip()


def _elides(word: str, following: str) -> bool:
    """Tells whether `word` loses its last vowel before `following`."""
    if word == "ce":
        return following == "est"
    return word in _ELIDING and following != "" and starts_with_vowel_sound(following)
