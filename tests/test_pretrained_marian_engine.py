"""Models of Marian translate as the engine of Marian does.

`tests/data/write_pretrained_marian.py` made the models and asked the engine.
"""

import functools
import json
import tarfile

import numpy as np
import pytest
from conftest import ROOT
from marian_files import write_bin
from written_once import written_once

from keras_seq2seq import Greedy, Translator, import_pretrained
from keras_seq2seq.file_formats.npz_file import read_npz
from keras_seq2seq.pretrained.tokenizers import WORD_MARK
from keras_seq2seq.text.vocabulary import EOS_ID, UNK_ID

pytest.importorskip("yaml", reason="the extra pretrained is not installed")
MODELS = ("student", "transformer")
RULES = {"max_length_factor": 3.0, "suppress": (UNK_ID,)}


@functools.cache
def folder(name):
    def extract(room):
        with tarfile.open(ROOT / "tests" / "data" / "pretrained_marian.tar.xz") as archive:
            archive.extractall(room, filter="data")

    return written_once("pretrained_marian", extract) / "pretrained_marian" / name


@functools.cache
def imported(name):
    return import_pretrained(folder(name), max_length=64)


@functools.cache
def expected(name):
    return json.loads((folder(name) / "expected.json").read_text("utf-8"))


def n_best(found, name, strategy, shortlist=None):
    runtime = Translator.from_model(found.model).runtime
    options = {"max_length": 64, "search": "host", "shortlist": shortlist}
    translator = Translator(runtime, found.model.tokenizers, strategy=strategy, **options)
    return [row[0] for row in translator.n_best(expected(name)["texts"])]


def texts(found):
    return [translation.text for translation in found]


def of_engine(name, variant):
    return [one["text"] for one in expected(name)["engine"][variant]]


def share(found, wanted):
    return np.mean([one == other for one, other in zip(found, wanted, strict=True)])


@pytest.mark.parametrize("name", MODELS)
def test_a_greedy_search_finds_the_words_of_the_engine(name):
    assert texts(n_best(imported(name), name, Greedy(**RULES))) == of_engine(name, "greedy")
    assert len(set(of_engine(name, "greedy"))) > 12


def words(tokenizer, ids, log_probs):
    """Returns the mean log-probability of each word, as the engine tells it."""
    groups = []
    for token, log_prob in zip(ids, log_probs, strict=True):
        if token == EOS_ID:
            continue
        if tokenizer.piece(token).startswith(WORD_MARK) or not groups:
            groups.append([])
        groups[-1].append(log_prob)
    return [float(np.mean(group)) for group in groups]


@pytest.mark.parametrize("name", MODELS)
def test_words_have_the_log_probabilities_of_the_engine(name):
    found = n_best(imported(name), name, Greedy(**RULES))
    compared = 0
    for one, wanted in zip(found, expected(name)["engine"]["greedy"], strict=True):
        tokenizer, hypothesis = imported(name).model.tokenizers.target, one.hypothesis
        mine = words(tokenizer, hypothesis.ids, hypothesis.token_log_probs[: len(hypothesis.ids)])
        count = min(len(mine), len(wanted["words"]))
        np.testing.assert_allclose(mine[:count], wanted["words"][:count], atol=1e-4)
        compared += count
    assert compared > 60


@pytest.mark.parametrize("name", MODELS)
def test_a_beam_that_keeps_its_width_finds_most_of_its_words(name):
    found = imported(name)
    assert share(texts(n_best(found, name, found.strategy)), of_engine(name, "beam")) >= 0.9


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_8_bits_find_its_words(name, tmp_path):
    # The engine computes in 8 bits too, the model of the same numbers in float32.
    write_bin(tmp_path / "model.bin", read_npz(folder(name) / "model.npz"), eight_bits=True)
    vocabulary = folder(name) / "vocab.spm"
    found = import_pretrained(tmp_path, max_length=64, vocabularies=[vocabulary])
    assert share(texts(n_best(found, name, Greedy(**RULES))), of_engine(name, "int8")) >= 0.9


@pytest.mark.parametrize("name", MODELS)
def test_a_shortlist_leaves_its_words(name):
    found = imported(name)
    mine = texts(n_best(found, name, Greedy(**RULES), found.shortlist))
    assert share(mine, of_engine(name, "shortlist")) == 1
