"""A text of several lines or sentences, which are translated one by one."""

import dataclasses
from collections.abc import Callable, Sequence

from keras_seq2seq.text.sentences import Piece, split_sentences
from keras_seq2seq.translation import Translation

Split = Callable[[str], list[Piece]]


def splitter(language: str | None) -> Split:
    """Returns a function that splits a text into what is translated on its own.

    Args:
        language: Code of the language whose sentences are told apart; None splits lines alone.
    """
    if language is None:
        return split_lines
    code = language.partition("-")[0]
    return lambda text: split_sentences(text, code)


def split_lines(text: str) -> list[Piece]:
    r"""Splits a text into lines and layout.

    Example:
        >>> [piece.text for piece in split_lines(" Come in.\n\nWhy?")]
        [' ', 'Come in.', '\n\n', 'Why?']
    """
    pieces: list[Piece] = []
    layout = ""
    for line in text.splitlines(keepends=True):
        content = line.strip()
        if not any(map(str.isalnum, content)):
            layout += line
            continue
        start = line.index(content)
        if layout or start:
            pieces.append(Piece(layout + line[:start], is_sentence=False))
        pieces.append(Piece(content, is_sentence=True))
        layout = line[start + len(content) :]
    if layout:
        pieces.append(Piece(layout, is_sentence=False))
    return pieces


@dataclasses.dataclass(frozen=True)
class PlainText:
    """A text without markup.

    Args:
        pieces: Its sentences, and the layout between them, which stays.
    """

    pieces: Sequence[Piece]

    @classmethod
    def of(cls, text: str, split: Split) -> "PlainText":
        """Reads a text."""
        return cls(split(text))

    @property
    def texts(self) -> list[str]:
        """What is to be translated."""
        return [piece.text for piece in self.pieces if piece.is_sentence]

    def joined(self, translations: Sequence[Translation]) -> str:
        """Returns the text with a translation in place of each of `texts`."""
        rest = iter(translations)
        return "".join(
            next(rest).text if piece.is_sentence else piece.text for piece in self.pieces
        )
