"""Tiny models with weights of some size, so that their translations differ and end."""

import collections
import dataclasses
import functools
from pathlib import Path

import numpy as np
from grid import grid
from written_once import written_once

from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.onnx.writer import write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.saved_model.writer import write_saved_model
from keras_seq2seq.inspection.litert_model import LiteRTModel
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.runtimes.keras import KerasRuntime
from keras_seq2seq.runtimes.litert import LiteRTRuntime
from keras_seq2seq.seq2seq import Seq2Seq
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import EOS_ID

MAX_LENGTH = 8
LONGEST_SOURCE = 16  # in LiteRT files, which have 8 too
BEAM = BeamSearch(
    3,
    2,
    coverage_penalty=0.2,
    repetition_penalty=1.2,
    no_repeat_ngram_size=3,
    max_length_factor=1.3,
)
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
TRANSFORMER = {
    "encoder": "transformer",
    "decoder": "transformer",
    "embedding_dim": 8,
    "num_heads": 2,
    "feedforward_dim": 12,
}
OF_TRANSFORMERS = {
    "transformer_post_shared": {
        **{**TRANSFORMER, **SHARED},
        "normalization": "post",
        "activation": "swiglu",
        "positions": "learned",
    },
    "transformer_to_gru": {**TRANSFORMER, "decoder": "recurrent", "activation": "gelu"},
    "transformer_to_ssru": {
        **{**TRANSFORMER, "decoder": "recurrent", "num_decoder_layers": 2},
        "decoder_cell": "ssru",
    },
    "lstm_to_transformer": {
        **{**TRANSFORMER, "encoder": "recurrent", "cell": "lstm"},
        "activation": "gelu_exact",
        "scale_embeddings": False,
    },
    "student": {
        **{**TRANSFORMER, **SHARED, "num_decoder_layers": 2, "decoder_cell": "ssru"},
        "normalization": "post",
        "activation": "swish",
        "positions": "marian",
        "output_bias": True,
        "norm_epsilon": 1e-9,
    },
}
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
    "transformer": {**TRANSFORMER, **TWO_LAYERS},
    **OF_TRANSFORMERS,
}
GRID = grid(CONFIGS, ("gru_general", "transformer"))
WRITERS = {"litert": write_litert, "onnx": write_onnx, "saved_model": write_saved_model}
# Those that are written in dynamic int8 too.
QUANTISED = ("gru_general", "gru_scaled_shared", "transformer", "transformer_to_ssru")


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

    def write(folder: Path) -> None:
        longest = None if model.config.longest_source else LONGEST_SOURCE
        prepared = PreparedExport(model, MAX_LENGTH, max_source_length=longest)
        quantizations = ["float32", *(["dynamic_int8"] if name in QUANTISED else [])]
        write_litert(prepared, folder / "litert", quantizations)
        write_saved_model(prepared, folder / "saved_model")

    return Exported(model, KerasRuntime(model, MAX_LENGTH), written_once(name, write))


@functools.cache
def exported_with_beam(written_format: str = "onnx") -> Exported:
    """Returns a model and the folder of a format, whose files have a beam search inside."""
    model = tiny_model(cell="lstm", attention="scaled", input_feeding=True)

    def write(folder: Path) -> None:
        prepared = PreparedExport(model, MAX_LENGTH, beam=BEAM, max_source_length=LONGEST_SOURCE)
        WRITERS[written_format](prepared, folder)

    folder = written_once(f"beam_{written_format}", write)
    return Exported(model, KerasRuntime(model, MAX_LENGTH), folder)


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

    def write(folder: Path) -> None:
        prepared = PreparedExport(model, MAX_LENGTH, tokenizers)
        write_saved_model(prepared, folder / "saved_model")

    return Exported(model, KerasRuntime(model, MAX_LENGTH), written_once("text", write))


def litert_runtime(
    folder: Path, quantization: str = "float32", *, batch_size: int = 1, **options: object
) -> LiteRTRuntime:
    """Opens the files of a quantization that `write_litert` wrote."""
    translate = folder / f"model_{quantization}.tflite"
    names = [signature.name for signature, _ in LiteRTModel(translate).signatures]
    return LiteRTRuntime(
        translate,
        steps_path=folder / f"steps_{quantization}.tflite",
        source_lengths=sorted({int(name.rpartition("_")[2]) for name in names}),
        batch_path=folder / f"batch_{quantization}.tflite" if batch_size > 1 else None,
        batch_size=batch_size,
        **options,
    )


def tiny_model(**config: object) -> Seq2Seq:
    model = Seq2Seq(Seq2SeqConfig(**{**SIZES, **config}))
    attends_to_itself = "transformer" in (model.config.encoder, model.config.decoder)
    # With larger weights a Transformer's normalization makes rounding errors large too.
    seed, scale = (9, 0.7) if attends_to_itself else (8, 1.0)
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" not in weight.path:
            mean = float("gamma" in weight.path)
            spread = scale if len(weight.shape) > 1 else 0.2
            weight.assign(generator.normal(mean, spread, weight.shape))
    return model


def source_batch(rows: int, length: int, *, padding: int = 0) -> np.ndarray:
    """Returns sources of `length` ids, eos included, before `padding` columns of pad."""
    generator = np.random.default_rng((rows, length))
    ids = generator.integers(EOS_ID + 1, VOCABULARY_SIZE, (rows, length)).astype("int32")
    ids[:, -1] = EOS_ID
    return np.pad(ids, ((0, 0), (0, padding)))


def litert_operators(path: Path) -> dict[str, collections.Counter]:
    """Returns how often each operator comes in each signature, but for the bodies of its loops."""
    model = LiteRTModel(path)
    return {
        signature.name: collections.Counter(name for _, name, _ in model.operators[graph])
        for signature, graph in model.signatures
    }


def searched_on_host(runtime, source_ids, strategy=GREEDY, max_length=MAX_LENGTH):
    """Returns what the search on the host finds over the steps of a runtime."""
    state = runtime.encode(source_ids)
    return strategy.search_host(runtime.step, state, source_ids, max_length=max_length)


def same_hypotheses(received, expected, atol=1e-5, rtol=1e-5):
    """Compares what two searches found, row by row, to the last weight of attention."""
    assert len(received) == len(expected)
    for row, wanted in zip(received, expected, strict=True):
        assert [(h.ids, h.finished) for h in row] == [(h.ids, h.finished) for h in wanted]
        for one, other in zip(row, wanted, strict=True):
            for name in ("score", "ranking", "token_log_probs", "attention"):
                first, second = getattr(one, name), getattr(other, name)
                if name == "attention" and not one.ids:
                    continue  # without a step there was nothing to look at
                assert (first is None) == (second is None), name
                if first is not None:
                    np.testing.assert_allclose(first, second, rtol=rtol, atol=atol, err_msg=name)


def same_arrays(received, expected):
    assert set(received) == set(expected)
    for name, array in expected.items():
        assert received[name].dtype == array.dtype
        np.testing.assert_allclose(received[name], array, rtol=1e-5, atol=1e-5, err_msg=name)
