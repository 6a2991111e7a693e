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

LEARNED_FROM = 100_000
COMPARED_WITH = 1_000_000

Pair = tuple[str, str]
Notices = dict[str, tuple[int, tuple[str, ...]]]


class NoticeCounter:
    """Counts what is odd about pairs, in memory that does not grow with their number.

    Which words tell a side is learned from the first 100,000 pairs; a pair is looked for among the
    first million different ones.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._seen: set[int] = set()
        self._waiting: list[tuple[Pair, str, int]] = []
        self._teller: _SideTeller | None = None

    def add(self, pair: Pair, place: str, number: int) -> None:
        """Looks at one more pair, which was read at `place` + `number`, such as "file:" and 3."""
        if self._teller is not None:
            self._look_at(pair, place, number, self._teller)
            return
        self._waiting.append((pair, place, number))
        if len(self._waiting) == LEARNED_FROM:
            self._learn()

    def found(self) -> Notices:
        """Returns, for each kind that occurs, the number of pairs and where the first three are."""
        if self._teller is None:
            self._learn()
        return {kind: (count, tuple(self._examples[kind])) for kind, count in self._counts.items()}

    def _learn(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._teller = _SideTeller([pair for pair, _, _ in waiting])
        for pair, place, number in waiting:
            self._look_at(pair, place, number, self._teller)

    def _look_at(self, pair: Pair, place: str, number: int, teller: "_SideTeller") -> None:
        for kind in self._kinds(pair):
            self._count(kind, place, number)
        if teller.looks_swapped(pair):
            self._count(SWAPPED, place, number)

    def _count(self, kind: str, place: str, number: int) -> None:
        self._counts[kind] += 1
        shown = self._examples.setdefault(kind, [])
        if len(shown) < NOTICE_EXAMPLES:
            shown.append(f"{place}{number}")

    def _kinds(self, pair: Pair) -> Iterator[str]:
        source, target = pair
        if hash(pair) in self._seen:  # 64 bits: no two of a million pairs will share them
            yield REPEATED
        elif len(self._seen) < COMPARED_WITH:
            self._seen.add(hash(pair))
        if source.strip() == target.strip():
            yield COPIED
        if len(source) > LONGEST or len(target) > LONGEST:
            yield LONG
        if has_breaks(source) or has_breaks(target):
            yield BROKEN
        if _is_quoted(source) and _is_quoted(target):
            yield QUOTED
        if is_misread(source) or is_misread(target):
            yield MISREAD


def is_invisible(text: str) -> bool:
    """Returns True for a text of spaces, controls and zero-width characters alone."""
    return all(c.isspace() or unicodedata.category(c) in ("Cc", "Cf") for c in text)


def has_breaks(text: str) -> bool:
    """Returns True for a text with a tab or the end of a line inside."""
    return _BREAK.search(text) is not None


def is_misread(text: str) -> bool:
    """Returns True for a text that looks decoded twice."""
    return not text.isascii() and _MISREAD.search(text) is not None


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
            if not words.isdisjoint(self._telling[i]):
                return False
            if len(words & self._telling[1 - i]) < MIN_TELLING:
                return False
        return True


def _words(text: str) -> set[str]:
    return set(text.lower().split())
