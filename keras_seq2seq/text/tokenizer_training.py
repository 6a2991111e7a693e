"""Trains a SentencePiece model in memory, with checked arguments and clear errors."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from keras_seq2seq.text.lines import Text, clean_text, iterate_texts
from keras_seq2seq.text.reservoir import reservoir
from keras_seq2seq.text.vocabulary import MAX_VOCABULARY_SIZE

LEVELS = ("subword", "character", "word")
NORMALIZATIONS = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity")

_MODEL_TYPES = {"subword": "unigram", "character": "char", "word": "word"}
_SPACE_PIECE = "▁"
_RESERVED_PIECE = re.compile(r"<pad>|<unk>|<s>|</s>|<0x[0-9A-F]{2}>")


def train_model(
    texts: Iterable[Text | Path],
    vocabulary_size: int | None,
    *,
    level: str,
    user_defined_symbols: Sequence[str],
    character_coverage: float | None,
    normalization: str,
    num_threads: int,
    max_sentences: int,
    seed: int,
    special_ids: Mapping[str, Any],
) -> bytes:
    """Trains a model; `Tokenizer.train` describes the other arguments.

    Args:
        special_ids: The ints pad_id, unk_id, bos_id and eos_id, by these names.
    Returns:
        The serialised model.
    Raises:
        TypeError: If `texts` is a single text or path, or has an item of another type.
        ValueError: If an argument is outside its range, or `texts` cannot fill a vocabulary of
            that size.
    """
    if isinstance(texts, str | bytes | Path):
        raise TypeError(
            "`texts` must be an iterable of texts or paths. "
            f"Received: one {type(texts).__name__}. Pass a list."
        )
    _check_choices(level, normalization)
    _check_arguments(vocabulary_size, level, user_defined_symbols, character_coverage, num_threads)
    if character_coverage is None:
        character_coverage = 0.9995 if level == "subword" else 1.0
    kept = reservoir(_clean_texts(texts), max_sentences, seed)
    writer = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_handed_over(kept),
            model_writer=writer,
            model_type=_MODEL_TYPES[level],
            vocab_size=MAX_VOCABULARY_SIZE if vocabulary_size is None else vocabulary_size,
            hard_vocab_limit=level == "subword",
            byte_fallback=level != "word",
            # Where spaces are rare, coverage would drop them and decoding could not restore them.
            required_chars=_SPACE_PIECE,
            user_defined_symbols=list(user_defined_symbols),
            character_coverage=character_coverage,
            normalization_rule_name=normalization,
            num_threads=num_threads,
            minloglevel=2,
            **special_ids,
        )
    except RuntimeError as error:
        raise _training_error(str(error), vocabulary_size) from None
    model = writer.getvalue()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    if level == "character" and processor.IsUnknown(processor.PieceToId(_SPACE_PIECE)):
        raise ValueError(
            "`vocabulary_size` must leave room for the space, which is rare in `texts`. "
            f"Received: {vocabulary_size}. Pass a larger size, or None to keep every character."
        )
    return model


def _clean_texts(texts: Iterable[Text | Path]) -> Iterator[str]:
    for text in texts:
        yield from iterate_texts(text) if isinstance(text, Path) else (clean_text(text),)


def _handed_over(texts: list[str]) -> Iterator[str]:
    """Yields texts and forgets each: SentencePiece keeps its own copy."""
    texts.reverse()
    while texts:
        yield texts.pop()


def _check_choices(level: str, normalization: str) -> None:
    given = {"level": (level, LEVELS), "normalization": (normalization, NORMALIZATIONS)}
    for name, (value, choices) in given.items():
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {value!r}.")


def _check_arguments(
    vocabulary_size: int | None,
    level: str,
    user_defined_symbols: Sequence[str],
    character_coverage: float | None,
    num_threads: int,
) -> None:
    faults = []
    if vocabulary_size is None:
        if level == "subword":
            faults.append('`vocabulary_size` must be given at the level "subword". Received: None.')
    else:
        # A word model holds each symbol twice, with and without a space before it; the others
        # hold 256 byte pieces.
        symbols = len(user_defined_symbols)
        minimum = 5 + (2 * symbols if level == "word" else symbols + 256)
        if not minimum <= vocabulary_size <= MAX_VOCABULARY_SIZE:
            faults.append(
                f"`vocabulary_size` must be {minimum} to {MAX_VOCABULARY_SIZE} for these options. "
                f"Received: {vocabulary_size}."
            )
    if character_coverage is not None and not 0.98 <= character_coverage <= 1:
        faults.append(f"`character_coverage` must be in [0.98, 1]. Received: {character_coverage}.")
    if num_threads < 1:
        faults.append(f"`num_threads` must be at least 1. Received: {num_threads}.")
    if (
        isinstance(user_defined_symbols, str)
        or len(set(user_defined_symbols)) < len(user_defined_symbols)
        or any(s.split() != [s] or _RESERVED_PIECE.fullmatch(s) for s in user_defined_symbols)
    ):
        faults.append(
            "`user_defined_symbols` must be a list of distinct str without spaces, none of them "
            "empty, <pad>, <unk>, <s>, </s> or a byte piece such as <0x41>. "
            f"Received: {user_defined_symbols!r}."
        )
    if faults:
        raise ValueError(" ".join(faults))


def _training_error(message: str, vocabulary_size: int | None) -> ValueError:
    if too_large := re.search(r"value <= (\d+)", message):
        return ValueError(
            f"`vocabulary_size` must be at most {too_large[1]} for these texts. "
            f"Received: {vocabulary_size}. Pass that or less, or give more text."
        )
    if too_small := re.search(r"\d+ vs (\d+)", message):
        return ValueError(
            f"`vocabulary_size` must be at least {too_small[1]} for the characters of these texts. "
            f"Received: {vocabulary_size}. Pass that or more, or a lower `character_coverage`."
        )
    if "sentences_.empty()" in message or "all_chars_count" in message:
        return ValueError(
            "`texts` must hold at least one text that is not blank and has at most 4,192 bytes. "
            "Received: none."
        )
    return ValueError(f"SentencePiece failed to train on these texts: {message}")
