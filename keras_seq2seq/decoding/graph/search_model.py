"""The models that a search runs: other caches, and perhaps the output layer of a shortlist."""

from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.decoding.graph.shortlist_layers import with_shortlist
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.models.caches import ALIGNED, GROWING, Cache
from keras_seq2seq.models.contract import source_names
from keras_seq2seq.models.multi_head_attention import CachedSelfAttention, EmptyCache
from keras_seq2seq.models.precision import dtype_policy
from keras_seq2seq.models.tensor import Shape, Tensor
from keras_seq2seq.models.two_forms import OneToken

CloneLayer = Callable[[keras.layers.Layer], keras.layers.Layer]


def search_models(
    encoder: keras.Model,
    decoder_step: keras.Model,
    *,
    dynamic: bool,
    shortlist: Shortlist | None = None,
) -> tuple[keras.Model, keras.Model]:
    """Returns an encoder and a decoder step for a search: the same weights, fewer operations.

    Args:
        encoder: The encoder of a `Seq2Seq`.
        decoder_step: Its decoder for one token.
        dynamic: Let the caches of a Transformer grow with the tokens, for backends and formats
            whose shapes may change in a loop.
        shortlist: The encoder then returns the `candidates` of each source, int32, (batch,
            columns), and the `logits` are of these; None computes all.
    Raises:
        ValueError: If a shortlist is given for a decoder with a custom output layer.
    """
    # Not under the policy of the process, which may be another one by now.
    with dtype_policy(decoder_step.dtype_policy):
        return _searching(encoder, decoder_step, dynamic, shortlist)


def short_step(
    search_encoder: keras.Model, search_step: keras.Model, max_length: int
) -> keras.Model | None:
    """Returns the decoder step of a search for its first tokens, over shorter caches.

    Args:
        search_encoder, search_step: What `search_models` returned, not dynamic.
        max_length: int > 0. Most tokens that the caches hold.
    Returns:
        A decoder over the same layers, or None if it has no caches, or an encoder of one's own
        makes them.
    """
    encoder = _with_empty_caches(search_encoder, search_step, ALIGNED, max_length)
    if encoder is None:
        return None
    inputs = {
        name: keras.Input(encoder.output.get(name, put).shape[1:], dtype=put.dtype, name=name)
        for name, put in search_step.input.items()
    }
    with dtype_policy(search_step.dtype_policy):
        return keras.models.clone_model(
            search_step, input_tensors=inputs, clone_function=_with_cache(ALIGNED)
        )


def for_source_length(search_step: keras.Model, length: int) -> keras.Model:
    """Returns the decoder step of a search, over the same layers, for sources of one length.

    Args:
        search_step: What `search_models` returned.
        length: int > 0. Tokens of a source, end of sentence and padding included.
    """

    def shape(name: str, tensor: Tensor) -> Shape:
        sizes = tensor.shape[1:]
        is_source = name in source_names(search_step)
        return tuple(length if is_source and size is None else size for size in sizes)

    inputs = {
        name: keras.Input(shape(name, tensor), dtype=tensor.dtype, name=name)
        for name, tensor in search_step.input.items()
    }
    with dtype_policy(search_step.dtype_policy):
        return keras.models.clone_model(
            search_step, input_tensors=inputs, clone_function=lambda layer: layer
        )


def _searching(
    encoder: keras.Model, decoder_step: keras.Model, dynamic: bool, shortlist: Shortlist | None
) -> tuple[keras.Model, keras.Model]:
    cache = GROWING if dynamic else ALIGNED
    with_caches = _with_empty_caches(encoder, decoder_step, cache)
    if with_caches is not None:
        encoder = with_caches
        inputs = {
            name: keras.Input(found.shape[1:], dtype=found.dtype, name=name)
            for name, tensor in decoder_step.input.items()
            for found in [encoder.output.get(name, tensor)]
        }
        decoder_step = keras.models.clone_model(
            decoder_step, input_tensors=inputs, clone_function=_with_cache(cache)
        )
    if shortlist is None:
        return encoder, decoder_step
    return with_shortlist(encoder, decoder_step, shortlist)


def _has_cache(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, OneToken) and isinstance(layer.layer, CachedSelfAttention)


def _with_empty_caches(
    encoder: keras.Model, step: keras.Model, cache: Cache, max_length: int | None = None
) -> keras.Model | None:
    """Returns an encoder that hands out empty caches of a kind and length, with the same weights.

    Returns:
        None if the decoder step has no caches, or not each of them comes from an `EmptyCache`.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, EmptyCache):
            return layer
        sizes = layer.num_heads, layer.head_size, max_length or layer.max_length
        return EmptyCache(*sizes, cache=cache, name=layer.name, dtype=layer.dtype_policy)

    taken = [tensor for name, tensor in encoder.output.items() if name in step.input]
    made = sum(isinstance(_maker(tensor), EmptyCache) for tensor in taken)
    if not made or made != 2 * sum(map(_has_cache, step.layers)):
        return None
    # The caches may come from an encoder inside the encoder.
    return keras.models.clone_model(encoder, clone_function=clone, recursive=True)


def _maker(tensor: keras.KerasTensor) -> Any:
    """Returns the layer that made a tensor, inside the innermost model."""
    operation, _, index = tensor._keras_history
    return _maker(operation.outputs[index]) if isinstance(operation, keras.Model) else operation


def _with_cache(cache: Cache) -> CloneLayer:
    """Returns what makes the layers of a decoder step use a kind of cache."""
    return lambda layer: OneToken(layer.layer, cache=cache) if _has_cache(layer) else layer
