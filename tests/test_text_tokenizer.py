import gzip
import io
import pickle
import random

import numpy as np
import pytest
import sentencepiece

from keras_seq2seq.text.tokenizer import Tokenizer, TokenizerPair, pad_batch
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID

LEVELS = ("subword", "character", "word")


def sentences(seed, count=300):
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdeéß東', ", k=4)).strip() or "a" for _ in range(200)]
    return [" ".join(draw.choices(words, k=draw.randint(2, 9))) for _ in range(count)]


TEXTS = sentences(0)


def train(level="subword", **options):
    return Tokenizer.train(TEXTS, 330 if level == "subword" else None, level=level, **options)


@pytest.fixture(scope="module")
def subword():
    return train()


@pytest.fixture(scope="module", params=LEVELS)
def tokenizer(request):
    return train(request.param)


def test_decode_gives_back_what_was_encoded(tokenizer):
    texts = [" ".join(text.split()) for text in TEXTS]
    assert tokenizer.decode(tokenizer.encode(texts)) == texts


def test_one_text_is_as_in_a_list(tokenizer):
    assert tokenizer.encode(TEXTS) == [tokenizer.encode(text) for text in TEXTS]
    assert tokenizer.encode([]) == []
    assert tokenizer.encode("") == []


def test_encode_adds_no_special_id(tokenizer):
    assert not {PAD_ID, BOS_ID, EOS_ID} & {i for ids in tokenizer.encode(TEXTS) for i in ids}


@pytest.mark.parametrize("text", ["<s>", "</s> a", "<pad>", "a<unk>"])
def test_no_text_spells_a_special_id(tokenizer, text):
    assert not {PAD_ID, BOS_ID, EOS_ID} & set(tokenizer.encode(text))


def test_bytes_and_str_have_equal_ids(tokenizer):
    assert tokenizer.encode(TEXTS) == tokenizer.encode([text.encode() for text in TEXTS])


@pytest.mark.parametrize("level", ["subword", "character"])
def test_unseen_characters_are_spelled_in_bytes(level):
    tokenizer = train(level)
    assert UNK_ID not in tokenizer.encode("Ω 🙂")
    assert tokenizer.decode(tokenizer.encode("Ω 🙂")) == "Ω 🙂"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("nmt_nfkc", "11⁄2 m3 a b Ça"),
        ("nfkc", "11⁄2 m3 a\u200cb Ça"),
        ("nmt_nfkc_cf", "11⁄2 m3 a b ça"),
        ("nfkc_cf", "11⁄2 m3 a\u200cb ça"),
        ("identity", "1½ m³ a\u200cb Ça"),
    ],
)
def test_the_normalization_decides_what_is_read_back(level, normalization, expected):
    text = "1½  m³ a\u200cb Ça"
    size = 300 if level == "subword" else None
    texts = [*TEXTS, *[text] * 9]
    tokenizer = Tokenizer.train(texts, size, level=level, normalization=normalization)
    assert tokenizer.decode(tokenizer.encode(text)) == expected
    assert Tokenizer(tokenizer.to_bytes()).encode(text) == tokenizer.encode(text)


def test_unseen_word_is_unk():
    tokenizer = train("word")
    assert tokenizer.encode("zzz") == [UNK_ID]
    assert tokenizer.decode([UNK_ID]) == " ⁇ "


@pytest.mark.parametrize("level", LEVELS)
def test_training_again_gives_equal_bytes_and_no_output(level, capfd):
    assert train(level).to_bytes() == train(level).to_bytes()
    assert capfd.readouterr() == ("", "")


def test_vocabulary_size_is_exact_for_subwords(subword):
    assert subword.vocabulary_size == 330


@pytest.mark.parametrize("level", ["character", "word"])
def test_vocabulary_size_is_the_most_for_the_other_levels(level):
    most = train(level).vocabulary_size
    assert Tokenizer.train(TEXTS, 10**6, level=level).vocabulary_size == most
    assert Tokenizer.train(TEXTS, most - 2, level=level).vocabulary_size == most - 2


@pytest.mark.parametrize("level", ["subword", "character"])
def test_rare_spaces_are_kept(level):
    draw = random.Random(1)
    texts = ["".join(draw.choices("acgt", k=4000)) for _ in range(9)]
    tokenizer = Tokenizer.train(texts, 280 if level == "subword" else None, level=level)
    assert tokenizer.decode(tokenizer.encode("ac gt")) == "ac gt"


