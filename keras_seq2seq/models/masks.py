"""Padding masks, and the layers that apply them."""

from typing import Any

import keras

from keras_seq2seq.models.tensor import Shape, Tensor
from keras_seq2seq.text.vocabulary import PAD_ID

PACKAGE = "keras_seq2seq"


def mask_scores(scores: Tensor, visible: Tensor) -> Tensor:
    """Returns scores that are so low at hidden places that no softmax or maximum picks them.

    Args:
        scores: float, any shape.
        visible: bool, broadcast to the shape of `scores`. False hides a place.
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    # A sum, not `where` on the scores: the mask is small, and the sum is one cheap pass.
    # float16 cannot hold -1e9.
    lowest = -6e4 if dtype == "float16" else -1e9
    return scores + keras.ops.cast(keras.ops.where(visible, 0.0, lowest), dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class PaddingMask(keras.layers.Layer):
    """Computes the mask of real tokens.

    Call arguments:
        ids: int32, shape (batch, length), padded with 0.
    Returns:
        bool, shape (batch, length). True at a real token.
    """

    def call(self, ids: Tensor) -> Tensor:
        return keras.ops.not_equal(ids, PAD_ID)

    def compute_output_spec(self, ids: Tensor) -> Any:
        return keras.KerasTensor(ids.shape, "bool")


@keras.saving.register_keras_serializable(PACKAGE)
class ClearPadding(keras.layers.Layer):
    """Sets padded positions to zero; from here on masks travel as explicit tensors only.

    Call arguments:
        values: float, shape (batch, length, size).
        source_mask: bool, shape (batch, length). True at a real token.
    Returns:
        Like `values`, with zeros where `source_mask` is False.
    """

    supports_masking = True

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        return None

    def call(self, values: Tensor, source_mask: Tensor) -> Tensor:
        return values * keras.ops.cast(source_mask, values.dtype)[:, :, None]

    def compute_output_shape(self, values_shape: Shape, source_mask_shape: Shape) -> Shape:
        return values_shape


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedPooling(keras.layers.Layer):
    """Computes the context c = q(h_1..h_S) as the mean or the maximum over real positions.

    A row without a real position gives zeros.

    Args:
        mode: "mean" or "max".
    Call arguments:
        memory: float, shape (batch, source_length, units).
        source_mask: bool, shape (batch, source_length).
    Returns:
        float, shape (batch, units).
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in ("mean", "max"):
            raise ValueError(f"`mode` must be 'mean' or 'max'. Received: {mode!r}.")
        self.mode = mode

    def call(self, memory: Tensor, source_mask: Tensor) -> Tensor:
        if self.mode == "max":
            hidden = mask_scores(memory, source_mask[:, :, None])
            is_row_real = keras.ops.any(source_mask, axis=1)[:, None]
            return keras.ops.where(is_row_real, keras.ops.max(hidden, axis=1), 0.0)
        weights = keras.ops.cast(source_mask, memory.dtype)[:, :, None]
        length = keras.ops.maximum(keras.ops.sum(weights, axis=1), 1.0)
        return keras.ops.sum(memory * weights, axis=1) / length

    def compute_output_shape(self, memory_shape: Shape, source_mask_shape: Shape) -> Shape:
        return (memory_shape[0], memory_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}
