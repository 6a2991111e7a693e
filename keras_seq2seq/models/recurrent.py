"""Recurrent encoders and decoders that keep the step contract."""

import keras

from keras_seq2seq.models.attention import Attention
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.models.decoder_cells import (
    RNN_LAYERS,
    Attentional,
    InputFeeding,
    JoinContext,
    Recurrence,
    ZeroState,
)
from keras_seq2seq.models.masks import MaskedPooling
from keras_seq2seq.models.tensor import Tensor, Tensors


def read(
    config: Seq2SeqConfig, x: Tensor, source_mask: Tensor
) -> tuple[Tensor, list[list[Tensor]]]:
    """Computes h_1..h_S = f(x_1..x_S).

    Args:
        config: The description of the model.
        x: float, shape (batch, source_length, embedding_dim).
        source_mask: bool, shape (batch, source_length). Padded positions change nothing.
    Returns:
        outputs: float, shape (batch, source_length, units).
        finals: The final states of each layer, float, (batch, units).
    Reference:
        Sutskever et al. 2014; Cho et al. 2014; Wu et al. 2016, section 3.1 (residual).
    """
    x = keras.layers.Dropout(config.dropout, name="source_dropout")(x)
    finals = []
    for i in range(config.num_encoder_layers):
        y, states = _encoder_layer(config, i, x, source_mask)
        y = keras.layers.Dropout(config.dropout, name=f"encoder_dropout_{i}")(y)
        x = keras.layers.Add(name=f"encoder_residual_{i}")([x, y]) if config.residual and i else y
        finals.append(states)
    return x, finals


def hand_over(
    config: Seq2SeqConfig,
    memory: Tensor,
    source_mask: Tensor,
    source_ids: Tensor,
    finals: list[list[Tensor]],
) -> Tensors:
    """Returns what the decoder needs from a source: attention keys, context, initial states.

    Args:
        config: The description of the model.
        memory: float, shape (batch, source_length, units), zero where padded.
        source_mask: bool, shape (batch, source_length).
        source_ids: int32, shape (batch, source_length).
        finals: What `read` returned.
    """
    outputs: Tensors = {}
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
    return {**outputs, **{f"state_{i}": state for i, state in enumerate(states)}}


def decoder_inputs(config: Seq2SeqConfig) -> Tensors:
    """Returns the inputs of the decoder besides `target_ids`, by name."""
    inputs: Tensors = {}
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


def decode(
    config: Seq2SeqConfig, x: Tensor, target_ids: Tensor, inputs: Tensors
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """Computes s_t = g(y_{t-1}, c, s_{t-1}) and what the output layer reads.

    Args:
        config: The description of the model.
        x: float, shape (batch, target_length, embedding_dim).
        target_ids: int32, shape (batch, target_length).
        inputs: Those of `decoder_inputs`.
    Returns:
        outputs: float, shape (batch, target_length, output_dim).
        attention: float, shape (batch, target_length, source_length), or None.
        states: The states after the last position, in order.
    Reference:
        Cho et al. 2014; Luong et al. 2015.
    """
    states = [value for name, value in inputs.items() if name.startswith("state_")]
    x = keras.layers.Dropout(config.dropout, name="target_dropout")(x)
    attention = None
    if config.context_use == "every_step":
        x = JoinContext(name="join_context")(x, inputs["context"])
    if config.input_feeding:
        x, attention, states = InputFeeding(
            config.decoder_cell or config.cell,
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
            context, attention = Attention(config.attention, name="attention")(
                x, inputs["keys"], inputs["memory"], inputs["source_mask"]
            )
            x = Attentional(config.output_dim, name="attentional")(context, x)
        elif config.tie_output:
            x = keras.layers.Dense(config.output_dim, activation="tanh", name="to_embedding")(x)
    return keras.layers.Dropout(config.dropout, name="output_dropout")(x), attention, states


def _encoder_layer(
    config: Seq2SeqConfig, index: int, x: Tensor, source_mask: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Returns the outputs and the final states of one encoder layer."""
    name = f"encoder_rnn_{index}"
    layer = RNN_LAYERS[config.cell]
    if not config.bidirectional:
        rnn = layer(config.units, return_sequences=True, return_state=True, name=name)
        y, *states = rnn(x, mask=source_mask)
        return y, states
    rnn = layer(config.units // 2, return_sequences=True, return_state=True, name=config.cell)
    y, *states = keras.layers.Bidirectional(rnn, name=name)(x, mask=source_mask)
    half = len(states) // 2
    joined = [
        keras.layers.Concatenate(name=f"encoder_final_{index}_{part}")(
            [states[part], states[half + part]]
        )
        for part in range(half)
    ]
    return y, joined


def _keys(config: Seq2SeqConfig, memory: Tensor) -> Tensor:
    """Returns the attention keys of the memory positions."""
    if config.attention in ("general", "additive"):
        return keras.layers.Dense(config.units, use_bias=False, name="keys")(memory)
    return memory


def _bridge(
    config: Seq2SeqConfig, summary: list[Tensor], finals: list[list[Tensor]]
) -> list[Tensor]:
    """Returns the initial decoder states, layer by layer.

    "copy" gives layer i the state of encoder layer i (a pooled context goes to every state),
    "dense" computes tanh(W h) of the summary for each, "zero" starts at zero. An LSTM encoder gives
    only its h to a cell with one state; an LSTM decoder takes both states from the single state of
    another cell.
    """
    per_layer = config.states_per_layer
    if config.bridge == "copy":
        return [states[part % len(states)] for states in finals for part in range(per_layer)]
    total = config.num_decoder_layers * per_layer
    if config.bridge == "zero":
        return [ZeroState(config.units, name=f"bridge_{i}")(summary[0]) for i in range(total)]
    return [
        keras.layers.Dense(config.units, activation="tanh", name=f"bridge_{i}")(
            summary[i % per_layer % len(summary)]
        )
        for i in range(total)
    ]


def _decoder_layers(
    config: Seq2SeqConfig, x: Tensor, states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    new_states: list[Tensor] = []
    cell, per_layer = config.decoder_cell or config.cell, config.states_per_layer
    for i in range(config.num_decoder_layers):
        recurrence = Recurrence(cell, config.units, name=f"decoder_rnn_{i}")
        y, new = recurrence(x, states[i * per_layer : (i + 1) * per_layer])
        new_states += new
        if i + 1 < config.num_decoder_layers:
            y = keras.layers.Dropout(config.dropout, name=f"decoder_dropout_{i}")(y)
        x = keras.layers.Add(name=f"decoder_residual_{i}")([x, y]) if config.residual and i else y
    return x, new_states