def test_files_train_as_their_lines(tmp_path, subword):
    half = len(TEXTS) // 2
    plain, zipped = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    plain.write_bytes("\r\n".join(TEXTS[:half]).encode("utf-8-sig"))
    zipped.write_bytes(gzip.compress("\n".join(TEXTS[half:]).encode()))
    assert Tokenizer.train([plain, zipped], 330) == subword


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 10**5}, r"must be at most \d+ for these texts. Received: 100000"),
        ({"vocabulary_size": 265}, r"must be at least \d+ for the characters .* Received: 265"),
        ({"vocabulary_size": 9}, "must be 261 to 1000000 for these options. Received: 9"),
        ({}, "must be given at the level"),
        ({"vocabulary_size": 300, "level": "bpe"}, "one of subword, character, word. .* 'bpe'"),
        ({"vocabulary_size": 262, "level": "character"}, "leave room for the space"),
        ({"level": "word", "normalization": "nfc"}, "must be one of nmt_nfkc, .* 'nfc'"),
        ({"level": "word", "character_coverage": 2}, r"in \[0.98, 1\]. Received: 2"),
        ({"level": "word", "num_threads": 0}, "`num_threads` must be at least 1. Received: 0"),
        ({"level": "word", "user_defined_symbols": ["</s>"]}, "`user_defined_symbols` .*</s>"),
        ({"level": "word", "user_defined_symbols": ["<a>", "<a>"]}, "must be a list of distinct"),
        ({"level": "word", "user_defined_symbols": ["a b"]}, "without spaces.*'a b'"),
        ({"level": "word", "user_defined_symbols": "<a>"}, "must be a list.*'<a>'"),
        ({"level": "word", "texts": ["", " "]}, "must hold at least one text that is not blank"),
        ({"level": "word", "texts": []}, "must hold at least one text that is not blank"),
        ({"level": "word", "texts": ["ab " * 9000]}, "at most 4,192 bytes"),
    ],
)
def test_training_refuses(options, message):
    texts = ["abcdefg"] * 9 if options.get("level") == "character" else TEXTS
    with pytest.raises(ValueError, match=message):
        Tokenizer.train(**{"texts": texts, **options})


def test_largest_vocabulary_size_named_in_the_error_is_right():
    with pytest.raises(ValueError, match="at most") as caught:
        Tokenizer.train(TEXTS, 10**5)
    size = int(str(caught.value).split("at most ")[1].split()[0])
    assert Tokenizer.train(TEXTS, size).vocabulary_size == size


@pytest.mark.parametrize("texts", ["abc", b"abc", [1, 2]])
def test_training_refuses_other_types(texts):
    with pytest.raises(TypeError, match="Received: (one str|one bytes|int 1)"):
        Tokenizer.train(texts, level="word")


def test_training_passes_on_the_error_of_the_iterator(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        Tokenizer.train([tmp_path / "absent"], level="word")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a b c" * 99)[:-9])
    with pytest.raises(ValueError, match=r"cut\.gz is not a complete gzip file"):
        Tokenizer.train([tmp_path / "cut.gz"], level="word")


@pytest.mark.parametrize("level", LEVELS)
def test_user_defined_symbols_are_one_piece(level):
    tokenizer = train(level, user_defined_symbols=["<2fr>", "x,y"])
    for symbol in ("<2fr>", "x,y"):
        piece = f"▁{symbol}" if level == "word" else symbol
        assert piece in tokenizer.pieces(tokenizer.encode(f"{symbol} {TEXTS[0]}"))


def test_segmentations_are_those_of_the_text_the_best_first(subword):
    found = subword.segmentations(TEXTS[0], 8)
    assert found[0][0] == tuple(subword.encode(TEXTS[0]))
    assert {subword.decode(ids) for ids, _ in found} == {subword.decode(found[0][0])}
    log_probs = [log_prob for _, log_prob in found]
    assert log_probs == sorted(log_probs, reverse=True)
    assert len({ids for ids, _ in found}) == len(found) == 8


def test_a_blank_text_has_no_segmentation(subword):
    assert subword.segmentations(" ", 4) == []


@pytest.mark.parametrize("level", ["character", "word"])
def test_only_subwords_have_other_segmentations(level):
    with pytest.raises(ValueError, match='need a model of the level "subword"'):
        train(level).segmentations("a", 2)


def test_decode_stops_at_eos_and_leaves_out_pad_and_bos(tokenizer):
    ids = tokenizer.encode(TEXTS[0])
    text = tokenizer.decode(ids)
    assert tokenizer.decode([BOS_ID, *ids, PAD_ID, EOS_ID, *ids, 10**6]) == text
    assert tokenizer.decode([]) == tokenizer.decode([EOS_ID]) == ""


def test_decode_takes_arrays(subword):
    batch = pad_batch(subword.encode(TEXTS[:5]))
    assert subword.decode(batch) == subword.decode(subword.encode(TEXTS[:5]))
    assert subword.decode(batch[0]) == subword.decode(batch)[0]
    assert subword.decode(batch[:0]) == []


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([330], r"in \[0, 330\). Received: 330"),
        ([5, -1], r"in \[0, 330\). Received: -1"),
        ([5.0], r"must be integers .* dtype float64, shape \(1,\)"),
        (["a"], "must be integers"),
        (np.zeros((2, 2, 2), int), "must be integers"),
    ],
)
def test_decode_refuses(subword, ids, message):
    with pytest.raises(ValueError, match=message):
        subword.decode(ids)


