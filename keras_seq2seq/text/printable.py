"""Makes texts from outside safe to print: they could steer a terminal or hide what they say."""

import unicodedata

# Emoji, Persian and Indic scripts need them; they join or part the characters beside them.
_JOINERS = "\u200c\u200d"


def printable(text: str, *, keep: str = "") -> str:
    r"""Escapes everything that a terminal does not show as a character.

    Control characters, escape sequences, marks that change the direction, lone surrogates and
    separators of lines are escaped as in a Python literal. Letters of every script, signs, emoji
    and all spaces stay.

    Args:
        text: A sentence, a file name, or a message that holds one.
        keep: Characters that stay as they are; "\n" for a message of several lines.
    Example:
        >>> print(printable("\x1b[2J red\u202e.txt"))
        \x1b[2J red\u202e.txt
    """
    return "".join(
        c
        if c.isprintable() or c in keep or c in _JOINERS or unicodedata.category(c) == "Zs"
        # A lone surrogate, as in the name of a file that is not UTF-8, has no other spelling.
        else c.encode("unicode_escape").decode()
        for c in text
    )
