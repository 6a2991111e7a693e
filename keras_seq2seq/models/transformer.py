"""Transformer encoders and decoders that keep the step contract."""

from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.models.activations import ACTIVATION_LAYERS, SwishGate
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.models.decoder_cells import Recurrence, ZeroState
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

LookBack = Callable[[Tensor, list[Tensor], Tensor], tuple[Tensor, list[Tensor]]]


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
    x = _positions(config, "source")(x)
    x = keras.layers.Dropout(config.dropout, name="source_dropout")(x)
    for i in range(config.num_encoder_layers):
        name = f"encoder_{i}"
        attend = SelfAttention(config.num_heads, config.attention_dropout, name=f"{name}_attention")
        x = _sublayer(config, f"{name}_attention", x, lambda y, f=attend: f(y, source_mask))
        x = _sublayer(config, f"{name}_feedforward", x, _feedforward(config, name))
    if config.normalization == "pre":
        x = _norm(config, "encoder_norm")(x)
    pooled = MaskedPooling("mean", name="summary")(x, source_mask)
    return x, [[pooled] * config.states_per_layer] * config.num_decoder_layers


def hand_over(
    config: Seq2SeqConfig, memory: Tensor, source_mask: Tensor, source_ids: Tensor
) -> Tensors:
    """Returns what the decoder needs from a source: keys and values of each layer, first states.

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
        outputs |= dict(zip(_states(config, i), _first_states(config, i, source_ids), strict=True))
    outputs[_position_state(config)] = FirstPosition(name="first_position")(source_ids)
    return outputs


def decoder_inputs(config: Seq2SeqConfig) -> Tensors:
    """Returns the inputs of the decoder besides `target_ids`, by name."""
    heads, size, longest = config.num_heads, _head_size(config), config.max_length
    caches = [(heads, size, longest), (heads, longest, size)]
    of_states: list[Shape] = [(config.units,)] if _is_recurrent(config) else caches
    inputs = {"source_mask": keras.Input((None,), dtype="bool", name="source_mask")}
    shapes: dict[str, Shape] = {}
    for i in range(config.num_decoder_layers):
        shapes[f"keys_{i}"] = heads, size, None
        shapes[f"values_{i}"] = heads, None, size
        shapes |= dict(zip(_states(config, i), of_states, strict=True))
    inputs |= {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    position = _position_state(config)
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
        Vaswani et al. 2017, section 3.1; Xiong et al. 2020 ("pre"); Kim et al. 2019 ("ssru").
    """
    position = inputs[_position_state(config)]
    encode = _positions(config, "target")
    x = keras.layers.Dropout(config.dropout, name="target_dropout")(encode(x, position))
    found: Tensors = {}
    for i in range(config.num_decoder_layers):
        name, states = f"decoder_{i}", _states(config, i)
        look_back = _looking_back(config, name)
        read_source = CrossAttention(
            config.num_heads, config.attention_dropout, name=f"{name}_cross_attention"
        )

        def read_target(
            y: Tensor, look_back: LookBack = look_back, states: tuple[str, ...] = states
        ) -> Tensor:
            y, new = look_back(y, [inputs[state] for state in states], position)
            found.update(zip(states, new, strict=True))
            return y

        def read_memory(y: Tensor, attend: Callable[..., Any] = read_source, i: int = i) -> Tensor:
            keys, values = inputs[f"keys_{i}"], inputs[f"values_{i}"]
            y, found["attention"] = attend(y, keys, values, inputs["source_mask"])
            return y

        x = _sublayer(config, f"{name}_self_attention", x, read_target)
        x = _sublayer(config, f"{name}_cross_attention", x, read_memory)
        x = _sublayer(config, f"{name}_feedforward", x, _feedforward(config, name))
    if config.normalization == "pre":
        x = _norm(config, "decoder_norm")(x)
    attention = found.pop("attention")
    following = NextPosition(name="next_position")(position, target_ids)
    return x, attention, [*found.values(), following]


def _head_size(config: Seq2SeqConfig) -> int:
    return config.units // config.num_heads


def _is_recurrent(config: Seq2SeqConfig) -> bool:
    """Returns True if a recurrence stands in the place of the decoder's self-attention."""
    return config.decoder_cell == "ssru"


def _states(config: Seq2SeqConfig, layer: int) -> tuple[str, ...]:
    """Returns the names of the states of one decoder layer: two caches, or that of an SSRU."""
    count = 1 if _is_recurrent(config) else 2
    return tuple(f"state_{layer * count + part}" for part in range(count))


def _position_state(config: Seq2SeqConfig) -> str:
    """Returns the name of the last state, the position of the next token."""
    return _states(config, config.num_decoder_layers)[0]


def _first_states(config: Seq2SeqConfig, layer: int, source_ids: Tensor) -> list[Tensor]:
    if _is_recurrent(config):
        return [ZeroState(config.units, name=f"first_state_{layer}")(source_ids)]
    sizes = config.num_heads, _head_size(config), config.max_length
    return list(EmptyCache(*sizes, name=f"empty_cache_{layer}")(source_ids))


def _looking_back(config: Seq2SeqConfig, name: str) -> LookBack:
    """Returns the function by which a decoder layer reads the target so far.

    It takes inputs, the layer's states and the position, and returns outputs and new states.
    """
    if _is_recurrent(config):
        recurrence = Recurrence("ssru", config.units, name=f"{name}_recurrence")
        return lambda y, states, position: recurrence(y, states)
    dropout = config.attention_dropout
    attend = CachedSelfAttention(config.num_heads, dropout, name=f"{name}_self_attention")

    def with_caches(
        y: Tensor, states: list[Tensor], position: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        y, *caches = attend(y, *states, position)
        return y, caches

    return with_caches


def _positions(config: Seq2SeqConfig, side: str) -> PositionEncoding:
    scaled = config.scale_embeddings
    name = f"{side}_positions"
    return PositionEncoding(config.positions, config.max_length, scaled, name=name)


def _sublayer(config: Seq2SeqConfig, name: str, x: Tensor, compute: Any) -> Tensor:
    """Returns x + dropout(compute(x)), normalized before or after."""
    norm = _norm(config, f"{name}_norm")
    y = compute(norm(x) if config.normalization == "pre" else x)
    y = keras.layers.Dropout(config.dropout, name=f"{name}_dropout")(y)
    x = keras.layers.Add(name=f"{name}_residual")([x, y])
    return x if config.normalization == "pre" else norm(x)


def _norm(config: Seq2SeqConfig, name: str) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=config.norm_epsilon, name=name)


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
    activate = ACTIVATION_LAYERS[config.activation](name=f"{name}_feedforward_activation")
    return lambda y: outer(drop(activate(inner(y))))
