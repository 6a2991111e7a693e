import importlib
import random
import sys

import numpy as np
import pytest

from keras_seq2seq.text.tokenizer import Tokenizer, TokenizerPair, pad_batch
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID

tf = pytest.importorskip("tensorflow")
layer = pytest.importorskip("keras_seq2seq.text.graph_tokenizer")

HOSTILE = [
    *("", " ", "   ", "\t", "\n", "a\tb\r\nc", "  a  b  ", "a\0b", "\0", "\0\0 a\0"),
    *(
        "👩‍👩‍👧‍👦 👍🏽",
        "e\u0301a\u0308",
        "漢字かな交じり文",
        "שלום עולם",
        "مرحبا",
        "ｆｕｌｌ　ｗｉｄｔｈ",
    ),
    *("a\u200bb\u200d\u2060c", "\ufeffa", "\u202ea", "\x01\x02\x7f\x85", "\u2028\u2029", "\ufffd"),
    *("<s>", "</s>", "<pad>", "<unk>", "<0x41>", "▁", "▁▁a", "⁇", "<2fr>a <2fr>", "x,y"),
    *("ﬁ½Å™㎏", "\U0010ffff\ufffe"),
    *(b"\x80", b"a\x80b", b"\xc0\x80", b"\xc0\xaf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"),
    *(b"\xe2\x82", b"\xe2\x82a", b"\xf0\x9f\x98 a", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80"),
    *(b"\xff", b"\xff\xff\xfe a", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xc3\xc3\xa9"),
    *("a b" * 33_334, "東" * 100_000, b"\xff" * 100_000),
]


def random_texts(seed, count=400):
    draw = random.Random(seed)
    tops = (0x80, 0x800, 0xD800, 0x110000)
    for _ in range(count):
        points = [draw.randrange(draw.choice(tops)) for _ in range(draw.randrange(20))]
        yield "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000)
        yield bytes(draw.choice([draw.randrange(256), *b"\xe2\xf0\x9f\x80a "]) for _ in points)


def sentences():
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdeéß東',<>/s", k=4)) for _ in range(200)]
    return [" ".join(draw.choices(words, k=draw.randint(2, 9))) for _ in range(300)]


def train(level, symbols=(), normalization="nmt_nfkc"):
    size = 330 if level == "subword" else None
    options = {"user_defined_symbols": symbols, "normalization": normalization}
    return Tokenizer.train(sentences(), size, level=level, **options)


@pytest.fixture(
    scope="module",
    params=[
        *("subword", "character", "word", "subword with symbols"),
        *("subword identity", "character nfkc", "word identity", "subword nmt_nfkc_cf"),
        "character nfkc_cf",
    ],
)
def tokenizer(request):
    level, _, option = request.param.partition(" ")
    if option == "with symbols":
        return train(level, ["<2fr>", "x,y", "\ufffd", "\u200d"])
    return train(level, normalization=option or "nmt_nfkc")


@pytest.fixture(scope="module")
def graph(tokenizer):
    return layer.GraphTokenizer(TokenizerPair(tokenizer, tokenizer))


def test_ids_are_equal_on_hostile_text(tokenizer, graph):
    expected = pad_batch([[*ids, EOS_ID] for ids in tokenizer.encode(HOSTILE)])
    np.testing.assert_array_equal(graph.encode(tf.constant(HOSTILE)), expected)


def test_ids_are_equal_on_random_text(tokenizer, graph):
    texts = list(random_texts(1))
    expected = pad_batch([[*ids, EOS_ID] for ids in tokenizer.encode(texts)])
    np.testing.assert_array_equal(graph.encode(tf.constant(texts)), expected)


def random_ids(vocabulary_size):
    draw = np.random.default_rng(2)
    any_ids = draw.integers(0, vocabulary_size, (400, 12))
    # The first ids after the special ones are the byte pieces: seldom UTF-8.
    low_ids = draw.integers(4, min(vocabulary_size, 264), (400, 12))
    return np.concatenate([any_ids, low_ids]).astype("int32")


def test_texts_are_equal_on_random_ids(tokenizer, graph):
    ids = random_ids(tokenizer.vocabulary_size)
    texts = [text.decode() for text in graph.decode(tf.constant(ids)).numpy()]
    assert texts == tokenizer.decode(ids)


def test_decode_stops_at_eos_and_leaves_out_pad_and_bos(tokenizer, graph):
    ids = tokenizer.encode(sentences()[0])
    rows = pad_batch([[BOS_ID, *ids, PAD_ID, EOS_ID, *ids, 10**6], [EOS_ID, *ids], []])
    texts = graph.decode(tf.constant(rows)).numpy()
    assert [text.decode() for text in texts] == [tokenizer.decode(ids), "", ""]


def test_an_id_outside_the_vocabulary_is_an_error(graph):
    with pytest.raises(tf.errors.OutOfRangeError, match="Invalid id: 1000000"):
        graph.decode(tf.constant([[10**6]]))


def test_empty_batches(graph):
    assert graph.encode(tf.constant([], tf.string)).shape == (0, 1)
    assert graph.decode(tf.zeros([0, 3], tf.int32)).shape == (0,)
    assert graph.decode(tf.zeros([2, 0], tf.int32)).numpy().tolist() == [b"", b""]


def test_each_side_has_its_own_tokenizer():
    pair = TokenizerPair(train("subword"), train("character"))
    graph = layer.GraphTokenizer(pair)
    text = sentences()[0]
    assert graph.encode(tf.constant([text]))[0, :-1].numpy().tolist() == pair.source.encode(text)
    ids = tf.constant([pair.target.encode(text)])
    assert graph.decode(ids)[0].numpy().decode() == " ".join(text.split())


def test_a_saved_model_holds_the_tokenizer_without_an_asset(tokenizer, graph, tmp_path):
    module = tf.Module()
    module.graph = graph
    encode = tf.function(graph.encode, input_signature=[tf.TensorSpec([None], tf.string)])
    decode = tf.function(graph.decode, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    signatures = {
        "encode": encode.get_concrete_function(),
        "decode": decode.get_concrete_function(),
    }
    assert signatures["encode"].output_shapes.rank == 2
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    loaded = tf.saved_model.load(str(tmp_path)).signatures
    assert not list((tmp_path / "assets").glob("*"))
    (ids,) = loaded["encode"](tf.constant(HOSTILE)).values()
    np.testing.assert_array_equal(ids, graph.encode(tf.constant(HOSTILE)))
    ids = tf.constant(random_ids(tokenizer.vocabulary_size))
    (texts,) = loaded["decode"](ids).values()
    assert texts.numpy().tolist() == graph.decode(ids).numpy().tolist()
    (ids,) = loaded["encode"](tf.constant([], tf.string)).values()
    assert ids.shape == (0, 1)


def test_the_error_without_tensorflow_text_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    monkeypatch.delitem(sys.modules, "keras_seq2seq.text.graph_tokenizer")
    message = r"needs TensorFlow and tensorflow-text.*no Windows wheel.*\[tensorflow\]"
    with pytest.raises(ImportError, match=message):
        importlib.import_module("keras_seq2seq.text.graph_tokenizer")
