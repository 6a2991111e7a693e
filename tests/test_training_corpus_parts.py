import json

import pytest
from conftest import word_pairs
from word_corpus import write_corpus

from keras_seq2seq import Recipe
from keras_seq2seq.training.corpus_parts import WeightedPairs, read_parts


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def parts_of(recipe_path, *settings):
    return read_parts(Recipe.load(recipe_path, settings))


def test_parts_are_those_of_the_files(recipe_path):
    parts = parts_of(recipe_path)
    assert parts.train == tuple(word_pairs(200, 0))
    assert parts.validation == tuple(word_pairs(20, 1))
    assert parts.test == tuple(word_pairs(15, 2))


def test_without_validation_an_even_spread_of_the_training_part_is_held_out(recipe_path):
    parts = parts_of(recipe_path, "data.validation=[]", "data.test=[]")
    given = word_pairs(200, 0)
    assert parts.validation == tuple(given[::10])
    assert parts.train == tuple(pair for pair in given if pair not in given[::10])
    assert parts.test == ()


ONE_FILE = {
    "tsv": "\t".join,
    "jsonl": lambda pair: json.dumps(dict(zip(("en", "fr"), pair, strict=True))),
}


@pytest.mark.parametrize("form", ONE_FILE)
def test_one_file_with_both_sides(tmp_path, form):
    pairs = [(f"a {i}", f"b {i}") for i in range(12)]
    (tmp_path / "train").write_text("\n".join(map(ONE_FILE[form], pairs)), "utf-8")
    data = {"format": form, "folder": str(tmp_path), "train": ["train"]}
    fields = {"source_field": "en", "target_field": "fr"}
    parts = read_parts(Recipe.from_tables({"data": {**data, **fields}}))
    assert (parts.validation, parts.train) == (tuple(pairs[:1]), tuple(pairs[1:]))


def test_too_few_pairs_to_hold_some_out(tmp_path):
    (tmp_path / "train").write_text("a\tb\n" * 9, "utf-8")
    data = {"format": "tsv", "folder": str(tmp_path), "train": ["train"]}
    with pytest.raises(ValueError, match="there must be 10 training pairs.*Received: 9"):
        read_parts(Recipe.from_tables({"data": data}))


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(1, "abcd"), (2, "abcdabcd"), (0.5, "bd"), (1.25, "abcdd"), (0.1, "")],
)
def test_weights_repeat_pairs_or_take_a_spread(weight, expected):
    corpora = [[(c, c) for c in "abcd"], [("z", "z")]]
    found = WeightedPairs(corpora, [weight, 1])
    for _ in range(2):
        assert "".join(source for source, _ in found) == expected + "z"


def test_what_is_held_out_comes_from_every_corpus_and_never_in_training(tmp_path):
    for name, first in (("one", 0), ("two", 30)):
        rows = "".join(f"a {i}\tb {i}\n" for i in range(first, first + 30))
        (tmp_path / name).write_text(rows, "utf-8")
    data = {"format": "tsv", "folder": str(tmp_path), "train": ["one", "two"], "weights": [1, 3]}
    parts = read_parts(Recipe.from_tables({"data": data}))
    assert [source for source, _ in parts.validation] == [f"a {i}" for i in range(0, 60, 10)]
    assert len(parts.train) == 27 + 3 * 27
    assert not set(parts.train) & set(parts.validation)
