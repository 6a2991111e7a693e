"""Writes the weights of one of our Transformers as a CTranslate2 model, through its own spec."""

import pathlib
from typing import Any

import keras
import numpy as np
from ctranslate2.specs import transformer_spec
from ctranslate2.specs.common_spec import Activation

from keras_seq2seq import Seq2Seq
from keras_seq2seq.models.positions import PositionEncoding
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, UNK_ID

EPSILON = 1e-5
ACTIVATIONS = {
    "relu": Activation.RELU,
    "gelu": Activation.GELUTanh,
    "gelu_exact": Activation.GELU,
    "swish": Activation.SWISH,
}
# CTranslate2 takes tokens and not ids; a token here is its id in decimal.
TOKENS = {"unk_token": str(UNK_ID), "bos_token": str(BOS_ID), "eos_token": str(EOS_ID)}


def write_ctranslate2(model: Seq2Seq, folder: pathlib.Path, quantization: str) -> None:
    """Writes a model.

    Args:
        model: A Transformer with tied embeddings, post-norm and sinusoidal positions.
        folder: Where to write; made if missing.
        quantization: "float32" or "int8".
    """
    config = model.config
    layers = config.num_encoder_layers, config.num_decoder_layers
    spec = transformer_spec.TransformerSpec.from_config(
        layers, config.num_heads, pre_norm=False, activation=ACTIVATIONS[config.activation]
    )
    weights = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    table = weights["embedding/embeddings"]
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = table
    spec.decoder.projection.weight = table
    if config.output_bias:
        spec.decoder.projection.bias = weights["logits_bias/bias"]
    for part in (spec.encoder, spec.decoder):
        part.position_encodings.encodings = positions(config.max_length, config.units)
    for i, layer in enumerate(spec.encoder.layer):
        _attention(layer.self_attention, weights, f"encoder_{i}_attention")
        _feedforward(layer.ffn, weights, f"encoder_{i}_feedforward")
    for i, layer in enumerate(spec.decoder.layer):
        _attention(layer.self_attention, weights, f"decoder_{i}_self_attention")
        cross = f"decoder_{i}_cross_attention"
        _dense(layer.attention.linear[0], weights, f"{cross}/query")
        _dense(layer.attention.linear[1], weights, f"source_keys_values_{i}/key_value")
        _dense(layer.attention.linear[2], weights, f"{cross}/output")
        _norm(layer.attention.layer_norm, weights, f"{cross}_norm")
        _feedforward(layer.ffn, weights, f"decoder_{i}_feedforward")
    spec.register_source_vocabulary([str(i) for i in range(config.source_vocabulary_size)])
    spec.register_target_vocabulary([str(i) for i in range(config.target_vocabulary_size)])
    spec.config.layer_norm_epsilon = EPSILON
    spec.config.decoder_start_token = TOKENS["bos_token"]
    for name, token in TOKENS.items():
        setattr(spec.config, name, token)
    spec.validate()
    spec.optimize(None if quantization == "float32" else quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def positions(length: int, size: int) -> np.ndarray:
    """Returns the encodings (length, size) that our model adds."""
    nothing = np.zeros((1, length, size), "float32")
    return keras.ops.convert_to_numpy(PositionEncoding("sinusoidal", length)(nothing))[0]


def _attention(spec: Any, weights: dict[str, np.ndarray], name: str) -> None:
    _dense(spec.linear[0], weights, f"{name}/query_key_value")
    _dense(spec.linear[1], weights, f"{name}/output")
    _norm(spec.layer_norm, weights, f"{name}_norm")


def _feedforward(spec: Any, weights: dict[str, np.ndarray], name: str) -> None:
    _dense(spec.linear_0, weights, f"{name}_inner")
    _dense(spec.linear_1, weights, f"{name}_outer")
    _norm(spec.layer_norm, weights, f"{name}_norm")


def _dense(spec: Any, weights: dict[str, np.ndarray], name: str) -> None:
    spec.weight = np.ascontiguousarray(weights[f"{name}/kernel"].T)
    spec.bias = weights[f"{name}/bias"]


def _norm(spec: Any, weights: dict[str, np.ndarray], name: str) -> None:
    spec.gamma, spec.beta = weights[f"{name}/gamma"], weights[f"{name}/beta"]
