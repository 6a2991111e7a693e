"""The bias of a tied output."""

import keras

from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(PACKAGE)
class LogitsBias(keras.layers.Layer):
    """Adds a bias to logits that an embedding gave, which has none of its own.

    Call arguments:
        logits: float, shape (..., vocabulary_size).
    Returns:
        float, like `logits`.
    """

    def build(self, logits_shape: Shape) -> None:
        self.bias = self.add_weight(shape=(logits_shape[-1],), initializer="zeros", name="bias")

    def call(self, logits: Tensor) -> Tensor:
        return logits + self.bias

    def compute_output_shape(self, logits_shape: Shape) -> Shape:
        return logits_shape
