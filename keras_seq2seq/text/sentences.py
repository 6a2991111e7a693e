"""Splits a text into sentences and layout, so that each sentence is translated on its own."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from keras_seq2seq.installed import missing_package

# sentencex 1.0 panics on some whitespace that is not ASCII, and rejects surrogates.
_WHITESPACE = re.compile(r"\s")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LAST_WORD = re.compile(r"(?<!\w)(\w+)\.\s*$")
_INSIDE_A_WORD = re.compile("[!-~]{2}")
_LANGUAGE = re.compile("[A-Za-z]{2,3}")
# sentencex knows these titles for English but not for French, among other languages. "M." is not
# listed: the rule for a single capital letter covers it.
_TITLES = {"Dr", "Mgr", "Mlle", "Mme", "Mr", "Mrs", "Ms", "Pr", "Prof", "St", "Ste"}


@dataclass(frozen=True)
class Piece:
    """A sentence, or the layout before, between or after sentences.

    Args:
        text: str, not empty. A sentence has at least one letter, no line break, and no whitespace
            at either end.
        is_sentence: bool. True for a sentence; False for layout, which is not translated.
    """

    text: str
    is_sentence: bool


def split_sentences(text: str, language: str) -> list[Piece]:
    r"""Splits a text into sentences and layout.

    Every line break that str.splitlines knows (\n, \r\n, U+2028...) ends a sentence, as in files
    with one paragraph per line; join wrapped lines first. Within a line, sentencex finds the ends.
    A sentence does not end after a title ("Dr.") or a single capital letter ("M.", "J. R. R."), nor
    between two visible ASCII characters ("keras.Model"): in doubt, it goes on. A piece without a
    letter ("1.", "-----") is layout.

    Args:
        text: Any text.
        language: ISO 639 code of two or three letters, such as "en". If sentencex has no rules for
            the language, it uses those of a related language, or else those of English.
    Returns:
        The pieces; joined, their texts give `text`. Two pieces of layout never follow each other.
    Raises:
        ValueError: If `language` is not such a code.
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
        translate: Function that returns the translation of each sentence, in order. It is called
            once, with the sentences of all texts, or not at all if there are none.
    Returns:
        The translations, as many as `texts` and in the same order.
    Raises:
        ValueError: If `language` is not a language code, or `translate` returns too few or too
            many texts.
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
    """Returns a function that cuts a line where sentencex finds the end of a sentence."""
    if not _LANGUAGE.fullmatch(language):
        raise ValueError(
            "`language` must be an ISO 639 code of two or three letters. "
            f'Received: {language!r}; pass for example "en".'
        )
    try:
        import sentencex
    except ImportError:
        raise missing_package("Splitting into sentences needs sentencex", "sentences") from None
    code = language.lower()
    return lambda line: sentencex.segment(
        code, _SURROGATE.sub("\ufffd", _WHITESPACE.sub(" ", line))
    )


def _sentence_spans(text: str, segment: Callable[[str], list[str]]) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of each sentence in the text; `end` is exclusive."""
    offset = 0
    for line in text.splitlines(keepends=True):
        for start, end in _segment_spans(line, segment(line)):
            sentence = line[start:end].strip()
            if any(map(str.isalpha, sentence)):
                first = offset + line.index(sentence, start)
                yield first, first + len(sentence)
        offset += len(line)


def _segment_spans(line: str, segments: list[str]) -> Iterator[tuple[int, int]]:
    """Yields the spans of the segments; joins segments that belong to one sentence."""
    start = end = 0
    for segment in segments:
        end += len(segment)
        if not _goes_on(segment) and not _INSIDE_A_WORD.fullmatch(line[end - 1 : end + 1]):
            yield start, end
            start = end
    if start < len(line):
        yield start, len(line)


def _goes_on(segment: str) -> bool:
    """Returns True if the full stop at the end belongs to an initial or a title."""
    match = _LAST_WORD.search(segment)
    return match is not None and (
        match[1] in _TITLES or (len(match[1]) == 1 and match[1].isupper())
    )
