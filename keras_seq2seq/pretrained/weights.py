"""Puts the weights of a checkpoint into the layers of a model."""

import abc
import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_seq2seq.seq2seq import Seq2Seq

QUERY, KEY, VALUE, OUTPUT = "query", "key", "value", "output"


class LayerWeights(abc.ABC):
    """The weights of a checkpoint by the names of this package.

    A layer is named by its side, its number and its part: ("decoder", 0, "cross_attention").
    """

    @abc.abstractmethod
    def dense(self, side: str, layer: int, part: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns kernel (inputs, outputs) and bias of a dense layer.

        Args:
            side: "encoder" or "decoder".
            layer: Its number.
            part: "attention" with the names "query", "key", "value" and "output"; of a decoder
                "cross_attention" too; or "feedforward" with "inner" and "outer".
            name: One of these.
        """

    @abc.abstractmethod
    def norm(self, side: str, layer: int, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns scale and shift of the normalization of a part, (units,) each."""


class RecurrentLayerWeights(LayerWeights):
    """The weights of a checkpoint whose decoder may have an SSRU for self-attention."""

    @abc.abstractmethod
    def recurrence(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns kernel [W_f; W] (units, 2 * units) and bias b_f (units,) of an SSRU."""


@dataclasses.dataclass(frozen=True)
class TokenWeights:
    """The weights of single tokens, in the order of the new ids.

    Args:
        source: float32, (source_vocabulary_size, units). The embedding of the source, and of the
            target too if both share it.
        target: float32, (target_vocabulary_size, units).
        bias: float32, (target_vocabulary_size,), of the output.
        kernel: float32, (units, target_vocabulary_size), of an output that is not tied, or None.
    """

    source: np.ndarray
    target: np.ndarray
    bias: np.ndarray
    kernel: np.ndarray | None = None


def fill(model: Seq2Seq, layers: LayerWeights, tokens: TokenWeights) -> None:
    """Assigns every weight of a model.

    Args:
        model: A model of two Transformers, normalized after each sublayer.
        layers: The weights of its layers.
        tokens: The weights of its tokens.
    Raises:
        ValueError: If a weight of the model would keep its random numbers; names it.
    """
    assigned = {id(weight) for weight in _assigned(model, layers, tokens)}
    if left := [weight.path for weight in model.weights if id(weight) not in assigned]:
        raise ValueError(f"Every weight of the model must be in the checkpoint. Missing: {left}.")


def _assigned(model: Seq2Seq, layers: LayerWeights, tokens: TokenWeights) -> Iterable[Any]:
    assert model.config is not None  # an import describes its model
    encoder, decoder = ({la.name: la for la in m.layers} for m in (model.encoder, model.decoder))
    for i in range(model.config.num_encoder_layers):
        attention = encoder[f"encoder_{i}_attention"]
        yield from _attention(attention, layers, ("encoder", i, "attention"))
        yield from _norm(
            encoder[f"encoder_{i}_attention_norm"], layers, ("encoder", i, "attention")
        )
        yield from _feedforward(encoder, layers, "encoder", i)
    for i in range(model.config.num_decoder_layers):
        if isinstance(layers, RecurrentLayerWeights) and model.config.decoder_cell == "ssru":
            cell = decoder[f"decoder_{i}_recurrence"].rnn.cell
            yield from _assign((cell.kernel, cell.bias), layers.recurrence(i))
        else:
            attention = decoder[f"decoder_{i}_self_attention"]
            yield from _attention(attention, layers, ("decoder", i, "attention"))
        norm = decoder[f"decoder_{i}_self_attention_norm"]
        yield from _norm(norm, layers, ("decoder", i, "attention"))
        cross = ("decoder", i, "cross_attention")
        yield from _dense(encoder[f"source_keys_values_{i}"].project, layers, cross, KEY, VALUE)
        attention = decoder[f"decoder_{i}_cross_attention"]
        yield from _dense(attention.project, layers, cross, QUERY)
        yield from _dense(attention.output_projection, layers, cross, OUTPUT)
        yield from _norm(decoder[f"decoder_{i}_cross_attention_norm"], layers, cross)
        yield from _feedforward(decoder, layers, "decoder", i)
    yield from _tokens(encoder, decoder, tokens)


def _attention(attention: Any, layers: LayerWeights, place: tuple[str, int, str]) -> Iterable[Any]:
    yield from _dense(attention.project, layers, place, QUERY, KEY, VALUE)
    yield from _dense(attention.output_projection, layers, place, OUTPUT)


def _feedforward(
    part: dict[str, Any], layers: LayerWeights, side: str, layer: int
) -> Iterable[Any]:
    place = side, layer, "feedforward"
    for name in ("inner", "outer"):
        yield from _dense(part[f"{side}_{layer}_feedforward_{name}"], layers, place, name)
    yield from _norm(part[f"{side}_{layer}_feedforward_norm"], layers, place)


def _dense(
    dense: keras.layers.Dense, layers: LayerWeights, place: tuple[str, int, str], *names: str
) -> Iterable[Any]:
    """Assigns a dense layer whose outputs are those of several, side by side."""
    kernels, biases = zip(*(layers.dense(*place, name) for name in names), strict=True)
    values = np.concatenate(kernels, axis=1), np.concatenate(biases)
    yield from _assign((dense.kernel, dense.bias), values)


def _norm(norm: Any, layers: LayerWeights, place: tuple[str, int, str]) -> Iterable[Any]:
    yield from _assign((norm.gamma, norm.beta), layers.norm(*place))


def _tokens(
    encoder: dict[str, Any], decoder: dict[str, Any], tokens: TokenWeights
) -> Iterable[Any]:
    shared = encoder.get("embedding")
    source = shared or encoder["source_embedding"]
    yield from _assign((source.embeddings,), (tokens.source,))
    if shared is None:
        yield from _assign((decoder["target_embedding"].embeddings,), (tokens.target,))
    if tokens.kernel is None:
        yield from _assign((decoder["logits_bias"].bias,), (tokens.bias,))
    else:
        output = decoder["logits"]
        yield from _assign((output.kernel, output.bias), (tokens.kernel, tokens.bias))


def _assign(weights: Iterable[Any], values: Iterable[np.ndarray]) -> Iterable[Any]:
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
        yield weight
