"""Transformer encoders and decoders that keep the step contract."""

from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.models.activations import Gelu, SwishGate
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.models.masks import MaskedPooling
from keras_seq2seq.models.multi_head_attention import (
    CachedSelfAttention,
    CrossAttention,
    EmptyCache,
    SelfAttention,
    SourceKeysValues,
)
from keras_seq2seq.models.positions import FirstPosition, NextPosition, PositionEncoding
from keras_seq2seq.models.tensor import Shape, Tensor, Tensors


def read(
    config: Seq2SeqConfig, x: Tensor, source_mask: Tensor
) -> tuple[Tensor, list[list[Tensor]]]:
    """Reads embedded sources.

    Args:
        config: The description of the model.
        x: float, shape (batch, source_length, units).
        source_mask: bool, shape (batch, source_length).
    Returns:
        outputs: float, shape (batch, source_length, units).
        finals: The mean of the outputs, float, (batch, units), as the state of each layer that a
            recurrent decoder may start from.
    Reference:
        Vaswani et al. 2017, section 3.1; Xiong et al. 2020 ("pre").
    """
    x = PositionEncoding(config.positions, config.max_length, name="source_positions")(x)
    x = keras.layers.Dropout(config.dropout, name="source_dropout")(x)
    for i in range(config.num_encoder_layers):
        name = f"encoder_{i}"
        attend = SelfAttention(config.num_heads, config.attention_dropout, name=f"{name}_attention")
        x = _sublayer(config, f"{name}_attention", x, lambda y, f=attend: f(y, source_mask))
        x = _sublayer(config, f"{name}_feedforward", x, _feedforward(config, name))
    if config.normalization == "pre":
        x = _norm("encoder_norm")(x)
    pooled = MaskedPooling("mean", name="summary")(x, source_mask)
    return x, [[pooled] * config.states_per_layer] * config.num_decoder_layers


def hand_over(
    config: Seq2SeqConfig, memory: Tensor, source_mask: Tensor, source_ids: Tensor
) -> Tensors:
    """Returns what the decoder needs from a source: keys and values of each layer, empty caches.

    Args:
        config: The description of the model.
        memory: float, shape (batch, source_length, units).
        source_mask: bool, shape (batch, source_length).
        source_ids: int32, shape (batch, source_length).
    """
    outputs: Tensors = {"memory": memory, "source_mask": source_mask}
    for i in range(config.num_decoder_layers):
        project = SourceKeysValues(config.num_heads, config.units, name=f"source_keys_values_{i}")
        outputs[f"keys_{i}"], outputs[f"values_{i}"] = project(memory)
        sizes = config.num_heads, _head_size(config), config.max_length
        cache = EmptyCache(*sizes, name=f"empty_cache_{i}")
        outputs[f"state_{2 * i}"], outputs[f"state_{2 * i + 1}"] = cache(source_ids)
    first = FirstPosition(name="first_position")
    outputs[f"state_{2 * config.num_decoder_layers}"] = first(source_ids)
    return outputs


