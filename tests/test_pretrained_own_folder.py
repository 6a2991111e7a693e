"""benchmarks/systems/marian_folder.py: a Transformer of ours as a folder of Hugging Face Marian."""

import importlib.util

import numpy as np
import pytest
from conftest import ROOT, TEXTS, tiny_config, tiny_model, word_pairs

from keras_seq2seq import TokenizerPair, Translator, import_pretrained

PATH = ROOT / "benchmarks" / "systems" / "marian_folder.py"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason="needs the checkout")
SIZES = ("source_vocabulary_size", "target_vocabulary_size")
OPTIONS = {
    **{"encoder": "transformer", "decoder": "transformer", "normalization": "post"},
    **{"num_heads": 2, "feedforward_dim": 12, "num_encoder_layers": 2, "num_decoder_layers": 2},
    **{"share_embeddings": True, "tie_output": True},
    **{"activation": "swish", "output_bias": True},
}


@pytest.fixture(scope="module")
def write_marian():
    spec = importlib.util.spec_from_file_location("marian_folder", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_marian


@pytest.fixture(scope="module")
def tokenizers():
    return TokenizerPair.train(word_pairs(300), 300, joint=True)


def translated(model):
    options = {"max_length": model.config.max_length, "search": "host"}
    translator = Translator(Translator.from_model(model).runtime, model.tokenizers, **options)
    return translator.translate(TEXTS)


def test_it_comes_back_with_its_words(write_marian, tokenizers, tmp_path):
    size = tokenizers.source.vocabulary_size
    model = tiny_model(tiny_config(**dict.fromkeys(SIZES, size), **OPTIONS))
    model.tokenizers = tokenizers
    write_marian(model, tmp_path)
    found = import_pretrained(tmp_path, max_length=model.config.max_length)
    wanted = translated(model)
    assert translated(found.model) == wanted
    assert len(set(wanted)) > 2
    # Its bos becomes a token that no text has.
    assert found.model.tokenizers.source.vocabulary_size == size + 1
    for mine, given in zip(model.weights, found.model.weights, strict=False):
        if mine.path.startswith(("encoder", "decoder")):
            np.testing.assert_array_equal(mine, given)


@pytest.mark.parametrize("change", [{"normalization": "pre"}, {"share_embeddings": False}])
def test_what_marian_does_not_have_is_refused(write_marian, tokenizers, tmp_path, change):
    size = tokenizers.source.vocabulary_size
    model = tiny_model(tiny_config(**dict.fromkeys(SIZES, size), **{**OPTIONS, **change}))
    model.tokenizers = tokenizers
    with pytest.raises(ValueError, match=f"have no other {next(iter(change))}"):
        write_marian(model, tmp_path)
