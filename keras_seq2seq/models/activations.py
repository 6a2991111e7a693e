"""Activations that every export format can hold."""

import math

import keras

from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.tensor import Shape, Tensor

ops = keras.ops


class _Elementwise(keras.layers.Layer):
    """A layer that changes each value by itself, and no shape."""

    def compute_output_shape(self, values_shape: Shape) -> Shape:
        return values_shape


@keras.saving.register_keras_serializable(PACKAGE)
class Gelu(_Elementwise):
    """Computes x * Phi(x) in its tanh form.

    Call arguments:
        values: float, any shape.
    Returns:
        float, like `values`.
    Reference:
        Hendrycks and Gimpel 2016, section 2.
    """

    def call(self, values: Tensor) -> Tensor:
        return ops.gelu(values, approximate=True)


@keras.saving.register_keras_serializable(PACKAGE)
class GeluExact(_Elementwise):
    """Computes x * Phi(x), Phi being the distribution function of the normal distribution.

    It does not use keras.ops.gelu, whose erfc is no operator of ONNX.

    Call arguments:
        values: float, any shape.
    Returns:
        float, like `values`.
    Reference:
        Hendrycks and Gimpel 2016, section 2.
    """

    def call(self, values: Tensor) -> Tensor:
        return values * 0.5 * (1.0 + ops.erf(values * math.sqrt(0.5)))


@keras.saving.register_keras_serializable(PACKAGE)
class Swish(_Elementwise):
    """Computes x * sigmoid(x), without the custom gradient that `SwishGate` tells of.

    Call arguments:
        values: float, any shape.
    Returns:
        float, like `values`.
    Reference:
        Ramachandran et al. 2017, section 4 (with beta = 1); Elfwing et al. 2017 ("SiLU").
    """

    def call(self, values: Tensor) -> Tensor:
        return values * ops.sigmoid(values)


# The activation of each name but "swiglu", which has two inputs.
ACTIVATION_LAYERS: dict[str, type[keras.layers.Layer]] = {
    "relu": keras.layers.ReLU,
    "gelu": Gelu,
    "gelu_exact": GeluExact,
    "swish": Swish,
    "silu": Swish,
}


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
