"""What looks wrong in pairs that are texts nevertheless: told, never dropped."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

REPEATED = "repeated pairs"
COPIED = "source equals target"
LONG = "sides above 5,000 characters"
BROKEN = "pairs with a tab or the end of a line inside"
QUOTED = "sides in quotation marks, as CSV writes them"
MISREAD = "sides that look decoded twice (mojibake)"
SWAPPED = "pairs that look swapped"

LONGEST = 5000
NOTICE_EXAMPLES = 3
# UTF-8 read as Latin-1 or Windows-1252: "é" becomes "Ã©", "’" becomes "â€™".
_MISREAD = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac")
_BREAK = re.compile(r"[\t\r\n]")
# Words that say which side a text belongs to: frequent on one side, rare on the other.
TELLING_WORDS = 200
TELLING_RATIO = 10
MIN_TELLING = 2

Notices = dict[str, tuple[int, tuple[str, ...]]]


def notices(pairs: Sequence[tuple[str, str]], wheres: Sequence[str]) -> Notices:
    """Returns what is odd about pairs.

    Args:
        pairs: Pairs (source_text, target_text).
        wheres: Where each was read, such as "file:line".
    Returns:
        For each kind that occurs: the number of pairs, and where the first three are.
    """
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    for where, kind in _found(pairs, wheres):
        counts[kind] += 1
        shown = examples.setdefault(kind, [])
        if len(shown) < NOTICE_EXAMPLES:
            shown.append(where)
    return {kind: (count, tuple(examples[kind])) for kind, count in counts.items()}


def is_invisible(text: str) -> bool:
    """Returns True for a text of spaces, controls and zero-width characters alone."""
    return all(c.isspace() or unicodedata.category(c) in ("Cc", "Cf") for c in text)


def _found(pairs: Sequence[tuple[str, str]], wheres: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    looks_swapped = _SideTeller(pairs).looks_swapped
    for pair, where in zip(pairs, wheres, strict=True):
        source, target = pair
        if pair in seen:
            yield where, REPEATED
        seen.add(pair)
        if source.strip() == target.strip():
            yield where, COPIED
        if max(map(len, pair)) > LONGEST:
            yield where, LONG
        if any(_BREAK.search(text) for text in pair):
            yield where, BROKEN
        if all(_is_quoted(text) for text in pair):
            yield where, QUOTED
        if any(_MISREAD.search(text) for text in pair):
            yield where, MISREAD
        if looks_swapped(pair):
            yield where, SWAPPED


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


class _SideTeller:
    """Tells by frequent words which side a text belongs to."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        counts = [Counter(word for pair in pairs for word in _words(pair[i])) for i in (0, 1)]
        self._telling = [
            {
                word
                for word, count in own.most_common(TELLING_WORDS)
                if count > TELLING_RATIO * other[word]
            }
            for own, other in (counts, counts[::-1])
        ]

    def looks_swapped(self, pair: tuple[str, str]) -> bool:
        """Returns True if each text has several words of the other side and none of its own."""
        for i, text in enumerate(pair):
            words = _words(text)
            own, other = (len(words & self._telling[side]) for side in (i, 1 - i))
            if own or other < MIN_TELLING:
                return False
        return True


def _words(text: str) -> set[str]:
    return set(text.lower().split())
