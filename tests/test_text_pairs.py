import csv
import io

import pytest
from conftest import word_pairs

from keras_seq2seq import Gate, PairBatches, Shortlist, Tokenizer, TokenizerPair, evaluate
from keras_seq2seq.text.pairs import checked_pairs, checked_texts
from keras_seq2seq.training.corpus import CorpusError, from_pairs

PAIRS = [("the dog", "le chien"), ("a cat", "un chat")]
ROWS = {
    "csv": list(csv.DictReader(io.StringIO("en,fr\nthe dog,le chien\na cat,un chat\n"))),
    "more columns": [{"id": i, "fr": t, "en": s} for i, (s, t) in enumerate(PAIRS)],
    "hugging face": [{"id": "0", "translation": {"en": s, "fr": t}} for s, t in PAIRS],
}
NO_PAIRS = {
    "row with names": {"en": "the dog", "fr": "le chien"},
    "two letters": "ab",
    "bytes": b"ab",
    "a set": {"a", "b"},
    "three": ("a", "b", "c"),
    "none": ("a", None),
    "nan": ("a", float("nan")),
    "number": ("a", 1),
    "nothing": None,
}


def doors(tokenizers):
    """Everything that takes pairs."""
    return {
        "batches": lambda pairs: PairBatches(pairs, tokenizers),
        "tokenizers": lambda pairs: TokenizerPair.train(pairs, source_level="word"),
        "joint": lambda pairs: TokenizerPair.train(pairs, 300, joint=True),
        "shortlist": lambda pairs: Shortlist.of_texts(pairs, tokenizers),
        "gate": lambda pairs: Gate(pairs),
    }


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_with_names_are_pairs_of_named_columns(rows, tokenizers):
    assert list(checked_pairs(rows, ("en", "fr"))) == PAIRS
    assert from_pairs(rows, columns=("en", "fr")).pairs == tuple(PAIRS)
    assert PairBatches(rows, tokenizers, columns=("en", "fr")).pairs == PAIRS
    level = {"source_level": "word", "target_level": "word"}
    trained = TokenizerPair.train(rows, columns=("en", "fr"), **level)
    assert trained == TokenizerPair.train(PAIRS, **level)


@pytest.mark.parametrize("door", ["batches", "tokenizers", "joint", "shortlist", "gate"])
@pytest.mark.parametrize("row", NO_PAIRS.values(), ids=NO_PAIRS)
def test_no_door_takes_what_is_no_pair(door, row, tokenizers):
    with pytest.raises((TypeError, ValueError), match="Received: pair 2 "):
        doors(tokenizers)[door]([*PAIRS[:1], row])
    with pytest.raises(CorpusError, match="malformed rows: 1\n    pair 2: "):
        from_pairs([*PAIRS[:1], row])


@pytest.mark.parametrize("pairs", ["abab", b"abab", {"en": ["a"], "fr": ["b"]}])
def test_what_is_one_text_or_one_table_is_no_list_of_pairs(pairs, tokenizers):
    with pytest.raises(TypeError, match="zip two columns"):
        PairBatches(pairs, tokenizers)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (None, r"need `columns`.*names \['en', 'fr'\]"),
        (("en", "de"), r"Received: \['de'\], missing in pair 1"),
        ("en", "`columns` must be two names, .*Received: 'en'"),
    ],
)
def test_columns_are_checked(columns, message):
    with pytest.raises(TypeError, match=message):
        list(checked_pairs(ROWS["csv"], columns))


@pytest.mark.parametrize("texts", ["ab", b"ab", {"a": 1}])
def test_one_text_is_no_list_of_texts(texts):
    with pytest.raises(TypeError, match="`references` must be a list of texts. Received: one "):
        evaluate(["a", "b"], texts)
    with pytest.raises(TypeError, match="`sentences` must be a list of texts"):
        checked_texts(texts, "sentences")


@pytest.mark.parametrize("text", [None, float("nan"), 3, ["a"], {"en": "a"}])
def test_a_list_of_texts_holds_texts(text):
    with pytest.raises(TypeError, match="`translations` must hold texts.*as text 2"):
        evaluate(["a", text], ["a", "b"])
    with pytest.raises(TypeError, match="A text must be str or bytes"):
        Tokenizer.train(["a", text], level="word")


def test_a_generator_of_pairs_is_read_once(tokenizers):
    assert PairBatches((pair for pair in word_pairs(9)), tokenizers).pairs == word_pairs(9)
