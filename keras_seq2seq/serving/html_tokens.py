"""Reads HTML as texts, tags that may move with the words, and everything else, which stays."""

import bisect
import collections
import dataclasses
import html.parser
from collections.abc import Sequence

# Elements within a sentence. Custom elements (with a hyphen) are such by default too.
INLINE = {
    *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "data", "del", "dfn", "em", "font"),
    *("i", "ins", "label", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup"),
    *("time", "tt", "u"),
}
# Their content is no text to translate; they stand in a sentence like a word.
OPAQUE_INLINE = {
    *("audio", "canvas", "code", "iframe", "kbd", "math", "object", "picture", "ruby", "samp"),
    *("script", "svg", "var", "video"),
}
OPAQUE = OPAQUE_INLINE | {"noscript", "pre", "style", "template", "textarea", "xmp"}
VOID_INLINE = {"embed", "img", "input", "wbr"}
VOID = {*VOID_INLINE, "area", "base", "br", "col", "hr", "link", "meta", "source", "track"}


@dataclasses.dataclass(frozen=True)
class Text:
    """Text without entities."""

    text: str


@dataclasses.dataclass(frozen=True)
class Boundary:
    """Markup that ends a sentence and stays where it is."""

    markup: str


@dataclasses.dataclass(frozen=True)
class Marker:
    """Markup within a sentence that holds no text to translate, such as an image."""

    markup: str


@dataclasses.dataclass(frozen=True, eq=False)
class Element:
    """An element within a sentence, whose tags move with its words.

    Args:
        start: Its start tag, as it was written.
        end: Its end tag.
        again: Its start tag without id, for a second part of it.
    """

    start: str
    end: str
    again: str


@dataclasses.dataclass(frozen=True)
class Open:
    """The start of an element."""

    element: Element


@dataclasses.dataclass(frozen=True)
class Close:
    """The end of an element."""

    element: Element


Token = Text | Boundary | Marker | Open | Close


def html_tokens(source: str) -> list[Token]:
    """Returns what a piece of HTML consists of, in order.

    An element is `Open` and `Close` only if both of its tags are there, without a boundary between
    them; any other tag is a boundary.
    """
    parser = _Parser(source)
    parser.feed(source)
    parser.close()
    parser.finish()
    return _paired(parser.found)


@dataclasses.dataclass(frozen=True)
class _Tag:
    """A tag of an inline element that has not met its other one yet."""

    name: str
    markup: str
    is_start: bool
    again: str = ""


class _Parser(html.parser.HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.found: list[Token | _Tag] = []
        self._lines = [0]
        for line in source.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        # The element whose content is left as it is: its name, where it begins, how deep we are.
        self._opaque: tuple[str, int] | None = None
        self._depth = 0

    def handle_data(self, data: str) -> None:
        if self._opaque is None:
            self.found.append(Text(data))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        markup = self.get_starttag_text() or ""
        if self._opaque is not None:
            self._depth += tag == self._opaque[0] and tag not in VOID
        elif tag in VOID:
            self.found.append(Marker(markup) if tag in VOID_INLINE else Boundary(markup))
        elif tag in OPAQUE or _is_left(attrs):
            self._opaque, self._depth = (tag, self._offset()), 1
        elif tag in INLINE or "-" in tag:
            self.found.append(_Tag(tag, markup, True, _without_id(tag, attrs, markup)))
        else:
            self.found.append(Boundary(markup))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # In HTML the slash means nothing, except in SVG and MathML, which are left as they are.
        if self._opaque is None:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        start = self._offset()
        end = self.source.find(">", start) + 1 or len(self.source)
        if self._opaque is not None:
            name, begun = self._opaque
            self._depth -= tag == name
            if self._depth == 0:
                self._opaque = None
                self._left(name, self.source[begun:end])
        elif tag in INLINE or "-" in tag:
            self.found.append(_Tag(tag, self.source[start:end], False))
        else:
            self.found.append(Boundary(self.source[start:end]))

    def handle_comment(self, data: str) -> None:
        self._other(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._other(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        self._other(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self._other(f"<?{data}>")

    def finish(self) -> None:
        """Takes an element that never ended as it is, to the end."""
        if self._opaque is not None:
            self._left(self._opaque[0], self.source[self._opaque[1] :])

    def _left(self, name: str, markup: str) -> None:
        inline = name in OPAQUE_INLINE or name in INLINE or "-" in name
        self.found.append(Marker(markup) if inline else Boundary(markup))

    def _other(self, markup: str) -> None:
        if self._opaque is None:
            self.found.append(Marker(markup))

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def _is_left(attrs: Sequence[tuple[str, str | None]]) -> bool:
    """Tells whether an element says that it is not to be translated."""
    given = dict(attrs)
    classes = (given.get("class") or "").split()
    return (given.get("translate") or "").lower() == "no" or "notranslate" in classes


def _without_id(tag: str, attrs: Sequence[tuple[str, str | None]], markup: str) -> str:
    if all(name != "id" for name, _ in attrs):
        return markup
    kept = [
        name if value is None else f'{name}="{html.escape(value)}"'
        for name, value in attrs
        if name != "id"
    ]
    return f"<{' '.join([tag, *kept])}>"


def _paired(found: Sequence[Token | _Tag]) -> list[Token]:
    """Makes elements of tags that belong together, and boundaries of the others."""
    waiting: list[int] = []
    of_name: dict[str, list[int]] = collections.defaultdict(list)
    partner: dict[int, int] = {}
    for place, token in enumerate(found):
        if not isinstance(token, _Tag):
            continue
        if token.is_start:
            waiting.append(place)
            of_name[token.name].append(place)
        elif of_name[token.name]:
            start = of_name[token.name][-1]
            partner[start], partner[place] = place, start
            # What was opened within and never closed stays without a partner.
            while of_name[token.name][-1:] == [start]:
                inner = found[waiting.pop()]
                assert isinstance(inner, _Tag)
                of_name[inner.name].pop()
    boundaries = [
        place
        for place, token in enumerate(found)
        if isinstance(token, Boundary) or (isinstance(token, _Tag) and place not in partner)
    ]
    tokens: list[Token] = []
    elements: dict[int, Element] = {}
    for place, token in enumerate(found):
        if not isinstance(token, _Tag):
            tokens.append(token)
            continue
        start, end = sorted((place, partner.get(place, place)))
        if start == end or bisect.bisect(boundaries, start) != bisect.bisect(boundaries, end):
            tokens.append(Boundary(token.markup))
        elif token.is_start:
            closing = found[end]
            assert isinstance(closing, _Tag)
            elements[end] = Element(token.markup, closing.markup, token.again)
            tokens.append(Open(elements[end]))
        else:
            tokens.append(Close(elements[place]))
    return tokens