def test_pieces(subword):
    assert subword.pieces(range(4)) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert "".join(subword.pieces(subword.encode("ab cd"))) == "▁ab▁cd"
    with pytest.raises(ValueError, match=r"in \[0, 330\). Received: 330"):
        subword.piece(330)


def test_equal_models_compare_equal(subword):
    other = pickle.loads(pickle.dumps(subword))
    assert other == subword and hash(other) == hash(subword)
    assert other.encode(TEXTS) == subword.encode(TEXTS)
    assert subword != train("word")
    assert repr(subword).startswith("Tokenizer(vocabulary_size=330, sha256=")


def test_save_and_load_are_equal_and_leave_no_other_file(subword, tmp_path):
    path = tmp_path / "spm.model"
    path.write_bytes(b"old")
    subword.save(path)
    assert Tokenizer.load(path) == subword
    assert [file.name for file in tmp_path.iterdir()] == ["spm.model"]


@pytest.mark.parametrize("keep", [0, 1, 1000, -7])
def test_load_refuses_a_damaged_file(subword, tmp_path, keep):
    path = tmp_path / "bad.model"
    path.write_bytes(subword.to_bytes()[:keep])
    with pytest.raises(ValueError, match=r"bad\.model: The model must be a SentencePiece model"):
        Tokenizer.load(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"special ids .*'eos_id': 3}. Received: {'pad_id': -1, .*Train the model with these"),
        (
            {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "user_defined_symbols": "</s>"},
            "special ids .*Received: .*'eos_id': -1",
        ),
    ],
)
def test_models_of_others_must_have_our_special_ids(options, message):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        vocab_size=30,
        model_type="char",
        minloglevel=2,
        **options,
    )
    with pytest.raises(ValueError, match=message):
        Tokenizer(model.getvalue())


def test_pad_batch():
    batch = pad_batch([[5, 6], [], [7]], 3)
    assert batch.dtype == np.int32
    assert batch.tolist() == [[5, 6, 0], [0, 0, 0], [7, 0, 0]]
    assert pad_batch([[5, 6], [7]]).shape == (2, 2)
    assert pad_batch([]).shape == (0, 0)
    with pytest.raises(ValueError, match="at least the longest sequence, 2. Received: 1"):
        pad_batch([[5, 6]], 1)


PAIRS = list(zip(TEXTS, sentences(1), strict=True))


def joint_pair():
    return TokenizerPair.train(iter(PAIRS), 330, joint=True)


def side_pair():
    return TokenizerPair.train(iter(PAIRS), (330, None), target_level="word")


def test_a_pair_is_joint_or_one_per_side():
    assert joint_pair().joint and not side_pair().joint
    assert joint_pair().source == Tokenizer.train([text for pair in PAIRS for text in pair], 330)
    assert side_pair().source == Tokenizer.train(TEXTS, 330)
    assert side_pair().target == Tokenizer.train(sentences(1), level="word")


def test_a_pair_is_saved_and_loaded_and_replaces_the_other_form(tmp_path):
    for pair in (joint_pair(), side_pair(), joint_pair()):
        pair.save(tmp_path / "new")
        names = {file.name for file in (tmp_path / "new").iterdir()}
        assert names == set(pair.file_names)
        assert TokenizerPair.load(tmp_path / "new") == pair


def test_loading_a_pair_refuses_neither_and_both(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"either tokenizer\.model or .* with neither"):
        TokenizerPair.load(tmp_path)
    for name in ("tokenizer.model", "source_tokenizer.model", "target_tokenizer.model"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match="with both"):
        TokenizerPair.load(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"vocabulary_size": (330, 330), "joint": True},
        {"vocabulary_size": 330, "joint": True, "target_level": "word"},
        {"vocabulary_size": (330, 330, 330)},
    ],
)
def test_training_a_pair_refuses(options):
    with pytest.raises(ValueError, match="one size or .source, target.; if joint=True"):
        TokenizerPair.train(PAIRS, **options)
