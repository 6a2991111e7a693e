"""Turns text into ids and back on the host, with one SentencePiece model."""

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final, overload

import numpy as np
import sentencepiece

from keras_seq2seq.text.lines import Text, clean_text
from keras_seq2seq.text.padding import pad_batch as pad_batch
from keras_seq2seq.text.padding import unpadded_length as unpadded_length
from keras_seq2seq.text.pairs import Columns, checked_pairs
from keras_seq2seq.text.reservoir import MAX_SENTENCES, reservoir
from keras_seq2seq.text.tokenizer_training import train_model
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from keras_seq2seq.whole_file import whole_file

_SPECIAL_IDS = {"pad_id": PAD_ID, "unk_id": UNK_ID, "bos_id": BOS_ID, "eos_id": EOS_ID}
_JOINT_FILES = ("tokenizer.model",)
_SIDE_FILES = ("source_tokenizer.model", "target_tokenizer.model")


@final
class Tokenizer:
    """A SentencePiece model that turns text into ids and back.

    The special ids are pad 0, unk 1, bos 2, eos 3; by default, encoding adds none of them.
    Tokenizers can be compared and pickled.

    Args:
        model: bytes. A serialised SentencePiece model with these special ids.
    Raises:
        ValueError: If `model` is not a SentencePiece model or has other special ids.
    """

    def __init__(self, model: bytes) -> None:
        self._model = bytes(model)
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(self._model)
        except RuntimeError as error:
            raise ValueError(
                "The model must be a SentencePiece model. Received: "
                f"{len(self._model)} bytes of something else ({error}). Train or copy it again."
            ) from None
        _check_special_ids(self._processor)

    @classmethod
    def train(
        cls,
        texts: Iterable[Text | Path],
        vocabulary_size: int | None = None,
        *,
        level: str = "subword",
        user_defined_symbols: Sequence[str] = (),
        character_coverage: float | None = None,
        normalization: str = "nmt_nfkc",
        num_threads: int = 16,
        max_sentences: int = MAX_SENTENCES,
        seed: int = 0,
    ) -> "Tokenizer":
        """Trains a model; the same arguments always give the same bytes.

        SentencePiece skips texts longer than 4,192 bytes. At the levels "subword" and "character",
        a character without a piece is spelled in its UTF-8 bytes (256 byte pieces). At the level
        "word" an unknown word becomes unk: SentencePiece has byte pieces at that level too, but
        decodes them without their spaces.

        Args:
            texts: iterable of str, bytes, or pathlib.Path (one text per line, plain or .gz).
            vocabulary_size: int or None. Number of ids, special ids included. Required and exact
                at the level "subword"; at the others a maximum, and None means 1,000,000.
            level: "subword" (unigram, Kudo 2018), "character" or "word" (split at spaces).
            user_defined_symbols: list of str without spaces, such as "<2fr>". Each is always one
                piece (at the level "word" only if it is a separate word).
            character_coverage: float in [0.98, 1]. Share of the characters of `texts` that get a
                piece. None means 0.9995 at the level "subword" and 1 at the others.
            normalization: What becomes of a text before it is split, and so of every translation:
                "nmt_nfkc" (Unicode NFKC, and controls and zero-width characters become spaces or
                vanish: "m³" reads "m3", "1½" reads "11⁄2"), "nfkc" (NFKC alone), either with "_cf"
                (also folds case), or "identity" (nothing but runs of spaces changes).
            num_threads: int > 0. Another number sums in another order: a slightly different model.
            max_sentences: int > 0. Of more texts, so many are drawn and kept in memory, each text
                with the same chance. SentencePiece needs about 1 kB for each.
            seed: int >= 0. Seed of that draw.
        Raises:
            TypeError: If `texts` is a single text or path, or has an item of another type.
            ValueError: If an argument is outside its range, or `texts` cannot fill a vocabulary
                of that size.
        """
        model = train_model(
            texts,
            vocabulary_size,
            level=level,
            user_defined_symbols=user_defined_symbols,
            character_coverage=character_coverage,
            normalization=normalization,
            num_threads=num_threads,
            max_sentences=max_sentences,
            seed=seed,
            special_ids=_SPECIAL_IDS,
        )
        return cls(model)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Tokenizer":
        """Reads a SentencePiece model file.

        Raises:
            ValueError: As for the class; the message names the file.
        """
        model = Path(path).read_bytes()
        try:
            return cls(model)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    def to_bytes(self) -> bytes:
        """Returns the serialised model."""
        return self._model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model; a reader of `path` sees the old file or the complete new one."""
        with whole_file(path) as partial:
            partial.write_bytes(self._model)

    # str is an Iterable[str] too; the first overload takes precedence.
    @overload
    def encode(  # type: ignore[overload-overlap]
        self, texts: Text, *, add_eos: bool = False, num_threads: int = 1
    ) -> list[int]: ...

    @overload
    def encode(
        self, texts: Iterable[Text], *, add_eos: bool = False, num_threads: int = 1
    ) -> list[list[int]]: ...

    def encode(
        self, texts: Text | Iterable[Text], *, add_eos: bool = False, num_threads: int = 1
    ) -> list[int] | list[list[int]]:
        """Turns text into ids, without bos.

        Args:
            texts: one text or an iterable of texts, each str or bytes (see `clean_text`).
            add_eos: End the ids of each text with eos, as a source of a model ends.
            num_threads: int > 0. Threads for several texts; the ids are the same.
        Returns:
            The ids of a single text, or one list of ids per text.
        Raises:
            TypeError: If a text is neither str nor bytes.
        """
        if isinstance(texts, str | bytes):
            return self.encode([texts], add_eos=add_eos)[0]
        found = self._processor.encode(list(map(clean_text, texts)), num_threads=num_threads)
        # Not SentencePiece's own flag, which is a state of the processor that threads share.
        return [[*ids, EOS_ID] for ids in found] if add_eos else found

    def segmentations(self, text: Text, size: int) -> list[tuple[tuple[int, ...], float]]:
        """Returns the most probable segmentations of one text, best first.

        User-defined symbols and byte pieces have no probability, so a text with one of them gives
        only its best segmentation.

        Args:
            text: str or bytes.
            size: int > 0. Maximum number of segmentations.
        Returns:
            Pairs (ids, log-probability up to a constant); [] for a text without a word.
        Raises:
            ValueError: If the model is not of the level "subword".
        """
        score = self.scores.__getitem__
        return [(tuple(ids), sum(map(score, ids))) for ids in self._n_best(text, size)]

    def word_segmentations(self, words: Iterable[list[int]], size: int) -> list[list[list[int]]]:
        """Returns the ids of `segmentations` of texts that are given by the ids of `encode`."""
        return [self._n_best(self._processor.decode(ids), size) for ids in words]

    def _n_best(self, text: Text, size: int) -> list[list[int]]:
        try:
            found = self._processor.nbest_encode(clean_text(text), nbest_size=size, out_type=int)
        except RuntimeError as error:
            raise ValueError(
                'Alternative segmentations need a model of the level "subword". '
                f"Received: {self} ({error})."
            ) from None
        if found and not all(map(self.scores.__getitem__, found[0])):
            found = found[:1]
        return [ids for ids in found if ids]

    @functools.cached_property
    def scores(self) -> list[float]:
        """The log-probability of each id, up to a constant; 0 if it has none."""
        return list(map(self._processor.get_score, range(self.vocabulary_size)))

    @overload
    def decode(self, ids: Sequence[int]) -> str: ...

    @overload
    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]: ...

    def decode(self, ids: Any) -> str | list[str]:
        """Turns ids into text.

        Decoding stops at the first eos and skips pad and bos. unk becomes " ⁇ "; byte pieces that
        are not UTF-8 become U+FFFD.

        Args:
            ids: int, shape (length,) or (batch, length), or nested lists; [] gives one empty text.
        Returns:
            The text, or a list of texts.
        Raises:
            ValueError: If an id before eos is not an integer in [0, vocabulary_size).
        """
        if getattr(ids, "ndim", 0) == 2 or (len(ids) > 0 and np.ndim(ids[0]) == 1):
            return [self._processor.decode(self._text_ids(row)) for row in ids]
        return self._processor.decode(self._text_ids(ids))

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, including the four special ones."""
        return len(self._processor)

    def piece(self, token_id: int) -> str:
        """Returns the piece of one id, such as "▁the" or "</s>"."""
        if not 0 <= token_id < self.vocabulary_size:
            raise self._outside(token_id)
        return self._processor.IdToPiece(int(token_id))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns the piece of each id."""
        return [self.piece(token_id) for token_id in ids]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self._model == other._model

    def __hash__(self) -> int:
        return hash(self._model)

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[bytes]]:
        return Tokenizer, (self._model,)

    def __repr__(self) -> str:
        digest = hashlib.sha256(self._model).hexdigest()[:8]
        return f"Tokenizer(vocabulary_size={self.vocabulary_size}, sha256={digest})"

    def _text_ids(self, ids: Sequence[int]) -> list[int]:
        array = np.asarray(ids)
        if array.size == 0:
            return []
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ValueError(
                "`ids` must be integers of shape (length,) or (batch, length). "
                f"Received: dtype {array.dtype}, shape {array.shape} for one text."
            )
        array = array[np.cumsum(array == EOS_ID) == 0]
        outside = array[(array < 0) | (array >= self.vocabulary_size)]
        if outside.size:
            raise self._outside(outside[0])
        return array[(array != PAD_ID) & (array != BOS_ID)].tolist()

    def _outside(self, token_id: int) -> ValueError:
        return ValueError(f"An id must be in [0, {self.vocabulary_size}). Received: {token_id}.")


@final
@dataclass(frozen=True)
class TokenizerPair:
    """The source and the target tokenizer; they are equal if both sides share one vocabulary."""

    source: Tokenizer
    target: Tokenizer

    @classmethod
    def train(
        cls,
        pairs: Iterable[Any],
        vocabulary_size: int | tuple[int | None, int | None] | None = None,
        *,
        joint: bool = False,
        source_level: str = "subword",
        target_level: str = "subword",
        user_defined_symbols: Sequence[str] = (),
        character_coverage: float | None = None,
        normalization: str = "nmt_nfkc",
        num_threads: int = 16,
        max_sentences: int = MAX_SENTENCES,
        seed: int = 0,
        columns: Columns | None = None,
    ) -> "TokenizerPair":
        """Trains one tokenizer for both sides, or one per side.

        Args:
            pairs: iterable of (source_text, target_text), or of mappings with `columns`.
            vocabulary_size: int or None for both sides, or (source, target), each int or None.
            joint: bool. True trains one model on the texts of both sides.
            source_level, target_level: As `level` of `Tokenizer.train`; must be equal if `joint`.
            user_defined_symbols, character_coverage, normalization, num_threads, max_sentences,
                seed: As for `Tokenizer.train`; they apply to both sides.
            columns: Names of the source and of the target column of mappings.
        Raises:
            TypeError: If something is not a pair of texts.
            ValueError: If `joint` is given with two sizes or two levels, or as for
                `Tokenizer.train`.
        """
        size = vocabulary_size
        sizes = size if isinstance(size, tuple) else (size, size)
        one_each = sizes is not size and source_level == target_level
        if len(sizes) != 2 or (joint and not one_each):
            raise ValueError(
                "`vocabulary_size` must be one size or (source, target); if joint=True, one size "
                f"and equal levels. Received: vocabulary_size={vocabulary_size}, joint={joint}, "
                f"source_level={source_level!r}, target_level={target_level!r}."
            )

        train = functools.partial(
            Tokenizer.train,
            user_defined_symbols=user_defined_symbols,
            character_coverage=character_coverage,
            normalization=normalization,
            num_threads=num_threads,
            max_sentences=max_sentences,
            seed=seed,
        )
        given = checked_pairs(pairs, columns)
        if joint:
            both = train((text for pair in given for text in pair), sizes[0], level=source_level)
            return cls(both, both)
        kept = reservoir(given, max_sentences, seed)
        return cls(
            train((source for source, _ in kept), sizes[0], level=source_level),
            train((target for _, target in kept), sizes[1], level=target_level),
        )

    @property
    def vocabulary_sizes(self) -> tuple[int, int]:
        """Numbers of source and of target ids."""
        return self.source.vocabulary_size, self.target.vocabulary_size

    @property
    def joint(self) -> bool:
        """True if both sides use the same model."""
        return self.source == self.target

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files that `save` writes."""
        return _JOINT_FILES if self.joint else _SIDE_FILES

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes `file_names` into `folder`; creates the folder if it is missing.

        If the folder holds the other form (one joint file or two side files), that is removed.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, tokenizer in zip(self.file_names, (self.source, self.target), strict=False):
            tokenizer.save(folder / name)
        for name in _SIDE_FILES if self.joint else _JOINT_FILES:
            (folder / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "TokenizerPair":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: If `folder` holds neither the joint file nor both side files.
            ValueError: If it holds both, or a file is not a valid model; the message names it.
        """
        folder = Path(folder)
        joint, sides = (
            all((folder / name).is_file() for name in names)
            for names in (_JOINT_FILES, _SIDE_FILES)
        )
        if joint == sides:
            error = ValueError if joint else FileNotFoundError
            raise error(
                f"A folder must hold either {_JOINT_FILES[0]} or {' and '.join(_SIDE_FILES)}. "
                f"Received: {folder} with {'both' if joint else 'neither'}."
            )
        if joint:
            both = Tokenizer.load(folder / _JOINT_FILES[0])
            return cls(both, both)
        return cls(*(Tokenizer.load(folder / name) for name in _SIDE_FILES))


def _check_special_ids(processor: sentencepiece.SentencePieceProcessor) -> None:
    # SentencePiece returns -1 if the model has no such control piece; a text could then spell it.
    received = {name: getattr(processor, name)() for name in _SPECIAL_IDS}
    if received != _SPECIAL_IDS:
        raise ValueError(
            f"The model must have the special ids {_SPECIAL_IDS}. Received: {received}. "
            "Train the model with these ids."
        )
