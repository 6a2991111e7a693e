"""Tiny models with weights of some size, so that their translations differ and end."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np

from keras_seq2seq.config import EOS_ID, Seq2SeqConfig
from keras_seq2seq.decoding.strategy import BeamSearch
from keras_seq2seq.exporters.litert import write_litert
from keras_seq2seq.exporters.onnx import write_onnx
from keras_seq2seq.exporters.saved_model import write_saved_model
from keras_seq2seq.models.seq2seq import Seq2Seq
from keras_seq2seq.runtimes.keras_model import KerasRuntime
from keras_seq2seq.tokenizer import TokenizerPair

MAX_LENGTH = 8
BEAM = BeamSearch(3, 2)
VOCABULARY_SIZE = 21
SIZES = {
    "source_vocabulary_size": VOCABULARY_SIZE,
    "target_vocabulary_size": VOCABULARY_SIZE,
    "embedding_dim": 6,
    "units": 8,
    "max_length": MAX_LENGTH,
}
SHARED = {"share_embeddings": True, "tie_output": True}
TWO_LAYERS = {"num_encoder_layers": 2, "num_decoder_layers": 2}
CONFIGS = {
    "gru_general": {"attention": "general"},
    "lstm_dot_layers": {"cell": "lstm", "attention": "dot", "bridge": "copy", "residual": True}
    | TWO_LAYERS,
    "gru_scaled_shared": {"attention": "scaled", "bridge": "zero"} | SHARED,
    "gru_additive_feeding": {"attention": "additive", "input_feeding": True} | SHARED | TWO_LAYERS,
    "rnn_last": {"cell": "simple_rnn", "context": "last", "bidirectional": False},
    "lstm_mean_every_step": {
        "cell": "lstm",
        "context": "mean",
        "context_use": "every_step",
        "bridge": "zero",
    },
    "gru_max": {"context": "max", "num_decoder_layers": 2, "bidirectional": False},
}


@dataclasses.dataclass(frozen=True)
class Exported:
    """A model, the reference that runs it, and what was written of it."""

    model: Seq2Seq
    keras: KerasRuntime
    folder: Path


@functools.cache
def exported(name: str) -> Exported:
    """Returns a model of `CONFIGS` with `litert/` and `saved_model/`, written once."""
    model = tiny_model(**CONFIGS[name])
    folder = Path(_temporary().name) / name
    write_litert(model, folder / "litert", max_length=MAX_LENGTH)
    write_saved_model(model, None, folder / "saved_model", max_length=MAX_LENGTH)
    return Exported(model, KerasRuntime(model, MAX_LENGTH), folder)


@functools.cache
def exported_with_beam() -> Exported:
    """Returns a model of which every file has a beam search inside."""
    model = tiny_model(cell="lstm", attention="scaled", input_feeding=True)
    folder = Path(_temporary().name) / "beam"
    options = {"max_length": MAX_LENGTH, "beam": BEAM}
    write_litert(model, folder / "litert", quantizations=["float32"], **options)
    write_saved_model(model, None, folder / "saved_model", **options)
    (folder / "onnx").mkdir()
    write_onnx(model, folder / "onnx", **options)
    return Exported(model, KerasRuntime(model, MAX_LENGTH, BEAM), folder)


@functools.cache
def exported_with_text() -> Exported:
    """Returns a model whose `saved_model/` holds its tokenizers."""
    tokenizers = TokenizerPair.train(
        [("one two three", "un deux trois"), ("four five six", "quatre cinq six")],
        source_level="character",
        target_level="word",
    )
    sizes = {
        "source_vocabulary_size": tokenizers.source.vocabulary_size,
        "target_vocabulary_size": tokenizers.target.vocabulary_size,
    }
    model = tiny_model(**sizes)
    model.tokenizers = tokenizers
    folder = Path(_temporary().name) / "text"
    write_saved_model(model, tokenizers, folder / "saved_model", max_length=MAX_LENGTH)
    return Exported(model, KerasRuntime(model, MAX_LENGTH), folder)


def tiny_model(**config: object) -> Seq2Seq:
    model = Seq2Seq(Seq2SeqConfig(**{**SIZES, **config}))
    generator = np.random.default_rng(8)
    for weight in model.weights:
        if "seed" not in weight.path:
            scale = 1.0 if len(weight.shape) > 1 else 0.2
            weight.assign(generator.normal(scale=scale, size=weight.shape))
    return model


def source_batch(rows: int, length: int, *, padding: int = 0) -> np.ndarray:
    """Returns sources of `length` ids, eos included, before `padding` columns of pad."""
    generator = np.random.default_rng((rows, length))
    ids = generator.integers(EOS_ID + 1, VOCABULARY_SIZE, (rows, length)).astype("int32")
    ids[:, -1] = EOS_ID
    return np.pad(ids, ((0, 0), (0, padding)))


def same_hypotheses(received, expected):
    assert [(h.ids, h.finished) for h in received] == [(h.ids, h.finished) for h in expected]
    np.testing.assert_allclose(
        [h.score for h in received], [h.score for h in expected], rtol=1e-5, atol=1e-5
    )


def same_arrays(received, expected):
    assert set(received) == set(expected)
    for name, array in expected.items():
        assert received[name].dtype == array.dtype
        np.testing.assert_allclose(received[name], array, rtol=1e-5, atol=1e-5, err_msg=name)


@functools.cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="keras_seq2seq_tests_")
