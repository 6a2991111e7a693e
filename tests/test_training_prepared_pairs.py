import json
import pickle
import shutil

import pytest
from conftest import word_tokenizers
from word_corpus import write_corpus

from keras_seq2seq import PairBatches, Recipe
from keras_seq2seq.training.prepare import prepare
from keras_seq2seq.training.prepared_pairs import META, PreparedError, PreparedPairs, write_meta


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    prepare(Recipe.load(write_corpus(folder)), folder / "prepared")
    return folder / "prepared"


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy", copy_function=shutil.copyfile)


def test_a_copy_is_the_same(whole, copy):
    assert list(PreparedPairs(copy)) == list(PreparedPairs(whole))
    assert next(iter(pickle.loads(pickle.dumps(PreparedPairs(copy))))) == PreparedPairs(whole)[0]


FILES = ("source.ids", "target.edges", "order", "validation.jsonl", "source_tokenizer.model")


@pytest.mark.parametrize("name", FILES)
def test_damage_is_found(copy, name):
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(PreparedError, match=f"{name} is damaged: copy the prepared folder"):
        PreparedPairs(copy)
    path.write_bytes(data[:-2])
    with pytest.raises(PreparedError, match=f"{name} is damaged"):
        PreparedPairs(copy)
    path.unlink()
    with pytest.raises(PreparedError, match=f"{name} does not exist"):
        PreparedPairs(copy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1}', "{" * 9999])
def test_a_broken_index_is_refused(copy, text):
    (copy / META).write_text(text)
    with pytest.raises(PreparedError, match=META):
        PreparedPairs(copy)


def test_an_edited_index_and_a_later_format_are_refused(copy):
    values = json.loads((copy / META).read_text())
    (copy / META).write_text(json.dumps({**values, "pairs": 3}))
    with pytest.raises(PreparedError, match="was changed or damaged"):
        PreparedPairs(copy)
    write_meta(copy, {"format_version": 2})
    with pytest.raises(PreparedError, match="must have format version 1. Received: 2"):
        PreparedPairs(copy)


def test_no_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="holds no prepared pairs: .*seq2seq prepare RECIPE"
    ):
        PreparedPairs(tmp_path)


def test_batches_need_its_tokenizers_and_length(whole):
    prepared = PreparedPairs(whole)
    with pytest.raises(ValueError, match="`tokenizers` must be those that the pairs were prepared"):
        PairBatches(prepared, word_tokenizers(joint=True))
    with pytest.raises(ValueError, match="`max_length` must be 9, as .* Received: 8"):
        PairBatches(prepared, prepared.tokenizers, max_length=8)
    with pytest.raises(IndexError, match=r"must be in \[0, 200\). Received: 200"):
        prepared[200]
