"""Metrics over real tokens: padding counts in none of them."""

import abc
from typing import Any

import keras

from keras_seq2seq.models.losses import (
    label_logits,
    token_crossentropy,
    token_mask,
    token_weights,
)


class TokenMean(keras.metrics.Metric, abc.ABC):
    """The mean of a per-token value over all real tokens seen since the last reset."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.add(self.values(y_true, y_pred), y_true, sample_weight)

    def add(self, values: Any, y_true: Any, sample_weight: Any = None) -> None:
        """Adds the values of tokens, float32, (batch, target_length), as `values` gives them."""
        weights = token_mask(y_true)
        if sample_weight is not None:
            weights = weights * token_weights(sample_weight, y_true)
        self.total.assign_add(keras.ops.sum(values * weights))
        self.count.assign_add(keras.ops.sum(weights))

    @abc.abstractmethod
    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the value of each token, float32, shape (batch, target_length)."""

    def result(self) -> Any:
        return self.total / keras.ops.maximum(self.count, 1.0)


@keras.saving.register_keras_serializable("keras_seq2seq")
class TokenAccuracy(TokenMean):
    """Computes the share of real tokens whose label has the highest logit, 0 to 1.

    Call arguments:
        y_true: int32, shape (batch, target_length), padded with 0.
        y_pred: float, shape (batch, target_length, vocabulary_size). Logits.
        sample_weight: optional float, shape (batch,) or (batch, target_length).
    """

    def __init__(self, name: str = "token_accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        reached = label_logits(keras.ops.cast(y_true, "int32"), y_pred)
        return keras.ops.cast(reached >= keras.ops.max(y_pred, axis=-1), "float32")


@keras.saving.register_keras_serializable("keras_seq2seq")
class Perplexity(TokenMean):
    """Computes exp of the mean cross-entropy of the real tokens, without label smoothing.

    At least 1; equal to the vocabulary size for a uniform guess.

    Call arguments:
        y_true: int32, shape (batch, target_length), padded with 0.
        y_pred: float, shape (batch, target_length, vocabulary_size). Logits.
        sample_weight: optional float, shape (batch,) or (batch, target_length).
    """

    def __init__(self, name: str = "perplexity", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return token_crossentropy(y_true, y_pred)

    def result(self) -> Any:
        return keras.ops.exp(super().result())
