"""Pieces of a tokenizer, joined to what a reader sees as words."""

import re
from collections.abc import Sequence

WORD_START = "\u2581"
END_OF_SENTENCE = "</s>"
# What a picture calls the end of a sentence, which is no word of it.
END_NAME = "(end)"

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
# Thai and Lao, Tibetan, Burmese, Khmer, kana, Han: written without spaces between words.
_NO_SPACES = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


def words(tokens: Sequence[str]) -> list[list[int]]:
    """Returns, for each word, the indices of its tokens.

    Example:
        >>> words(["▁They", "▁are", "▁watch", "ing", "."])
        [[0], [1], [2, 3, 4]]
    """
    found: list[list[int]] = []
    for place, token in enumerate(tokens):
        if token.startswith(WORD_START) or not found:
            found.append([])
        found[-1].append(place)
    return found


def readable_words(tokens: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Returns what a reader sees as words, each with the indices of its tokens.

    Other than `words`, it leaves the end of sentence alone, and separates the tokens of scripts
    that are written without spaces. Tokens of which none begins a word are words already.

    Example:
        >>> readable_words(["▁watch", "ing", ".", "</s>"])
        [('watching.', [0, 1, 2]), ('(end)', [3])]
        >>> readable_words(["▁", "我", "喜欢", "<0xE7>", "<0x8C>", "<0xAB>"])
        [('我', [0, 1]), ('喜欢', [2]), ('猫', [3, 4, 5])]
    """
    pieces = any(token.startswith(WORD_START) for token in tokens)
    groups: list[list[int]] = []
    for place, token in enumerate(tokens):
        before = tokens[groups[-1][0] : place] if groups else ()
        if not groups or _begins_word(token, before, pieces):
            groups.append([])
        groups[-1].append(place)
    return [(_text([tokens[place] for place in group]), group) for group in groups]


def _begins_word(token: str, before: Sequence[str], pieces: bool) -> bool:
    """Whether a token begins a word, after the tokens of the word before it."""
    if token == END_OF_SENTENCE or before[-1] == END_OF_SENTENCE:
        return True
    if not pieces or token.startswith(WORD_START):
        return True
    if set(before) == {WORD_START}:
        return False
    byte = _BYTE.fullmatch(token)
    if byte:
        return _NO_SPACES.search(_text(before)) is not None and int(byte[1], 16) >> 6 != 0b10
    return _NO_SPACES.search(token + _text(before)) is not None


def _text(tokens: Sequence[str]) -> str:
    """Returns the text of the tokens of a word."""
    if list(tokens) == [END_OF_SENTENCE]:
        return END_NAME
    content = b""
    for token in tokens:
        byte = _BYTE.fullmatch(token)
        content += bytes([int(byte[1], 16)]) if byte else token.encode()
    return content.decode("utf-8", "replace").replace(WORD_START, " ").strip()
