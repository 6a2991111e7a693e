"""Activations that every export format can hold."""

from typing import Any

import keras

from keras_seq2seq.models.masks import PACKAGE

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

    def call(self, values: Any) -> Any:
        return ops.gelu(values, approximate=True)

    def compute_output_shape(self, values_shape: Any) -> Any:
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

    def call(self, gate: Any, values: Any) -> Any:
        return gate * ops.sigmoid(gate) * values

    def compute_output_shape(self, gate_shape: Any, values_shape: Any) -> Any:
        return values_shape
