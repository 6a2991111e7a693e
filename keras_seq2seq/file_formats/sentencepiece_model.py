"""SentencePiece model files, read and written without protobuf: pieces, special ids, the rest."""

import dataclasses
import struct
from collections.abc import Iterator, Mapping, Sequence

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
KINDS = (NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE)

# Numbers of fields in sentencepiece_model.proto.
_PIECES, _TRAINER = 1, 2
_PIECE, _SCORE, _KIND = 1, 2, 3
_SIZE = 4
SPECIAL = {"unk": (40, 45), "bos": (41, 46), "eos": (42, 47), "pad": (43, 48)}  # id, piece
_DEFAULT_PIECES = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Value = int | bytes
Field = tuple[int, int, Value]  # number, wire type, value


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece of a SentencePiece model.

    Args:
        text: The piece, such as "▁the".
        score: Its log-probability in a unigram model.
        kind: NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED or BYTE.
    """

    text: str
    score: float
    kind: int


@dataclasses.dataclass(frozen=True)
class SentencePieceModel:
    """A SentencePiece model as its file describes it.

    Args:
        pieces: Its pieces, by id.
        trainer: Fields of its trainer specification.
        others: All other fields: what becomes of a text before it is split, and the like.
    """

    pieces: tuple[Piece, ...]
    trainer: tuple[Field, ...]
    others: tuple[Field, ...]

    @classmethod
    def read(cls, data: bytes) -> "SentencePieceModel":
        """Reads a serialised model.

        Raises:
            ValueError: If it is none.
        """
        pieces: list[Piece] = []
        trainer: list[Field] = []
        others: list[Field] = []
        for number, wire, value in _fields(data):
            if number == _PIECES and isinstance(value, bytes):
                pieces.append(_piece(value))
            elif number == _TRAINER and isinstance(value, bytes):
                trainer += _fields(value)
            else:
                others.append((number, wire, value))
        if not pieces:
            raise ValueError("it has no pieces")
        return cls(tuple(pieces), tuple(trainer), tuple(others))

    def special_piece(self, name: str) -> str:
        """Returns the text of a special piece: "unk", "bos", "eos" or "pad"."""
        found = [value for number, _, value in self.trainer if number == SPECIAL[name][1]]
        last = found[-1] if found else b""
        return last.decode() if isinstance(last, bytes) and last else _DEFAULT_PIECES[name]

    def with_pieces(self, pieces: Sequence[Piece], special: Mapping[str, int]) -> bytes:
        """Returns a serialised model with other pieces that splits texts as this one does.

        Args:
            pieces: All pieces, by id.
            special: The ids of "pad", "unk", "bos" and "eos".
        """
        replaced = {_SIZE, *(number for numbers in SPECIAL.values() for number in numbers)}
        trainer = [field for field in self.trainer if field[0] not in replaced]
        trainer.append((_SIZE, _VARINT, len(pieces)))
        for name, (id_number, piece_number) in SPECIAL.items():
            trainer.append((id_number, _VARINT, special[name]))
            trainer.append((piece_number, _BYTES, pieces[special[name]].text.encode()))
        return SentencePieceModel(tuple(pieces), tuple(trainer), self.others).to_bytes()

    def to_bytes(self) -> bytes:
        """Returns the serialised model."""
        written: list[Field] = [(_PIECES, _BYTES, _written_piece(p)) for p in self.pieces]
        return _written([*written, (_TRAINER, _BYTES, _written(self.trainer)), *self.others])


def _piece(data: bytes) -> Piece:
    text, score, kind = b"", b"\0\0\0\0", NORMAL
    for number, _, value in _fields(data):
        if number == _PIECE and isinstance(value, bytes):
            text = value
        elif number == _SCORE and isinstance(value, bytes):
            score = value
        elif number == _KIND and isinstance(value, int):
            kind = value
    if len(score) != 4 or kind not in KINDS:
        raise ValueError(f"the piece {text!r} has no score, or is of the unknown kind {kind}")
    return Piece(text.decode(), struct.unpack("<f", score)[0], kind)


def _written_piece(piece: Piece) -> bytes:
    fields: list[Field] = [
        (_PIECE, _BYTES, piece.text.encode()),
        (_SCORE, _FIXED32, struct.pack("<f", piece.score)),
    ]
    if piece.kind != NORMAL:
        fields.append((_KIND, _VARINT, piece.kind))
    return _written(fields)


def _fields(data: bytes) -> Iterator[Field]:
    """Yields the fields of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value: Value
            value, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32, _BYTES):
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
            if size is None:
                size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"it has a field of the unknown kind {wire}")
        if at > len(data):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, wire, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends in the middle of a number")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("it has a number of more than 64 bits")


def _written(fields: Sequence[Field]) -> bytes:
    parts = []
    for number, wire, value in fields:
        parts.append(_written_varint(number << 3 | wire))
        if isinstance(value, int):
            parts.append(_written_varint(value))
        else:
            parts += [_written_varint(len(value)), value] if wire == _BYTES else [value]
    return b"".join(parts)


def _written_varint(value: int) -> bytes:
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
