"""Prepared pairs are the pairs of the texts: the same batches, however they were prepared."""

import os
import signal
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from conftest import ROOT, WARNINGS, tiny_config, tiny_model
from word_corpus import write_corpus

from keras_seq2seq import PairBatches, Recipe, resumable_fit
from keras_seq2seq.cli.main import main
from keras_seq2seq.training import encoded_pairs, length_order
from keras_seq2seq.training import prepare as prepare_module
from keras_seq2seq.training.corpus import CorpusError
from keras_seq2seq.training.corpus_parts import read_parts
from keras_seq2seq.training.length_order import LENGTH_TYPE, write_edges, write_order
from keras_seq2seq.training.prepare import prepare
from keras_seq2seq.training.prepared_pairs import PreparedError, PreparedPairs
from keras_seq2seq.training.recipe_tokenizers import recipe_tokenizers

SUBWORD = ("tokenizer.source_level=subword", "tokenizer.target_level=subword")
SUBWORD = (*SUBWORD, "tokenizer.vocabulary_size=285", "tokenizer.target_vocabulary_size=285")
SETTINGS = {
    "plain": (),
    "subword sampling": (*SUBWORD, "model.max_length=30"),
    "joint": ("tokenizer.joint=true",),
    "held out": ("data.validation=[]", "data.test=[]"),
    "weights": ('data.train=["train.src","train.tgt","val.src","val.tgt"]', "data.weights=[2.5,1]"),
    "long pairs left out": ("model.max_length=4", "data.policy=drop"),
    "a sample": ("tokenizer.max_sentences=50", "data.seed=3"),
}


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def small_steps(monkeypatch):
    """Makes the parts of all that is done in parts so small that there are several."""
    monkeypatch.setattr(length_order, "PART", 37)
    monkeypatch.setattr(encoded_pairs, "PART", 41)
    monkeypatch.setattr(encoded_pairs, "BLOCK", 23)
    monkeypatch.setattr(prepare_module, "BLOCKS_PER_ENTRY", 2)


def same_batches(one, other):
    assert len(one) == len(other)
    for epoch in range(2):
        for index in range(len(one)):
            (inputs, labels), (others, other_labels) = (b.batch(epoch, index) for b in (one, other))
            np.testing.assert_array_equal(labels, other_labels)
            for name in inputs:
                np.testing.assert_array_equal(inputs[name], others[name])


