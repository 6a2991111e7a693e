"""Builds recurrent encoders and decoders as functional models that keep the step contract."""

from typing import Any

import keras

from keras_seq2seq.config import Seq2SeqConfig
from keras_seq2seq.models.layers import (
    Attention,
    ClearPadding,
    MaskedPooling,
    PaddingMask,
    ZeroState,
)
from keras_seq2seq.models.recurrence import RNN_LAYERS, Attentional, InputFeeding, Recurrence


def build_embedding(config: Seq2SeqConfig, side: str) -> keras.layers.Layer:
    """Returns the embedding layer of one side, "source" or "target"."""
    size = config.source_vocabulary_size if side == "source" else config.target_vocabulary_size
    name = "embedding" if config.share_embeddings else f"{side}_embedding"
    return keras.layers.ReversibleEmbedding(
        size,
        config.embedding_dim,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=config.embedding_dim**-0.5),
        name=name,
    )


def build_encoder(
    config: Seq2SeqConfig, embedding: keras.layers.Layer | None = None
) -> keras.Model:
    """Builds h_1..h_S = f(x_1..x_S) and everything a decoder needs of the source.

    Attention keys, the fixed context and the initial decoder states are computed here, once per
    sentence. Padded positions of the memory are zero and change nothing else.

    Args:
        config: The description of the model.
        embedding: The layer that embeds source ids; None makes one.
    Returns:
        A functional model. Input: `source_ids`, int32, shape (batch, source_length). Outputs by
        name: `state_i`, float32, (batch, units); with attention `memory` and `keys`, float32,
        (batch, source_length, units), and `source_mask`, bool, (batch, source_length); with
        context_use="every_step" `context`, float32, (batch, units).
    Reference:
        Sutskever et al. 2014 (last state); Cho et al. 2014; Bahdanau et al. 2015 (memory).
    """
    embedding = embedding or build_embedding(config, "source")
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    source_mask = PaddingMask(name="source_mask")(source_ids)
    x = keras.layers.Dropout(config.dropout, name="source_dropout")(embedding(source_ids))
    finals = []
    for i in range(config.num_encoder_layers):
        y, states = _encoder_layer(config, i, x, source_mask)
        y = keras.layers.Dropout(config.dropout, name=f"encoder_dropout_{i}")(y)
        x = keras.layers.Add(name=f"encoder_residual_{i}")([x, y]) if config.residual and i else y
        finals.append(states)
    memory = ClearPadding(name="memory")(x, source_mask)
    outputs: dict[str, Any] = {}
    summary = finals[-1]
    if config.context == "attention":
        outputs = {"memory": memory, "keys": _keys(config, memory), "source_mask": source_mask}
    elif config.context in ("mean", "max"):
        pooled = MaskedPooling(config.context, name="context")(memory, source_mask)
        summary = [pooled]
        finals = [[pooled] * config.states_per_layer] * config.num_decoder_layers
    if config.context_use == "every_step":
        outputs["context"] = summary[0]
    states = _bridge(config, summary, finals)
    if config.input_feeding:
        states.append(ZeroState(config.output_dim, name="feeding")(source_ids))
    outputs |= {f"state_{i}": state for i, state in enumerate(states)}
    return keras.Model(source_ids, outputs, name="encoder")


def build_decoder(
    config: Seq2SeqConfig, embedding: keras.layers.Layer | None = None
) -> keras.Model:
    """Builds P(y_t | y_<t, c) = softmax(logits_t), s_t = g(y_{t-1}, c, s_{t-1}).

    The same model reads a whole target in training and one token at inference.

    Args:
        config: The description of the model.
        embedding: The layer that embeds target ids; None makes one.
    Returns:
        A functional model. Inputs by name: `target_ids`, int32, shape (batch, target_length),
        and the outputs of the encoder. Outputs by name: `logits`, float32, (batch,
        target_length, target_vocabulary_size); `state_i`, float32, (batch, units), after the
        last position; with attention `attention`, float32, (batch, target_length,
        source_length).
    Reference:
        Cho et al. 2014; Luong et al. 2015; Press and Wolf 2017 (tied output).
    """
    embedding = embedding or build_embedding(config, "target")
    inputs = _decoder_inputs(config)
    states = [value for name, value in inputs.items() if name.startswith("state_")]
    x = embedding(inputs["target_ids"])
    x = keras.layers.Dropout(config.dropout, name="target_dropout")(x)
    if config.context_use == "every_step":
        x = JoinContext(name="join_context")(x, inputs["context"])
    outputs: dict[str, Any] = {}
    if config.input_feeding:
        x, outputs["attention"], states = InputFeeding(
            config.cell,
            config.units,
            config.num_decoder_layers,
            config.output_dim,
            config.attention,
            config.residual,
            name="input_feeding",
        )(x, inputs["keys"], inputs["memory"], inputs["source_mask"], states)
    else:
        x, states = _decoder_layers(config, x, states)
        if config.context == "attention":
            context, outputs["attention"] = Attention(config.attention, name="attention")(
                x, inputs["keys"], inputs["memory"], inputs["source_mask"]
            )
            x = Attentional(config.output_dim, name="attentional")(context, x)
        elif config.tie_output:
            x = keras.layers.Dense(config.output_dim, activation="tanh", name="to_embedding")(x)
    x = keras.layers.Dropout(config.dropout, name="output_dropout")(x)
    if config.tie_output:
        outputs["logits"] = embedding(x, reverse=True)
    else:
        outputs["logits"] = keras.layers.Dense(config.target_vocabulary_size, name="logits")(x)
    outputs |= {f"state_{i}": state for i, state in enumerate(states)}
    return keras.Model(inputs, outputs, name="decoder")


