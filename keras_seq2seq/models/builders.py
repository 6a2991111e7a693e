"""Builds encoders and decoders as functional models that keep the step contract."""

from typing import Any

import keras

from keras_seq2seq.models import recurrent, transformer
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.models.logits_bias import LogitsBias
from keras_seq2seq.models.masks import ClearPadding, PaddingMask


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
    """Builds the encoder: h_1..h_S = f(x_1..x_S) and all that a decoder needs from it.

    Everything that depends only on the source (attention keys and values, the fixed context, the
    initial states or empty caches of the decoder) is computed here, once per sentence. Padded
    positions of the memory are zero and change nothing else.

    Args:
        config: The description of the model.
        embedding: The layer that embeds source ids; None makes one.
    Returns:
        A functional model. Input: `source_ids`, int32, shape (batch, source_length). Outputs by
        name: the inputs of the decoder except `target_ids`. These are `state_0`, `state_1`, ...
        and, with attention, `source_mask`, bool, (batch, source_length), among others.
    Reference:
        Sutskever et al. 2014 (last state); Bahdanau et al. 2015 (memory); Vaswani et al. 2017.
    """
    embedding = embedding or build_embedding(config, "source")
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    source_mask = PaddingMask(name="source_mask")(source_ids)
    read = transformer.read if config.encoder == "transformer" else recurrent.read
    x, finals = read(config, embedding(source_ids), source_mask)
    memory = ClearPadding(name="memory")(x, source_mask)
    if config.decoder == "transformer":
        outputs = transformer.hand_over(config, memory, source_mask, source_ids)
    else:
        outputs = recurrent.hand_over(config, memory, source_mask, source_ids, finals)
    return keras.Model(source_ids, outputs, name="encoder")


def build_decoder(
    config: Seq2SeqConfig, embedding: keras.layers.Layer | None = None
) -> keras.Model:
    """Builds the decoder: P(y_t | y_<t, c) = softmax(logits_t).

    It reads a whole target, as in training; `build_decoder_step` makes the form for one token.

    Args:
        config: The description of the model.
        embedding: The layer that embeds target ids; None makes one.
    Returns:
        A functional model. Inputs by name: `target_ids`, int32, shape (batch, target_length),
        and outputs of the encoder. Outputs by name: `logits`, float32, (batch, target_length,
        target_vocabulary_size); `state_i`, after the last position; with attention `attention`,
        float32, (batch, target_length, source_length).
    Reference:
        Cho et al. 2014; Luong et al. 2015; Vaswani et al. 2017; Press and Wolf 2017 (tied output).
    """
    embedding = embedding or build_embedding(config, "target")
    part = transformer if config.decoder == "transformer" else recurrent
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    inputs = part.decoder_inputs(config)
    x, attention, states = part.decode(config, embedding(target_ids), target_ids, inputs)
    outputs: dict[str, Any] = {} if attention is None else {"attention": attention}
    if config.tie_output:
        outputs["logits"] = embedding(x, reverse=True)
        if config.output_bias:
            outputs["logits"] = LogitsBias(name="logits_bias")(outputs["logits"])
    else:
        outputs["logits"] = keras.layers.Dense(config.target_vocabulary_size, name="logits")(x)
    outputs |= {f"state_{i}": state for i, state in enumerate(states)}
    return keras.Model({"target_ids": target_ids, **inputs}, outputs, name="decoder")
