"""Puts the tags of a sentence around the words of its translation, by attention."""

import dataclasses
import itertools
import re
from collections.abc import Sequence

import numpy as np

from keras_seq2seq.serving.html_tokens import Element
from keras_seq2seq.text.pieces import words
from keras_seq2seq.translation import Translation

Stack = tuple[Element, ...]
NONE: Stack = ()
_EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.S)


@dataclasses.dataclass(frozen=True)
class Run:
    """A part of a result.

    Args:
        text: What it says.
        stack: The elements around it, the outermost first.
        is_markup: Whether `text` is markup, to be written as it is.
    """

    text: str
    stack: Stack
    is_markup: bool = False


@dataclasses.dataclass(frozen=True)
class _Word:
    """The elements around the parts of a source word: its beginning, its letters, its end."""

    start: int
    end: int
    before: Stack | None
    core: Stack
    after: Stack | None


def moved(
    text: str,
    stacks: Sequence[Stack],
    markers: Sequence[tuple[int, Stack, str]],
    translation: Translation,
) -> list[Run]:
    """Returns a translation with the tags of its source.

    Each word of the translation gets the elements around the source word that it attends to most;
    punctuation at its edges gets those of the punctuation there. An element that no word attends to
    gets the word that attends to it most if that word's own elements have others, or else stands
    empty: every tag is there. A marker stays before or after the same word.

    Args:
        text: The source.
        stacks: The elements around each of its characters.
        markers: Markup within it: the number of characters before it, the elements around it, and
            what it is.
        translation: Its translation, with attention.
    """
    sources = [_word(found, stacks) for found in re.finditer(r"\S+", text)]
    targets = translation.text.split()
    aligned: list[int] = []
    cores: list[Stack] = []
    if targets and sources:
        attended = _attended(translation, len(sources), len(targets))
        aligned = [int(row.argmax()) for row in attended]
        cores = [sources[i].core for i in aligned]
        _find_words(cores, sources, attended)
    before, after = _placed(text, markers, sources, aligned)
    runs: list[Run] = []
    ended = NONE
    for place, target in enumerate(targets):
        following = cores[place + 1] if place + 1 < len(targets) else stacks[-1]
        previous = cores[place - 1] if place else cores[place]
        parts = _edged(target, cores[place], sources[aligned[place]], previous, following)
        if place:
            runs.append(Run(" ", shared(ended, parts[0].stack)))
        runs += [*before[place], *parts, *after[place]]
        ended = parts[-1].stack
    runs += before[len(targets)]
    held = {element for run in runs for element in run.stack}
    lost = [stack for stack in dict.fromkeys(stacks) if not held.issuperset(stack)]
    return runs + [Run("", stack, is_markup=True) for stack in lost]


def shared(one: Stack, other: Stack) -> Stack:
    """Returns the elements that are around both."""
    pairs = zip(one, other, strict=False)
    return tuple(a for a, _ in itertools.takewhile(lambda pair: pair[0] is pair[1], pairs))


def _edged(target: str, core: Stack, source: _Word, previous: Stack, following: Stack) -> list[Run]:
    """Returns a word as runs: the punctuation before it, itself, the punctuation after it.

    Args:
        target: The word.
        core: The elements around it.
        source: The word that it attends to.
        previous, following: The elements around its neighbours.
    """
    edges = _EDGES.match(target)
    assert edges is not None  # it matches everything
    # A word that was given to an element that had none is not a translation of its source word.
    kept = core is source.core
    head = source.before if kept and source.before is not None else shared(previous, core)
    tail = source.after if kept and source.after is not None else shared(core, following)
    if not edges.group(2):  # punctuation alone, as before a question mark in French
        return [Run(target, tail)]
    runs = map(Run, edges.groups(), (head, core, tail))
    return [run for run in runs if run.text]


def _placed(
    text: str,
    markers: Sequence[tuple[int, Stack, str]],
    sources: Sequence[_Word],
    aligned: Sequence[int],
) -> tuple[list[list[Run]], list[list[Run]]]:
    """Returns the markers before each target word, and before the end; and those after each."""
    before: list[list[Run]] = [[] for _ in range(len(aligned) + 1)]
    after: list[list[Run]] = [[] for _ in aligned]
    for offset, around, markup in markers:
        run = Run(markup, around, is_markup=True)
        touched = [i for i, word in enumerate(sources) if word.start < offset <= word.end]
        if touched and touched[0] in aligned:
            last = len(aligned) - 1 - aligned[::-1].index(touched[0])
            after[last].append(run)
            continue
        later = [i for i, word in enumerate(sources) if word.end > offset and i in aligned]
        place = aligned.index(later[0]) if later else len(aligned)
        if not later and markup:
            before[place].append(Run(" ", NONE))
        before[place].append(run)
        if later and markup and text[offset : offset + 1].isspace():
            before[place].append(Run(" ", NONE))
    return before, after


def _word(found: re.Match[str], stacks: Sequence[Stack]) -> _Word:
    start, end = found.span()
    edges = _EDGES.match(found.group())
    assert edges is not None
    head, core, tail = map(len, edges.groups())
    first = start + (head if core else 0)
    return _Word(
        start,
        end,
        stacks[start] if head and core else None,
        stacks[first],
        stacks[end - 1] if tail and core else None,
    )


def _attended(translation: Translation, sources: int, targets: int) -> np.ndarray:
    """Returns how much each target word attends to each source word.

    Returns:
        float32, shape (targets, sources).
    """
    assert translation.attention is not None
    finished = translation.hypothesis.finished
    target_tokens = translation.target_tokens[: -1 if finished else None]
    rows = _spread(words(target_tokens), targets)
    columns = _spread(words(translation.source_tokens[:-1]), sources)
    by_source = np.stack([translation.attention[:, one].sum(1) for one in columns], axis=1)
    return np.stack([by_source[one].sum(0) for one in rows])


def _spread(tokens: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """Returns the tokens of each of `count` words.

    A normalisation may write one word as two; then the words are taken to be of like length.
    """
    if len(tokens) == count:
        return [list(one) for one in tokens]
    flat = [token for word in tokens for token in word]
    return [list(part) for part in np.array_split(flat, count)] if flat else [[]] * count


def _find_words(cores: list[Stack], sources: Sequence[_Word], attended: np.ndarray) -> None:
    """Gives a word to each element that has none, if one can be spared.

    Args:
        cores: The elements around each target word; changed here.
        sources: The source words.
        attended: What `_attended` returns.
    """
    for around in dict.fromkeys(word.core for word in sources):
        held = {element for core in cores for element in core}
        if held.issuperset(around):
            continue
        columns = [i for i, word in enumerate(sources) if word.core == around]
        place = int(attended[:, columns].sum(1).argmax())
        others = {e for i, core in enumerate(cores) if i != place for e in core}
        if others.union(around).issuperset(cores[place]):
            cores[place] = around
