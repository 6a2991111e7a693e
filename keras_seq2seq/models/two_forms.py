"""A decoder layer in two forms: over a whole target, and for one token and a state."""

import abc
from typing import Any

import keras


class TwoForms(keras.layers.Layer, abc.ABC):
    """A decoder layer that looks at more than one position, in two forms over one set of weights.

    `call` computes a whole target, tensors (batch, target_length, ...), as in training; `step`
    computes one token, without the length axis, from the state after the previous token. Both give
    the same numbers, like a Keras recurrent layer and its cell.
    """

    @abc.abstractmethod
    def step(self, *tensors: Any, **options: Any) -> Any:
        """Computes one token; takes and returns what `call` does, without the length axis."""


class OneToken(keras.layers.Layer):
    """Computes one token with a layer that has two forms.

    Args:
        layer: The layer, built; its weights are shared.
        **options: Options of `step`, such as the kind of a cache.
    Call arguments:
        *tensors: Arguments of the layer's `step`.
    Returns:
        What its `step` returns.
    """

    def __init__(self, layer: TwoForms, **options: Any) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.options = options
        self.built = True

    def call(self, *tensors: Any) -> Any:
        return self.layer.step(*tensors, **self.options)