@keras.saving.register_keras_serializable("keras_seq2seq")
class JoinContext(keras.layers.Layer):
    """Joins the fixed context to every decoder input.

    Call arguments:
        inputs: float, shape (batch, target_length, size).
        context: float, shape (batch, units).
    Returns:
        float, shape (batch, target_length, size + units).
    Reference:
        Cho et al. 2014, section 2.2.
    """

    def call(self, inputs: Any, context: Any) -> Any:
        shape = keras.ops.shape(inputs)
        repeated = keras.ops.broadcast_to(
            context[:, None, :], (shape[0], shape[1], context.shape[-1])
        )
        return keras.ops.concatenate([inputs, repeated], axis=-1)

    def compute_output_shape(self, inputs_shape: Any, context_shape: Any) -> Any:
        return (*inputs_shape[:2], inputs_shape[2] + context_shape[1])


def _encoder_layer(
    config: Seq2SeqConfig, index: int, x: Any, source_mask: Any
) -> tuple[Any, list[Any]]:
    """Returns the outputs and the final states of one encoder layer."""
    name = f"encoder_rnn_{index}"
    layer = RNN_LAYERS[config.cell]
    if not config.bidirectional:
        rnn = layer(config.units, return_sequences=True, return_state=True, name=name)
        y, *states = rnn(x, mask=source_mask)
        return y, states
    rnn = layer(config.units // 2, return_sequences=True, return_state=True, name=config.cell)
    y, *states = keras.layers.Bidirectional(rnn, name=name)(x, mask=source_mask)
    half = config.states_per_layer
    joined = [
        keras.layers.Concatenate(name=f"encoder_final_{index}_{part}")(
            [states[part], states[half + part]]
        )
        for part in range(half)
    ]
    return y, joined


def _keys(config: Seq2SeqConfig, memory: Any) -> Any:
    """Returns what the attention score needs of each memory position."""
    if config.attention in ("general", "additive"):
        return keras.layers.Dense(config.units, use_bias=False, name="keys")(memory)
    return memory


def _bridge(config: Seq2SeqConfig, summary: list[Any], finals: list[list[Any]]) -> list[Any]:
    """Returns the initial decoder states, layer by layer.

    "copy" hands layer i its own encoder state (a pooled context goes to every state), "dense"
    computes tanh(W h) of the summary for each, "zero" starts at zero.
    """
    if config.bridge == "copy":
        return [state for states in finals for state in states]
    total = config.num_decoder_layers * config.states_per_layer
    if config.bridge == "zero":
        return [ZeroState(config.units, name=f"bridge_{i}")(summary[0]) for i in range(total)]
    return [
        keras.layers.Dense(config.units, activation="tanh", name=f"bridge_{i}")(
            summary[i % len(summary)]
        )
        for i in range(total)
    ]


def _decoder_inputs(config: Seq2SeqConfig) -> dict[str, Any]:
    inputs = {"target_ids": keras.Input((None,), dtype="int32", name="target_ids")}
    if config.context == "attention":
        for name in ("memory", "keys"):
            inputs[name] = keras.Input((None, config.units), name=name)
        inputs["source_mask"] = keras.Input((None,), dtype="bool", name="source_mask")
    if config.context_use == "every_step":
        inputs["context"] = keras.Input((config.units,), name="context")
    total = config.num_decoder_layers * config.states_per_layer
    sizes = [config.units] * total + [config.output_dim] * config.input_feeding
    for i, size in enumerate(sizes):
        inputs[f"state_{i}"] = keras.Input((size,), name=f"state_{i}")
    return inputs


def _decoder_layers(config: Seq2SeqConfig, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    new_states: list[Any] = []
    per_layer = config.states_per_layer
    for i in range(config.num_decoder_layers):
        recurrence = Recurrence(config.cell, config.units, name=f"decoder_rnn_{i}")
        y, new = recurrence(x, states[i * per_layer : (i + 1) * per_layer])
        new_states += new
        if i + 1 < config.num_decoder_layers:
            y = keras.layers.Dropout(config.dropout, name=f"decoder_dropout_{i}")(y)
        x = keras.layers.Add(name=f"decoder_residual_{i}")([x, y]) if config.residual and i else y
    return x, new_states
