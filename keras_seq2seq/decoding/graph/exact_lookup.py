"""Reads numbers of a vector so that every exported file reads the same ones."""

import keras

from keras_seq2seq.models.tensor import Tensor

ops = keras.ops
# TensorFlow's converter takes a constant of so many numbers for a weight.
_WEIGHT = 1024


def exact_lookup(vector: Tensor, indices: Tensor) -> Tensor:
    """Returns vector[indices], without the 8 bits that a quantizer would store a weight in.

    It would take the vector for a matrix of one column, in steps of its largest number: with -100
    for a word that must not come, all biases are multiples of 0.8. So what is read depends on the
    indices too, by a 0.

    Args:
        vector: shape (size,); only of floats would it make integers.
        indices: int32, any shape, at least one of them; none is negative.
    """
    if vector.shape[0] >= _WEIGHT and keras.backend.is_float_dtype(vector.dtype):
        nothing = ops.minimum(ops.reshape(indices, (-1,))[:1], 0)
        vector = vector + ops.cast(nothing, vector.dtype)
    return ops.take(vector, indices)
