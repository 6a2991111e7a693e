"""Named rules that say what is wrong with a pair of texts, without a language model."""

import collections
import dataclasses
import functools
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from keras_seq2seq.training.corpus_notices import has_breaks, is_misread

Pair = tuple[str, str]
OTHER = "other"
# Scripts that one language mixes.
_TOGETHER = {"hiragana": "cjk", "katakana": "cjk", "ideographic": "cjk", "bopomofo": "cjk"}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Shorter sides differ by chance: "Yes." and "Mais oui, bien sûr."
SHORT = 20

# Each rule and what it finds, in the order in which they are asked; the first that finds a fault
# counts. `duplicates` is last: it needs all pairs.
RULES = {
    "breaks": "a tab or the end of a line inside a side",
    "length": "a side with more than max_characters characters or max_words words",
    "identical": "sides that are equal but for case and spaces",
    "ratio": "a side with more than max_ratio times the characters of the other",
    "letters": "a side in which less than min_letters of the visible characters are letters",
    "script": "a side in which less than min_script of the letters are of its script",
    "mojibake": "a side that was decoded twice, such as Ã© for é",
    "duplicates": "a pair that came before, but for spaces",
}


@dataclasses.dataclass(frozen=True)
class CleaningRules:
    """Which rules are asked, and their limits.

    Args:
        names: Some of `RULES`; the others are not asked.
        max_ratio: float >= 1. Of the characters of both sides, where one has 20 or more.
        max_characters, max_words: int > 0. Of a side.
        min_letters: float, 0 to 1. Share of letters, marks of letters included, in the characters
            of a side that are no spaces.
        min_script: float, 0 to 1. Share of the letters of a side that are of its script.
        source_script, target_script: Script of each side: the first word of the Unicode names of
            its letters, such as "latin", "cyrillic", "arabic" or "hangul"; "cjk" is Chinese and
            Japanese. None takes the commonest of the first 10,000 pairs.
    Raises:
        ValueError: If something is unknown or out of its range; lists all.
    """

    names: Sequence[str] = tuple(RULES)
    max_ratio: float = 3.0
    max_characters: int = 1000
    max_words: int = 200
    min_letters: float = 0.4
    min_script: float = 0.5
    source_script: str | None = None
    target_script: str | None = None

    def __post_init__(self) -> None:
        faults = []
        if not self.names or (unknown := [name for name in self.names if name not in RULES]):
            received = unknown if self.names else []
            faults.append(f"`rules` must be some of {', '.join(RULES)}. Received: {received}.")
        if not 1 <= self.max_ratio < math.inf:
            faults.append(f"`max_ratio` must be at least 1. Received: {self.max_ratio}.")
        for name in ("max_characters", "max_words"):
            if getattr(self, name) < 1:
                faults.append(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        for name in ("min_letters", "min_script"):
            if not 0 <= getattr(self, name) <= 1:
                faults.append(f"`{name}` must be 0 to 1. Received: {getattr(self, name)}.")
        if faults:
            raise ValueError("\n".join(faults))

    def with_scripts(self, first: Sequence[Pair]) -> "CleaningRules":
        """Returns rules whose scripts are those of some pairs where none was named."""
        scripts: dict[str, Any] = {}
        for side, name in enumerate(("source_script", "target_script")):
            counts: collections.Counter[str] = collections.Counter()
            for pair in first:
                counts.update(scripts_of(pair[side]))
            commonest = max(counts, key=lambda script: (counts[script], script), default=OTHER)
            scripts[name] = (getattr(self, name) or commonest).lower()
        return dataclasses.replace(self, **scripts)

    def first_fault(self, pair: Pair) -> str | None:
        """Returns the name of the first rule that finds a fault, but for duplicates."""
        return next((name for name, finds in self._checks if finds(self, pair)), None)

    @functools.cached_property
    def _checks(self) -> list[tuple[str, Callable[["CleaningRules", Pair], bool]]]:
        return [(name, finds) for name, finds in _CHECKS.items() if name in self.names]


def scripts_of(text: str) -> dict[str, int]:
    """Returns the number of letters of each script."""
    counts = collections.Counter(map(_script, filter(str.isalpha, _NOT_ASCII.findall(text))))
    plain = text if text.isascii() else text.encode("ascii", "ignore").decode()
    if latin := sum(map(str.isalpha, plain)):
        counts["latin"] += latin
    return dict(counts)


@functools.lru_cache(maxsize=2**16)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, OTHER).split()[0].lower()
    return _TOGETHER.get(name, name)


def _is_long(rules: CleaningRules, pair: Pair) -> bool:
    for text in pair:
        # Words have a space between them, so most texts need no counting.
        if len(text) > 2 * rules.max_words and len(text.split()) > rules.max_words:
            return True
        if len(text) > rules.max_characters:
            return True
    return False


def _is_identical(rules: CleaningRules, pair: Pair) -> bool:
    source, target = (text.casefold().split() for text in pair)
    return source == target


def _is_uneven(rules: CleaningRules, pair: Pair) -> bool:
    shorter, longer = sorted(len(text.strip()) for text in pair)
    return longer >= SHORT and longer > rules.max_ratio * shorter


def _has_few_letters(rules: CleaningRules, pair: Pair) -> bool:
    for text in pair:
        visible = "".join(text.split())
        wanted = rules.min_letters * len(visible)
        letters = sum(map(str.isalpha, visible))
        # Vowel signs of Indian scripts and accents of their own are marks, not letters.
        if letters < wanted and letters + sum(map(_is_mark, _NOT_ASCII.findall(visible))) < wanted:
            return True
    return False


@functools.lru_cache(maxsize=2**16)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_of_another_script(rules: CleaningRules, pair: Pair) -> bool:
    for text, script in zip(pair, (rules.source_script, rules.target_script), strict=True):
        if script == "latin" and text.isascii():
            continue
        counts = scripts_of(text)
        if counts.get(script or "", 0) < rules.min_script * sum(counts.values()):
            return True
    return False


_CHECKS: dict[str, Callable[[CleaningRules, Pair], bool]] = {
    "breaks": lambda rules, pair: any(map(has_breaks, pair)),
    "length": _is_long,
    "identical": _is_identical,
    "ratio": _is_uneven,
    "letters": _has_few_letters,
    "script": _is_of_another_script,
    "mojibake": lambda rules, pair: any(map(is_misread, pair)),
}
