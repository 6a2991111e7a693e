"""Activations that every export format can hold."""

import keras

from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.tensor import Shape, Tensor

ops = keras.ops


@keras.saving.register_keras_serializable(PACKAGE)
class Gelu(keras.layers.Layer):
    """Computes x * Phi(x) in its tanh form.

    The exact form has no operator in ONNX and LiteRT files.

    Call arguments:
        values: float, any shape.
    Returns:
        float, like `values`.
    Reference:
        Hendrycks and Gimpel 2016, section 2.
    """

    def call(self, values: Tensor) -> Tensor:
        return ops.gelu(values, approximate=True)

    def compute_output_shape(self, values_shape: Shape) -> Shape:
        return values_shape


@keras.saving.register_keras_serializable(PACKAGE)
class SwishGate(keras.layers.Layer):
    """Multiplies values by gate * sigmoid(gate).

    It does not use keras.ops.silu: TensorFlow gives that a custom gradient, which a SavedModel
    cannot hold.

    Call arguments:
        gate: float, any shape.
        values: float, the same shape.
    Returns:
        float, like `values`.
    Reference:
        Shazeer 2020, equation 6.
    """

    def call(self, gate: Tensor, values: Tensor) -> Tensor:
        return gate * ops.sigmoid(gate) * values

    def compute_output_shape(self, gate_shape: Shape, values_shape: Shape) -> Shape:
        return values_shape
