"""Tiny models written to ONNX once, with weights of some size, so that translations differ."""

import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import keras
import numpy as np
from conftest import random_ids, tiny_config, tiny_model
from exported_models import OF_TRANSFORMERS, TRANSFORMER
from grid import grid
from written_once import written_once

from keras_seq2seq.exporters.onnx.writer import FILES, write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.runtimes.keras import KerasRuntime
from keras_seq2seq.runtimes.onnx import OnnxRuntime
from keras_seq2seq.seq2seq import Seq2Seq

MAX_LENGTH = 6
SHARED = {"share_embeddings": True, "tie_output": True}
LAYERS = {"num_encoder_layers": 2, "num_decoder_layers": 2, "residual": True}
CONFIGS = {
    "gru_general": {"attention": "general"},
    "lstm_dot_layers": {"cell": "lstm", "attention": "dot", "bridge": "copy", **LAYERS},
    "rnn_additive_one_way": {"cell": "simple_rnn", "attention": "additive", "bidirectional": False},
    "gru_scaled_feeding_shared": {"attention": "scaled", "input_feeding": True, **SHARED},
    "rnn_mean_layers": {"cell": "simple_rnn", "context": "mean", **LAYERS},
    "gru_max_every_step_one_way": {
        "context": "max",
        "context_use": "every_step",
        "bridge": "zero",
        "bidirectional": False,
    },
    "lstm_last": {"cell": "lstm", "context": "last", "num_decoder_layers": 2},
    "transformer": {**TRANSFORMER, **LAYERS},
    **OF_TRANSFORMERS,
}
QUICK = ("gru_general", "transformer")
GRID = grid(CONFIGS, QUICK)


@dataclasses.dataclass(frozen=True)
class Exported:
    """A model, what was written of it, and what runs both."""

    model: Seq2Seq
    folder: pathlib.Path
    description: dict[str, Any]
    keras: KerasRuntime
    onnx: OnnxRuntime


@functools.cache
def exported(name: str) -> Exported:
    """Returns a model of `CONFIGS` and its files, written once."""
    return written(noisy_model(**CONFIGS[name]), name)


def written(model: Seq2Seq, name: str = "") -> Exported:
    """Returns a model and its files; under a name other workers find them."""

    def write(folder: pathlib.Path) -> None:
        description = write_onnx(PreparedExport(model, MAX_LENGTH), folder)
        (folder / "description.json").write_text(json.dumps(description), "utf-8")

    folder = written_once(f"onnx_{name or f'{os.getpid()}_{id(model)}'}", write)
    description = json.loads((folder / "description.json").read_text("utf-8"))
    return Exported(model, folder, description, KerasRuntime(model, MAX_LENGTH), runtime(folder))


def runtime(folder: pathlib.Path, files: dict[str, str] = FILES) -> OnnxRuntime:
    return OnnxRuntime({name: folder / file for name, file in files.items()})


def noisy_model(*parts: Any, **options: Any) -> Seq2Seq:
    """Returns a model whose biases are not zero."""
    model = tiny_model(*parts or [tiny_config(**options)], scale=2.0)
    make_noisy(model)
    return model


def make_noisy(model: keras.Model) -> None:
    draw = np.random.default_rng(9)
    for weight in model.trainable_weights:
        weight.assign_add(draw.normal(scale=0.3, size=weight.shape))


def sources(rows: int, length: int) -> np.ndarray:
    """Returns sources with padding; the last has no real token."""
    ids = random_ids(rows, length, seed=length)
    ids[-1] = 0
    return ids