@pytest.mark.parametrize("name", SETTINGS)
def test_batches_are_those_of_the_texts(name, recipe_path, tmp_path, small_steps):
    recipe = Recipe.load(recipe_path, SETTINGS[name])
    parts = read_parts(recipe)
    tokenizers = recipe_tokenizers(recipe, parts.train)
    prepared = prepare(recipe, tmp_path / "prepared")
    assert prepared.tokenizers == tokenizers
    assert prepared.texts("validation") == parts.validation
    assert prepared.texts("test") == parts.test
    assert prepared.report == parts.report
    options = {"tokens_per_batch": 100, "sampling_alpha": 0.3 if "subword" in name else None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*pairs are left out")
        batches = PairBatches(parts.train, tokenizers, max_length=recipe.max_length, **options)
    same = PairBatches(prepared, prepared.tokenizers, **options)
    same_batches(batches, same)
    assert same.fingerprint == batches.fingerprint
    assert same.fingerprint_like("") == batches.fingerprint_like("")
    for fact in ("num_dropped", "longest", "num_target_tokens", "padding_share"):
        assert getattr(same, fact) == getattr(batches, fact)
    assert len(same.pairs) == len(batches.pairs)
    assert list(prepared)[3] == batches.pairs[3]
    assert repr(same) == repr(batches)


def test_a_sort_in_parts_is_the_sort_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr(length_order, "PART", 50)
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 12, (2, 333))
    paths = [tmp_path / "s", tmp_path / "t"]
    for path, side in zip(paths, lengths, strict=True):
        side.astype(LENGTH_TYPE).tofile(path)
    table, kind = write_order(*paths, 20, tmp_path / "order")
    expected = np.lexsort((lengths.min(0), lengths.max(0)))
    np.testing.assert_array_equal(np.fromfile(tmp_path / "order", kind), expected)
    np.testing.assert_array_equal(table.counts, np.bincount(lengths.max(0), minlength=21))
    write_edges(paths[0], tmp_path / "edges")
    edges = np.fromfile(tmp_path / "edges", "<i8")
    np.testing.assert_array_equal(edges, np.concatenate([[0], np.cumsum(lengths[0])]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges", "order", "s", "t"]


class Stop(KeyboardInterrupt):
    pass


def test_a_stopped_preparation_goes_on_where_it_was(
    recipe_path, tmp_path, small_steps, monkeypatch
):
    recipe = Recipe.load(recipe_path)
    expected = prepare(recipe, tmp_path / "whole")
    encoded, trained = [], []
    plain, plain_training = prepare_module.encode_block, prepare_module.recipe_tokenizers

    def encode(texts, *rest):
        if len(encoded) == encode.most:
            raise Stop
        encoded.append(texts)
        return plain(texts, *rest)

    def train(*arguments):
        trained.append(1)
        return plain_training(*arguments)

    monkeypatch.setattr(prepare_module, "encode_block", encode)
    monkeypatch.setattr(prepare_module, "recipe_tokenizers", train)
    for encode.most in (1, 4, 7):
        with pytest.raises(Stop):
            prepare(recipe, tmp_path / "stopped")
        assert not (tmp_path / "stopped").exists()
    encode.most = 100
    found = prepare(recipe, tmp_path / "stopped")
    assert len(trained) == 1
    # The blocks after the last entry of the journal come twice, and no others.
    assert 9 < len(encoded) < 9 + 3 * 3
    names = sorted(path.name for path in expected.folder.iterdir())
    assert names == sorted(path.name for path in found.folder.iterdir())
    for name in set(names) - {"prepared.json"}:
        assert (found.folder / name).read_bytes() == (expected.folder / name).read_bytes(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped", "whole"]


KILLED = """
import os, signal, sys
from keras_seq2seq import Recipe
from keras_seq2seq.training import encoded_pairs, prepare as module, preparation
module.BLOCKS_PER_ENTRY, encoded_pairs.BLOCK = 1, 20
where, recipe, folder = sys.argv[1:]
class_ = preparation.Preparation
plain = getattr(class_, where)
def kill(self, *arguments):
    result = plain(self, *arguments) if where != "finish" else None
    if where != "append" or self.progress.read >= 60:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(class_, where, kill)
module.prepare(Recipe.load(recipe), folder)
"""


@pytest.mark.parametrize("where", ["write_texts", "append", "finish"])
def test_a_killed_preparation_goes_on(where, recipe_path, tmp_path):
    folder = tmp_path / "prepared"
    options = [f"-W{warning}" for warning in WARNINGS]
    command = [sys.executable, *options, "-c", KILLED, where, str(recipe_path), str(folder)]
    assert subprocess.run(command, cwd=ROOT / "tests").returncode == -signal.SIGKILL
    assert not folder.exists()
    found = prepare(Recipe.load(recipe_path), folder)
    assert found.encoded.digest == prepare(Recipe.load(recipe_path), tmp_path / "b").encoded.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "prepared"]


def test_what_is_prepared_already_is_not_done_again(recipe_path, tmp_path, monkeypatch):
    recipe = Recipe.load(recipe_path)
    prepare(recipe, tmp_path / "prepared")
    monkeypatch.setattr(prepare_module, "_prepare", None)
    assert len(prepare(recipe, tmp_path / "prepared")) == 200
    # Sampling is done when batches are read.
    other = Recipe.load(recipe_path, ["tokenizer.sampling_alpha=0.5", "training.seed=9"])
    assert len(prepare(other, tmp_path / "prepared")) == 200


def test_another_folder_is_replaced_by_force_alone(recipe_path, tmp_path):
    folder = tmp_path / "prepared"
    prepare(Recipe.load(recipe_path), folder)
    other = Recipe.load(recipe_path, ["model.max_length=8", "data.policy=drop"])
    with pytest.raises(
        PreparedError, match="(?s)data.policy: 'refuse' there, 'drop' in the recipe.*max_length: 9"
    ):
        prepare(other, folder)
    assert PreparedPairs(folder).max_length == 9
    assert prepare(other, folder, force=True).max_length == 8
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    own = tmp_path / "own"
    own.mkdir()
    for force in (False, True):
        with pytest.raises(FileExistsError, match="exists and holds no prepared pairs"):
            prepare(other, own, force=force)


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "corpus").mkdir()
    return write_corpus(tmp_path / "corpus")


def test_changed_texts_are_prepared_again_by_force_alone(corpus, tmp_path):
    recipe = Recipe.load(corpus)
    prepare(recipe, tmp_path / "prepared")
    for side in ("src", "tgt"):
        with (corpus.parent / f"train.{side}").open("a") as file:
            file.write("one more\n")
    with pytest.raises(FileExistsError, match="was prepared from files that were changed since"):
        prepare(recipe, tmp_path / "prepared")
    assert len(prepare(recipe, tmp_path / "prepared", force=True)) == 201


def test_texts_that_change_meanwhile_are_refused(corpus, tmp_path, monkeypatch):
    plain = prepare_module.recipe_tokenizers

    def train(*arguments):
        os.utime(corpus.parent / "train.src")
        return plain(*arguments)

    monkeypatch.setattr(prepare_module, "recipe_tokenizers", train)
    with pytest.raises(PreparedError, match="were changed while they were prepared"):
        prepare(Recipe.load(corpus), tmp_path / "prepared")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_what_is_refused_leaves_nothing(corpus, tmp_path):
    recipe = Recipe.load(corpus, ["model.max_length=4"])
    with pytest.raises(
        ValueError, match=r"of the first 200 training pairs .*max_length=4 tokens, up to 7"
    ):
        prepare(recipe, tmp_path / "prepared")
    recipe = Recipe.load(corpus, ["model.max_length=1", "data.policy=drop"])
    with pytest.raises(ValueError, match="At least one pair must fit. Received: 200 pairs, none"):
        prepare(recipe, tmp_path / "prepared")
    (corpus.parent / "train.src").write_bytes(b"bad \xff\n" + b"good\n" * 199)
    with pytest.raises(CorpusError, match="undecodable bytes: 1"):
        prepare(Recipe.load(corpus), tmp_path / "prepared")
    with pytest.raises(ValueError, match="must say where the pairs are written"):
        prepare(Recipe.load(corpus))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_the_phrasebook_can_be_prepared(tmp_path):
    recipe = Recipe.from_tables({"data": {"size": 1000}, "tokenizer": {"vocabulary_size": 500}})
    prepared = prepare(recipe, tmp_path / "prepared")
    assert prepared.texts("test") == read_parts(recipe).test
    assert len(prepared) == len(read_parts(recipe).train)


def test_tokenizers_of_a_run(recipe_path, tmp_path, tokenizers):
    tokenizers.save(tmp_path / "run")
    prepared = prepare(Recipe.load(recipe_path), tmp_path / "prepared", fine_tune=tmp_path / "run")
    assert prepared.tokenizers == tokenizers
    with pytest.raises(FileExistsError, match="or with other tokenizers"):
        prepare(Recipe.load(recipe_path), tmp_path / "prepared")


def test_a_training_from_prepared_pairs_is_that_from_texts(recipe_path, tmp_path):
    recipe = Recipe.load(recipe_path)
    prepared = prepare(recipe, tmp_path / "prepared")
    sources = {"texts": read_parts(recipe).train, "prepared": prepared}

    def weights(folder, names):
        """Trains an epoch on each of the pairs."""
        folder.mkdir()
        model = tiny_model(tiny_config(dropout=0.2), tokenizers=prepared.tokenizers, scale=1.0)
        model.compile("adam")
        for epochs, name in enumerate(names, 1):
            batches = PairBatches(
                sources[name], prepared.tokenizers, tokens_per_batch=200, num_shapes=1, max_length=9
            )
            state = folder / "state.npz"
            resumable_fit(model, batches, epochs=epochs, state_path=state, verbose=0)
        return np.concatenate([keras.ops.convert_to_numpy(w).ravel() for w in model.weights])

    expected = weights(tmp_path / "a", ["texts", "texts"])
    # What began with prepared pairs goes on with texts.
    np.testing.assert_array_equal(weights(tmp_path / "b", ["prepared", "texts"]), expected)


def test_the_command(recipe_path, tmp_path, capsys):
    prepared = ["--set", f"data.prepared={tmp_path / 'prepared'}"]
    assert main(["train", str(recipe_path), *prepared]) == 1
    assert "holds no prepared pairs" in capsys.readouterr().err
    cut = ["--set", "model.max_length=6", "--set", "data.policy=drop"]
    assert main(["prepare", str(recipe_path), *prepared, *cut, "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert "train: 200 pairs kept, 0 errors\n" in told
    assert "have a side of more than model.max_length=6 tokens, up to 7." in told
    assert f"pairs: {tmp_path / 'prepared'}" in told
    assert main(["prepare", str(recipe_path)]) == 1
    assert "--output-dir must say where the pairs are written" in capsys.readouterr().err
    assert main(["prepare", str(recipe_path), *prepared, "--threads", "0"]) == 1
    assert "--threads must be at least 1. Received: 0" in capsys.readouterr().err


def test_a_prepared_folder_must_fit_the_recipe(recipe_path, tmp_path, capsys):
    run, prepared = tmp_path / "run", tmp_path / "prepared"
    prepare(Recipe.load(recipe_path), prepared)
    settings = ["--set", f"data.prepared={prepared}", "--set", "tokenizer.normalization=nfkc"]
    assert main(["train", str(recipe_path), "--output-dir", str(run), *settings]) == 1
    told = "tokenizer.normalization: 'nmt_nfkc' there, 'nfkc' in the recipe"
    assert told in capsys.readouterr().err
    assert not run.exists()


def test_the_texts_need_not_be_there_any_more(corpus, tmp_path):
    prepared = tmp_path / "prepared"
    prepare(Recipe.load(corpus), prepared)
    expected = read_parts(Recipe.load(corpus))
    for part in ("train", "val", "test"):
        (corpus.parent / f"{part}.src").unlink()
    found = read_parts(Recipe.load(corpus, [f"data.prepared={prepared}"]))
    assert (found.validation, found.test) == (expected.validation, expected.test)
    assert list(found.train) == list(expected.train)
