import io

import pytest
import sentencepiece
from conftest import word_pairs

from keras_seq2seq import Tokenizer
from keras_seq2seq.file_formats.sentencepiece_model import (
    NORMAL,
    UNUSED,
    Piece,
    SentencePieceModel,
)

IDS = {"pad": 0, "unk": 1, "bos": 2, "eos": 3}


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([text for pair in word_pairs(200) for text in pair], 300)


def test_a_model_is_written_as_it_was_read(tokenizer):
    model = SentencePieceModel.read(tokenizer.to_bytes())
    assert len(model.pieces) == tokenizer.vocabulary_size
    assert [piece.text for piece in model.pieces] == tokenizer.pieces(range(300))
    assert SentencePieceModel.read(model.to_bytes()) == model
    assert Tokenizer(model.to_bytes()).encode("the red dog") == tokenizer.encode("the red dog")


def test_special_pieces_have_default_names(tokenizer):
    model = SentencePieceModel.read(tokenizer.to_bytes())
    assert model.special_piece("eos") == "</s>"
    assert SentencePieceModel((), (), ()).special_piece("unk") == "<unk>"


def test_an_unused_piece_is_read_and_never_written(tokenizer):
    model = SentencePieceModel.read(tokenizer.to_bytes())
    the = tokenizer.encode("the")
    assert len(the) == 1
    pieces = [
        Piece(p.text, p.score, UNUSED) if i == the[0] else p for i, p in enumerate(model.pieces)
    ]
    other = Tokenizer(model.with_pieces(pieces, IDS))
    assert the[0] not in other.encode("the dog sees the cat")
    assert other.decode(the) == "the"
    assert other.decode(other.encode("the dog")) == "the dog"


def test_more_pieces_may_be_given(tokenizer):
    model = SentencePieceModel.read(tokenizer.to_bytes())
    data = model.with_pieces([*model.pieces, Piece("\u2603", -3.0, NORMAL)], IDS)
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    assert processor.vocab_size() == 301
    assert processor.piece_to_id("\u2603") == 300


def test_a_model_of_others_is_read():
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["one two three", "two three four"] * 9),
        model_writer=written,
        vocab_size=12,
        hard_vocab_limit=False,
        bos_id=-1,
        eos_id=0,
        unk_id=1,
        minloglevel=2,
    )
    model = SentencePieceModel.read(written.getvalue())
    assert [piece.text for piece in model.pieces[:2]] == ["</s>", "<unk>"]
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.to_bytes())
    assert (processor.eos_id(), processor.unk_id(), processor.bos_id()) == (0, 1, -1)


@pytest.mark.parametrize(
    "data", [b"", b"\x0a", b"\x0a\x05abc", b"\x0b", b"\xff" * 12, b"\x0a\x02\x18\x63"]
)
def test_what_is_no_model_is_refused(data):
    with pytest.raises(ValueError, match="it (has|ends)|the piece"):
        SentencePieceModel.read(data)
