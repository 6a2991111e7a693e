"""Activations that every export can write."""

from typing import Any

import keras

from keras_seq2seq.models.masks import PACKAGE

ops = keras.ops


@keras.saving.register_keras_serializable(PACKAGE)
class Gelu(keras.layers.Layer):
    """Computes x * Phi(x) by its tanh form, as neither ONNX nor LiteRT has the exact one.

    Call arguments:
        values: float, any shape.
    Returns:
        float, like `values`.
    Reference:
        Hendrycks and Gimpel 2016, section 2.
    """

    def call(self, values: Any) -> Any:
        return ops.gelu(values, approximate=True)

    def compute_output_shape(self, values_shape: Any) -> Any:
        return values_shape


@keras.saving.register_keras_serializable(PACKAGE)
class SwishGate(keras.layers.Layer):
    """Multiplies values by gate * sigmoid(gate).

    Not keras.ops.silu, whose gradient of TensorFlow's own cannot be saved in a SavedModel.

    Call arguments:
        gate: float, any shape.
        values: float, the same shape.
    Returns:
        float, like `values`.
    Reference:
        Shazeer 2020, equation 6.
    """

    def call(self, gate: Any, values: Any) -> Any:
        return gate * ops.sigmoid(gate) * values

    def compute_output_shape(self, gate_shape: Any, values_shape: Any) -> Any:
        return values_shape