def decoder_inputs(config: Seq2SeqConfig) -> Tensors:
    """Returns the inputs of the decoder besides `target_ids`, by name."""
    heads, size, longest = config.num_heads, _head_size(config), config.max_length
    inputs = {"source_mask": keras.Input((None,), dtype="bool", name="source_mask")}
    shapes: dict[str, Shape] = {}
    for i in range(config.num_decoder_layers):
        shapes[f"keys_{i}"] = heads, size, None
        shapes[f"values_{i}"] = heads, None, size
        shapes[f"state_{2 * i}"] = heads, size, longest
        shapes[f"state_{2 * i + 1}"] = heads, longest, size
    inputs |= {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    position = f"state_{2 * config.num_decoder_layers}"
    return {**inputs, position: keras.Input((1,), dtype="int32", name=position)}


def decode(
    config: Seq2SeqConfig, x: Tensor, target_ids: Tensor, inputs: Tensors
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Decodes embedded targets.

    Args:
        config: The description of the model.
        x: float, shape (batch, target_length, units).
        target_ids: int32, shape (batch, target_length).
        inputs: Those of `decoder_inputs`.
    Returns:
        outputs: float, shape (batch, target_length, units).
        attention: float, shape (batch, target_length, source_length), of the last layer, the mean
            over its heads.
        states: The new states, in order.
    Reference:
        Vaswani et al. 2017, section 3.1; Xiong et al. 2020 ("pre").
    """
    position = inputs[f"state_{2 * config.num_decoder_layers}"]
    encode = PositionEncoding(config.positions, config.max_length, name="target_positions")
    x = keras.layers.Dropout(config.dropout, name="target_dropout")(encode(x, position))
    found: Tensors = {}
    for i in range(config.num_decoder_layers):
        name, states = f"decoder_{i}", (f"state_{2 * i}", f"state_{2 * i + 1}")
        attend = CachedSelfAttention(
            config.num_heads, config.attention_dropout, name=f"{name}_self_attention"
        )
        read_source = CrossAttention(
            config.num_heads, config.attention_dropout, name=f"{name}_cross_attention"
        )

        def read_target(
            y: Tensor, attend: Callable[..., Any] = attend, states: tuple[str, str] = states
        ) -> Tensor:
            y, *caches = attend(y, *(inputs[state] for state in states), position)
            found.update(zip(states, caches, strict=True))
            return y

        def read_memory(y: Tensor, attend: Callable[..., Any] = read_source, i: int = i) -> Tensor:
            keys, values = inputs[f"keys_{i}"], inputs[f"values_{i}"]
            y, found["attention"] = attend(y, keys, values, inputs["source_mask"])
            return y

        x = _sublayer(config, f"{name}_self_attention", x, read_target)
        x = _sublayer(config, f"{name}_cross_attention", x, read_memory)
        x = _sublayer(config, f"{name}_feedforward", x, _feedforward(config, name))
    if config.normalization == "pre":
        x = _norm("decoder_norm")(x)
    attention = found.pop("attention")
    following = NextPosition(name="next_position")(position, target_ids)
    return x, attention, [*found.values(), following]


def _head_size(config: Seq2SeqConfig) -> int:
    return config.units // config.num_heads


def _sublayer(config: Seq2SeqConfig, name: str, x: Tensor, compute: Any) -> Tensor:
    """Returns x + dropout(compute(x)), normalized before or after."""
    norm = _norm(f"{name}_norm")
    y = compute(norm(x) if config.normalization == "pre" else x)
    y = keras.layers.Dropout(config.dropout, name=f"{name}_dropout")(y)
    x = keras.layers.Add(name=f"{name}_residual")([x, y])
    return x if config.normalization == "pre" else norm(x)


def _norm(name: str) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=1e-5, name=name)


def _feedforward(config: Seq2SeqConfig, name: str) -> Callable[[Tensor], Tensor]:
    """Returns the function of one position: two dense layers, or three of a gated unit.

    Reference:
        Vaswani et al. 2017, section 3.3; Shazeer 2020 ("swiglu").
    """
    size = config.feedforward_dim
    inner = keras.layers.Dense(size, name=f"{name}_feedforward_inner")
    outer = keras.layers.Dense(config.units, name=f"{name}_feedforward_outer")
    drop = keras.layers.Dropout(config.activation_dropout, name=f"{name}_activation_dropout")
    if config.activation == "swiglu":
        gate = keras.layers.Dense(size, name=f"{name}_feedforward_gate")
        gated = SwishGate(name=f"{name}_feedforward_gated")
        return lambda y: outer(drop(gated(gate(y), inner(y))))
    act = Gelu if config.activation == "gelu" else keras.layers.ReLU
    activate = act(name=f"{name}_feedforward_activation")
    return lambda y: outer(drop(activate(inner(y))))
