"""HTML whose texts are translated: tags stay around the words that they were around."""

import dataclasses
import html
import itertools
import re
from collections.abc import Iterator, Sequence

from keras_seq2seq.serving.html_tokens import (
    Boundary,
    Close,
    Element,
    Marker,
    Open,
    Text,
    Token,
    html_tokens,
)
from keras_seq2seq.serving.moved_tags import NONE, Run, Stack, moved, shared
from keras_seq2seq.serving.plain_text import Split
from keras_seq2seq.translation import Translation


class NoAlignment(ValueError):
    """Tags within a sentence need a model that attends."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence with its tags.

    Args:
        text: The sentence.
        stacks: The elements around each character, the outermost first.
        markers: Markup within it: how many characters are before it, the elements around it, and
            what it is.
    """

    text: str
    stacks: Sequence[Stack]
    markers: Sequence[tuple[int, Stack, str]]

    @property
    def needs_alignment(self) -> bool:
        """Whether its tags have to find their words."""
        return bool(self.markers) or any(stack != self.stacks[0] for stack in self.stacks)


@dataclasses.dataclass(frozen=True)
class HtmlText:
    """A piece of HTML.

    Args:
        parts: Its sentences, the runs between them, and the markup that ends sentences (str).
    """

    parts: Sequence[Sentence | Run | str]

    @classmethod
    def of(cls, source: str, split: Split) -> "HtmlText":
        """Reads HTML.

        Args:
            source: A document or a part of one; faulty markup is read as browsers read it, as far
                as the tags are concerned.
            split: Tells sentences apart within what blocks hold.
        """
        parts: list[Sentence | Run | str] = []
        tokens = iter(html_tokens(source))
        unit: list[Token] = []
        for token in itertools.chain(tokens, [Boundary("")]):
            if isinstance(token, Boundary):
                parts += [*_parts(unit, split), token.markup]
                unit = []
            else:
                unit.append(token)
        return cls(parts)

    @property
    def texts(self) -> list[str]:
        """What is to be translated."""
        return [part.text for part in self.parts if isinstance(part, Sentence)]

    def joined(self, translations: Sequence[Translation]) -> str:
        """Returns the HTML with a translation in place of each of `texts`.

        Raises:
            NoAlignment: If tags within a sentence have to be placed and the model does not attend.
        """
        rest = iter(translations)
        written, runs = [], []
        for part in self.parts:
            if isinstance(part, Sentence):
                runs += _translated(part, next(rest))
            elif isinstance(part, Run):
                runs.append(part)
            else:
                written += [*_markup(runs), part]
                runs = []
        return "".join(written)


def _parts(unit: Sequence[Token], split: Split) -> Iterator[Sentence | Run]:
    """Yields the sentences of a unit, and the runs before, between and after them."""
    text, stacks, markers = _characters(unit)
    offset, waiting = 0, iter(markers)
    marker = next(waiting, None)
    for piece in split(text):
        end = offset + len(piece.text)
        if piece.is_sentence:
            # What stands at the very beginning is before the sentence, at the very end after it.
            while marker is not None and marker[0] <= offset:
                yield Run(marker[2], marker[1], is_markup=True)
                marker = next(waiting, None)
            within = []
            while marker is not None and marker[0] < end:
                within.append((marker[0] - offset, *marker[1:]))
                marker = next(waiting, None)
            yield Sentence(piece.text, stacks[offset:end], within)
        else:
            for place in range(offset, end):
                while marker is not None and marker[0] <= place:
                    yield Run(marker[2], marker[1], is_markup=True)
                    marker = next(waiting, None)
                yield Run(text[place], stacks[place])
        offset = end
    while marker is not None:
        yield Run(marker[2], marker[1], is_markup=True)
        marker = next(waiting, None)


def _characters(unit: Sequence[Token]) -> tuple[str, list[Stack], list[tuple[int, Stack, str]]]:
    """Returns the text of a unit, the elements around each character, and the markers."""
    text, stacks, stack = "", [], NONE
    markers: list[tuple[int, Stack, str]] = []
    for token in unit:
        if isinstance(token, Text):
            text += token.text
            stacks += [stack] * len(token.text)
        elif isinstance(token, Open):
            stack = (*stack, token.element)
            # A run of nothing: an element that ends up without a word is still there.
            markers.append((len(text), stack, ""))
        elif isinstance(token, Close):
            stack = stack[:-1]
        elif isinstance(token, Marker):
            markers.append((len(text), stack, token.markup))
    used = {element for around in stacks for element in around}
    used |= {element for _, around, markup in markers if markup for element in around}
    # Only elements without text and markers need that run.
    return text, stacks, [one for one in markers if one[2] or one[1][-1] not in used]


def _translated(sentence: Sentence, translation: Translation) -> list[Run]:
    if not sentence.needs_alignment:
        return [Run(translation.text, sentence.stacks[0])]
    if translation.alignment is None:
        raise NoAlignment(
            "Tags within a sentence are placed by the attention of the model. Received: "
            f"{sentence.text[:60]!r} with tags, and a model without attention; send text, or put "
            "tags around whole sentences only."
        )
    return moved(sentence.text, sentence.stacks, sentence.markers, translation)


def _markup(runs: Sequence[Run]) -> Iterator[str]:
    """Yields runs as HTML: every tag is opened and closed where its first and last word are."""
    around: Stack = NONE
    seen: set[Element] = set()
    for run in (*runs, Run("", NONE)):
        common = len(shared(around, run.stack))
        yield from (element.end for element in reversed(around[common:]))
        for element in run.stack[common:]:
            yield element.again if element in seen else element.start
            seen.add(element)
        around = run.stack
        yield run.text if run.is_markup else _escaped(run.text)


def _escaped(text: str) -> str:
    return re.sub("\xa0", "&nbsp;", html.escape(text, quote=False))
