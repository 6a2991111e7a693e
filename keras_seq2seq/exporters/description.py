"""What a manifest says of a signature."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

Tensors = list[dict[str, Any]]


def described(function: Any) -> dict[str, Tensors]:
    """Returns the inputs and outputs of a concrete function, sorted by name.

    Args:
        function: A concrete function that takes named specs and returns a dict.
    Returns:
        {"inputs", "outputs"}, each a list of {"name", "dtype", "shape"}, with None in a shape for
        an axis of any length.
    """
    arguments, named_arguments = function.structured_input_signature
    inputs = ((spec.name, spec) for spec in (*arguments, *named_arguments.values()))
    return {
        "inputs": _tensors(inputs),
        "outputs": _tensors(function.structured_outputs.items()),
    }


def _tensors(tensors: Iterable[tuple[str, tf.TensorSpec]]) -> Tensors:
    return [
        {"name": name, "dtype": tensor.dtype.name, "shape": tensor.shape.as_list()}
        for name, tensor in sorted(tensors)
    ]
