"""The sentences of a text and the layout around them, so that each is translated by itself."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# sentencex 1.0 stops with a panic at some whitespace that is not ASCII, and refuses surrogates.
_WHITESPACE = re.compile(r"\s")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LAST_WORD = re.compile(r"(?<!\w)(\w+)\.\s*$")
_INSIDE_A_WORD = re.compile("[!-~]{2}")
_LANGUAGE = re.compile("[A-Za-z]{2,3}")
# sentencex knows these for English but not for French ("M." is a single letter), among others.
_TITLES = {"Dr", "Mgr", "Mlle", "Mme", "Mr", "Mrs", "Ms", "Pr", "Prof", "St", "Ste"}


@dataclass(frozen=True)
class Piece:
    """A sentence, or the layout before, between or after sentences.

    Args:
        text: str, not empty. Of a sentence: it has a letter, no line break, and no whitespace at
            either end.
        is_sentence: Whether to translate the text; layout is kept as it is.
    """

    text: str
    is_sentence: bool


def split_sentences(text: str, language: str) -> list[Piece]:
    r"""Splits a text into sentences and layout.

    A line break (any that str.splitlines knows: \n, \r\n, U+2028...) always ends a sentence, as in
    files of one paragraph a line; join lines that were wrapped first. Within a line sentencex
    finds the ends, but none after a title ("Dr.") or a single capital letter ("M.", "J. R. R."),
    nor between two visible ASCII characters ("keras.Model"): in doubt, a sentence goes on. What
    has no letter ("1.", "-----") is layout.

    Args:
        text: Any text.
        language: ISO 639 code of two or three letters, such as "en". For a language that sentencex
            has no rules for, it takes those of a related one, or else those of English.
    Returns:
        The pieces; their texts joined are `text`. No two pieces of layout are neighbours.
    Raises:
        ValueError: If `language` is no such code.
        ImportError: If sentencex is not installed.
    Example:
        >>> [piece.text for piece in split_sentences("Hi, Dr. Who!  Come in.\n\n- Why?\n", "en")]
        ['Hi, Dr. Who!', '  ', 'Come in.', '\n\n', '- Why?', '\n']
    """
    pieces = []
    position = 0
    for start, end in _sentence_spans(text, _segmenter(language)):
        if position < start:
            pieces.append(Piece(text[position:start], is_sentence=False))
        pieces.append(Piece(text[start:end], is_sentence=True))
        position = end
    if position < len(text):
        pieces.append(Piece(text[position:], is_sentence=False))
    return pieces


def map_sentences(
    texts: Sequence[str], language: str, translate: Callable[[list[str]], list[str]]
) -> list[str]:
    """Translates texts sentence by sentence and keeps their layout.

    Args:
        texts: Any texts, split by `split_sentences`.
        language: The language of `texts`, as in `split_sentences`.
        translate: Returns the translation of each sentence, in order. It is called once, with the
            sentences of all texts, or not at all if there are none.
    Returns:
        The translations, as many as `texts` and in the same order.
    Raises:
        ValueError: If `language` is no code, or `translate` returns too few or too many texts.
        ImportError: If sentencex is not installed.
    """
    split = [split_sentences(text, language) for text in texts]
    sentences = [piece.text for pieces in split for piece in pieces if piece.is_sentence]
    translations = translate(sentences) if sentences else []
    if len(translations) != len(sentences):
        raise ValueError(
            "`translate` must return one text for each sentence. "
            f"Received: {len(translations)} texts for {len(sentences)} sentences."
        )
    rest = iter(translations)
    return [
        "".join(next(rest) if piece.is_sentence else piece.text for piece in pieces)
        for pieces in split
    ]


def _segmenter(language: str) -> Callable[[str], list[str]]:
    """Returns the function that cuts a line where sentencex sees the ends of sentences."""
    if not _LANGUAGE.fullmatch(language):
        raise ValueError(
            "`language` must be an ISO 639 code of two or three letters. "
            f'Received: {language!r}; pass for example "en".'
        )
    try:
        import sentencex
    except ImportError:
        raise ImportError(
            'Splitting into sentences needs sentencex: pip install "keras_seq2seq[sentences]".'
        ) from None
    code = language.lower()
    return lambda line: sentencex.segment(
        code, _SURROGATE.sub("\ufffd", _WHITESPACE.sub(" ", line))
    )


def _sentence_spans(text: str, segment: Callable[[str], list[str]]) -> Iterator[tuple[int, int]]:
    """Yields the first index of each sentence and the index after its last."""
    offset = 0
    for line in text.splitlines(keepends=True):
        for start, end in _segment_spans(line, segment(line)):
            sentence = line[start:end].strip()
            if any(map(str.isalpha, sentence)):
                first = offset + line.index(sentence, start)
                yield first, first + len(sentence)
        offset += len(line)


def _segment_spans(line: str, segments: list[str]) -> Iterator[tuple[int, int]]:
    """Yields the spans of the segments, those that a sentence goes on in joined."""
    start = end = 0
    for segment in segments:
        end += len(segment)
        if not _goes_on(segment) and not _INSIDE_A_WORD.fullmatch(line[end - 1 : end + 1]):
            yield start, end
            start = end
    if start < len(line):
        yield start, len(line)


def _goes_on(segment: str) -> bool:
    """Tells whether the full stop at the end belongs to an initial or a title."""
    match = _LAST_WORD.search(segment)
    return match is not None and (
        match[1] in _TITLES or (len(match[1]) == 1 and match[1].isupper())
    )
