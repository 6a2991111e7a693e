"""A model as a search steps through it: tokens without an axis of length, caches that grow."""

import keras

from keras_seq2seq.decoding.graph.shortlist_layers import shortened
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.models.activations import Gelu, SwishGate
from keras_seq2seq.models.attention import Attention
from keras_seq2seq.models.decoder_cells import Attentional, InputFeeding, JoinContext, Recurrence
from keras_seq2seq.models.multi_head_attention import (
    CachedSelfAttention,
    CrossAttention,
    EmptyCache,
    GrowingSelfAttention,
    NoCache,
)
from keras_seq2seq.models.positions import NextPosition, PositionEncoding

# Layers that compute one token in the same way with and without an axis of length.
TAKES_A_TOKEN = (
    keras.layers.Add,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.InputLayer,
    keras.layers.LayerNormalization,
    keras.layers.ReLU,
    keras.layers.ReversibleEmbedding,
    Attention,
    Attentional,
    CachedSelfAttention,
    CrossAttention,
    Gelu,
    InputFeeding,
    JoinContext,
    NextPosition,
    PositionEncoding,
    Recurrence,
    SwishGate,
)


def search_parts(
    encoder: keras.Model,
    decoder: keras.Model,
    *,
    dynamic: bool,
    shortlist: Shortlist | None = None,
) -> tuple[keras.Model, keras.Model]:
    """Returns an encoder and a decoder for a search: the same layers and weights, fewer operations.

    The decoder takes `target_ids` of shape (batch,) and returns `logits` (batch, vocabulary_size)
    and `attention` (batch, source_length). A decoder with layers of your own stays as it is, and so
    does its encoder.

    Args:
        encoder: The encoder of a `Seq2Seq`.
        decoder: Its decoder.
        dynamic: Let the caches of a Transformer be as long as what is in them, for backends and
            formats whose shapes may change in a loop.
        shortlist: Let the encoder give the `candidates` of each source, int32, (batch, columns),
            and the `logits` be of these; None computes all.
    Raises:
        ValueError: If a shortlist is given for a decoder with layers of your own.
    """
    if not all(type(layer) in TAKES_A_TOKEN for layer in decoder.layers):
        if shortlist is not None:
            raise ValueError(
                "A shortlist needs a decoder that a Seq2SeqConfig describes. "
                f"Received: {decoder.name!r} with layers of its own."
            )
        return encoder, decoder
    inputs = dict(decoder.input)
    inputs["target_ids"] = keras.Input((), dtype="int32", name="target_ids")
    if dynamic:
        encoder = keras.models.clone_model(encoder, clone_function=_without_cache)
        for name in inputs:
            if name in encoder.output and name.startswith("state_"):
                state = encoder.output[name]
                inputs[name] = keras.Input(state.shape[1:], dtype=state.dtype, name=name)
    replace = _growing if dynamic else _same
    decoder = keras.models.clone_model(decoder, input_tensors=inputs, clone_function=replace)
    return (encoder, decoder) if shortlist is None else shortened(encoder, decoder, shortlist)


def _same(layer: keras.layers.Layer) -> keras.layers.Layer:
    return layer


def _without_cache(layer: keras.layers.Layer) -> keras.layers.Layer:
    return NoCache(layer) if type(layer) is EmptyCache else layer


def _growing(layer: keras.layers.Layer) -> keras.layers.Layer:
    return GrowingSelfAttention(layer) if type(layer) is CachedSelfAttention else layer
