"""Embeddings in a form that the LiteRT converter turns into lookups of single rows."""

from typing import Any

import keras
import tensorflow as tf

from keras_seq2seq.decoding.graph.shortlist_layers import EmbeddingAlone


def with_embedding_lookup(model: keras.Model) -> keras.Model:
    """Returns a model over the same layers and weights with embeddings as one-hot products.

    The converter makes an EMBEDDING_LOOKUP of each, which reads one row, in int8 too. A gather over
    an int8 table would dequantize the whole table at every step.

    Args:
        model: A functional model.
    """
    replaced: dict[int, keras.layers.Layer] = {}

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, EmbeddingAlone):
            return EmbeddingAlone(replace(layer.embedding))
        if not isinstance(layer, keras.layers.Embedding):
            return layer
        return replaced.setdefault(id(layer), OneHotEmbedding(layer, name=layer.name))

    return keras.models.clone_model(model, clone_function=replace)


class OneHotEmbedding(keras.layers.Layer):
    """Multiplies one-hot vectors by the table of an embedding.

    Args:
        embedding: keras.layers.Embedding or a layer derived from it.
    Call arguments:
        ids: int32, shape (batch, length).
        **kwargs: If there are any, such as `reverse`, the embedding itself is called.
    Returns:
        float, shape (batch, length, size).
    """

    def __init__(self, embedding: keras.layers.Embedding, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding = embedding
        self.supports_masking = True

    def call(self, ids: Any, **kwargs: Any) -> Any:
        if kwargs:
            return self.embedding(ids, **kwargs)
        table = keras.ops.cast(self.embedding.embeddings, self.embedding.compute_dtype)
        # Not keras.ops.one_hot: with its int64 ids the converter does not recognize the pattern.
        one_hot = tf.one_hot(tf.reshape(ids, [-1]), table.shape[0], dtype=table.dtype)
        return tf.reshape(tf.matmul(one_hot, table), (*keras.ops.shape(ids), table.shape[1]))

    def compute_mask(self, ids: Any, mask: Any = None) -> Any:
        return self.embedding.compute_mask(ids, mask)
