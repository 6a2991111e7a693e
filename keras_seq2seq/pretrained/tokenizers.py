"""SentencePiece models of other projects with the special ids of this one."""

import dataclasses
import pathlib
from collections.abc import Container, Mapping, Sequence

import numpy as np

from keras_seq2seq.file_formats.sentencepiece_model import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Piece,
    SentencePieceModel,
)
from keras_seq2seq.text.tokenizer import Tokenizer
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID

SPECIAL_IDS = {"pad": PAD_ID, "unk": UNK_ID, "bos": BOS_ID, "eos": EOS_ID}
WORD_MARK = "\u2581"
# The logit bias of ids that no search may choose. Not lower: 8-bit numbers share their scale.
NEVER = -100.0
ZEROS = -1  # stands for a row of zeros
WRITTEN = (NORMAL, USER_DEFINED, BYTE)  # kinds of pieces that texts are split into
UNLIKELY = 10.0  # how far below every score a piece lies that SentencePiece does not know


@dataclasses.dataclass(frozen=True)
class Side:
    """The vocabulary of one side of a model, in the ids of this package.

    Args:
        tokenizer: Its tokenizer.
        rows: For each id the row of the checkpoint's tables, or `ZEROS`.
        never: The ids that the checkpoint does not have as ids of their own.
    """

    tokenizer: Tokenizer
    rows: tuple[int, ...]
    never: frozenset[int]

    @property
    def pieces(self) -> list[str]:
        """The piece of each id."""
        return self.tokenizer.pieces(range(self.tokenizer.vocabulary_size))

    @property
    def new_ids(self) -> dict[int, int]:
        """The new id of each old one; the special ids first."""
        found: dict[int, int] = {}
        for new, old in enumerate(self.rows):
            if old != ZEROS and new not in self.never:
                found.setdefault(old, new)
        return found

    def table(self, values: np.ndarray) -> np.ndarray:
        """Returns the rows of a table, float32, (old size, ...), in the order of the new ids."""
        zeros = np.zeros((1, *values.shape[1:]), values.dtype)
        return np.concatenate([values, zeros])[list(self.rows)]

    def bias(self, values: np.ndarray) -> np.ndarray:
        """Returns a bias of the output, float32, (old size,), in the order of the new ids."""
        bias = self.table(values)
        bias[[*self.never, *(i for i, old in enumerate(self.rows) if old == ZEROS)]] = NEVER
        return bias


def read_sentencepiece(path: pathlib.Path) -> SentencePieceModel:
    """Reads a SentencePiece model file.

    Raises:
        ValueError: If it is none; names the file.
    """
    try:
        return SentencePieceModel.read(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be read as a SentencePiece model: {error}. Copy it again."
        ) from None


def sides_of_table(
    vocabulary: Mapping[str, int],
    models: Sequence[SentencePieceModel],
    special: Mapping[str, str],
    start_row: int,
) -> list[Side]:
    """Returns the sides that share one table of tokens, such as vocab.json, with a model for each.

    The new ids are the special ones, the other tokens in the order of the table, then the pieces of
    the models that the table lacks, which the checkpoint reads as unk.

    Args:
        vocabulary: The id of each token.
        models: The SentencePiece model of each side, which splits texts into tokens.
        special: The tokens of "pad", "unk" and "eos" in the table; without a "pad" its row is 0.
        start_row: Row of what a target starts with, or `ZEROS`.
    """
    known = set(special.values())
    tokens = [t for t, _ in sorted(vocabulary.items(), key=lambda item: item[1]) if t not in known]
    extras: list[str] = []
    for model in models:
        seen = {*vocabulary, *extras}
        extras += [p.text for p in model.pieces if p.kind in WRITTEN and p.text not in seen]
    pad = vocabulary[special["pad"]] if "pad" in special else ZEROS
    unk, eos = (vocabulary[special[name]] for name in ("unk", "eos"))
    rows = [pad, unk, start_row, eos, *(vocabulary[token] for token in tokens)]
    rows += [unk] * len(extras)
    never = frozenset({BOS_ID, *range(len(rows) - len(extras), len(rows))})
    return [
        Side(Tokenizer(_rebuilt(model, [*tokens, *extras])), tuple(rows), never) for model in models
    ]


def _rebuilt(model: SentencePieceModel, tokens: Sequence[str]) -> bytes:
    """Returns a model with the given tokens after the four special ids.

    A token that the model does not know is UNUSED, so that no text is split into it, but ids are
    read as it.
    """
    known = {piece.text: piece for piece in model.pieces}
    lowest = min((p.score for p in model.pieces if p.kind == NORMAL), default=0.0)
    taken = set(tokens)
    special = [
        Piece(_free(text, taken), 0.0, kind)
        for text, kind in zip(
            ("<pad>", "<unk>", "<s>", "</s>"), (CONTROL, UNKNOWN, CONTROL, CONTROL), strict=True
        )
    ]
    pieces = []
    for token in tokens:
        old = known.get(token)
        if old is not None and old.kind in (NORMAL, USER_DEFINED, UNUSED, BYTE):
            pieces.append(old)
        elif token.startswith(">>") and token.endswith("<<"):
            # A text begins with it, and SentencePiece puts its mark of a word before that.
            pieces.append(Piece(WORD_MARK + token, 0.0, USER_DEFINED))
        elif old is None and len(token) == 1:
            # SentencePiece hands on a character that it does not know, which the table knows.
            pieces.append(Piece(token, lowest - UNLIKELY, NORMAL))
        else:
            pieces.append(Piece(token, 0.0, UNUSED))
    return model.with_pieces([*special, *pieces], SPECIAL_IDS)


def side_of_model(model: SentencePieceModel) -> Side:
    """Returns a side whose vocabulary is a SentencePiece model alone, as in native Marian.

    The new ids are the special ones, then the other pieces in their order.

    Raises:
        ValueError: If the model has no eos or no unk.
    """
    unk = [i for i, piece in enumerate(model.pieces) if piece.kind == UNKNOWN]
    name = model.special_piece("eos")
    eos = [i for i, p in enumerate(model.pieces) if (p.text, p.kind) == (name, CONTROL)]
    if len(unk) != 1 or len(eos) != 1:
        raise ValueError(
            "A vocabulary needs a piece for the end of sentence and one for unknown words. "
            f"Received: {len(eos)} named {name!r} and {len(unk)} of the kind unknown."
        )
    rest = [i for i in range(len(model.pieces)) if i not in (unk[0], eos[0])]
    taken = {piece.text for piece in model.pieces}
    pieces = [
        Piece(_free("<pad>", taken), 0.0, CONTROL),
        model.pieces[unk[0]],
        Piece(_free("<s>", taken), 0.0, CONTROL),
        model.pieces[eos[0]],
        *(model.pieces[i] for i in rest),
    ]
    tokenizer = Tokenizer(model.with_pieces(pieces, SPECIAL_IDS))
    return Side(tokenizer, (ZEROS, unk[0], ZEROS, eos[0], *rest), frozenset())


def _free(name: str, taken: Container[str]) -> str:
    """Returns a name for a special piece that no other piece has."""
    while name in taken:
        name = f"<{name}>"
    return name
