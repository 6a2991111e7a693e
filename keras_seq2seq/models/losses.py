"""The training loss: cross-entropy over real tokens only."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_seq2seq.text.vocabulary import PAD_ID


@keras.saving.register_keras_serializable("keras_seq2seq")
class MaskedCrossentropy(keras.losses.Loss):
    """Computes the mean cross-entropy of the real tokens of a batch, optionally smoothed.

    With label smoothing e the target distribution is (1 - e) on the label plus e spread evenly
    over the vocabulary. Padded labels count neither in the sum nor in the mean.

    Args:
        label_smoothing: float, 0 <= label_smoothing < 1.
        name: Name of the loss.
    Call arguments:
        y_true: int32, shape (batch, target_length), padded with 0.
        y_pred: float, shape (batch, target_length, vocabulary_size). Logits.
        sample_weight: optional float, shape (batch,) or (batch, target_length).
    Returns:
        float32 scalar, in nats per token.
    Raises:
        ValueError: If `label_smoothing` is out of its range.
    Reference:
        Szegedy et al. 2016, section 7 (label smoothing).
    """

    def __init__(
        self, label_smoothing: float = 0.0, name: str = "masked_crossentropy", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` must be at least 0 and below 1. Received: {label_smoothing}."
            )
        self.label_smoothing = label_smoothing
        self._map: Callable[..., Any] | None = None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if sample_weight is not None:
            sample_weight = token_weights(sample_weight, y_true)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if self._map is None:
            losses = self.token_losses(y_true, y_pred)
        else:
            losses = self._map(self.token_losses, y_true, y_pred)
        mask = token_mask(y_true)
        # Keras averages over all positions; the factor makes it the mean over real ones.
        total = keras.ops.cast(keras.ops.size(mask), "float32")
        real = keras.ops.maximum(keras.ops.sum(mask), 1.0)
        return losses * mask * (total / real)

    @contextlib.contextmanager
    def over(self, chunks: Callable[..., Any]) -> Iterator[None]:
        """Takes, within the block, what a function makes of `token_losses` in place of these.

        Args:
            chunks: Takes `token_losses`, y_true and y_pred, as `OutputChunks.map`.
        """
        self._map = chunks
        try:
            yield
        finally:
            self._map = None

    def token_losses(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each position, padding included, float32, shape of `y_true`."""
        return token_crossentropy(y_true, y_pred, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("keras_seq2seq")
class RDrop(MaskedCrossentropy):
    """Adds to the cross-entropy the divergence between two passes over the same pair.

    Dropout makes the passes differ, and the loss pulls their distributions p and q together. For
    each token it is alpha / 2 * (KL(p || q) + KL(q || p)) / 2 plus the mean of both
    cross-entropies: half of the paper's loss, which takes their sum. Rows 2i and 2i + 1 of a batch
    are one pair (`PairBatches(copies=2)`).

    Args:
        alpha: float >= 0. Weight of the divergence.
        label_smoothing: float, 0 <= label_smoothing < 1.
        name: Name of the loss.
    Call arguments:
        y_true: int32, shape (batch, target_length), padded with 0; batch is even.
        y_pred: float, shape (batch, target_length, vocabulary_size). Logits.
        sample_weight: optional float, shape (batch,) or (batch, target_length).
    Returns:
        float32 scalar, in nats per token.
    Raises:
        ValueError: If a number is out of its range.
    Reference:
        Liang et al. 2021, equation 3.
    """

    def __init__(
        self,
        alpha: float = 5.0,
        label_smoothing: float = 0.0,
        name: str = "r_drop",
        **kwargs: Any,
    ) -> None:
        super().__init__(label_smoothing, name=name, **kwargs)
        if not alpha >= 0:
            raise ValueError(f"`alpha` must be at least 0. Received: {alpha}.")
        self.alpha = alpha

    def token_losses(self, y_true: Any, y_pred: Any) -> Any:
        losses = super().token_losses(y_true, y_pred)
        return losses + self.alpha / 2 * pass_divergence(y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


def token_mask(labels: Any) -> Any:
    """Returns 1.0 at a real label and 0.0 at padding, float32, shape of `labels`."""
    return keras.ops.cast(keras.ops.not_equal(labels, PAD_ID), "float32")


def token_weights(sample_weight: Any, labels: Any) -> Any:
    """Returns the weight of each position, float32, shape (batch, 1) or (batch, target_length).

    Args:
        sample_weight: float, shape (batch,), (batch, 1) or (batch, target_length).
        labels: int32, shape (batch, target_length).
    Raises:
        ValueError: If `sample_weight` has another shape.
    """
    weights = keras.ops.cast(sample_weight, "float32")
    if getattr(weights.shape, "rank", 0) is None:
        # TensorFlow: `fit` was given weights of the other rank before, its graph now takes both.
        return keras.ops.reshape(weights, (keras.ops.shape(labels)[0], -1))
    shape, (batch, length) = tuple(weights.shape), labels.shape
    accepted = ((batch,), (1, length))[: len(shape)]
    fitting = zip(shape, accepted, strict=False)
    if len(shape) not in (1, 2) or not all(None in (a, *b) or a in b for a, b in fitting):
        raise ValueError(
            "`sample_weight` must have the shape (batch,), one weight for each pair, or "
            "(batch, target_length), one for each token. "
            f"Received: {shape} with labels {(batch, length)}."
        )
    return weights[:, None] if len(shape) == 1 else weights


def token_crossentropy(labels: Any, logits: Any, label_smoothing: float = 0.0) -> Any:
    """Returns -sum_v q_v log softmax(logits)_v for each position, float32, shape of `labels`.

    Its gradient, softmax(logits) - q, is written by hand: logits are the largest tensor of a
    training step, and automatic differentiation reads and writes them three times as often.

    Args:
        labels: int32, shape (batch, target_length).
        logits: float, shape (batch, target_length, vocabulary_size).
        label_smoothing: float, 0 <= label_smoothing < 1. Share of q spread evenly.
    """

    @keras.ops.custom_gradient
    def crossentropy(logits: Any, given: Any) -> Any:
        labels = keras.ops.cast(given, "int32")
        highest = keras.ops.max(logits, axis=-1, keepdims=True)
        exponentials = keras.ops.exp(logits - highest)
        total = keras.ops.sum(exponentials, axis=-1, keepdims=True)
        losses = keras.ops.log(total)[..., 0] + highest[..., 0]
        losses = losses - (1 - label_smoothing) * label_logits(labels, logits)
        if label_smoothing:
            losses = losses - label_smoothing * keras.ops.mean(logits, axis=-1)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = (args[0] if upstream is None else upstream)[..., None]
            size = logits.shape[-1]
            found = exponentials * (upstream / total)
            if label_smoothing:
                found = found - upstream * (label_smoothing / size)
            rows = keras.ops.reshape(found, (-1, size))
            columns = keras.ops.reshape(labels, (-1,))
            places = keras.ops.stack([keras.ops.arange(keras.ops.shape(rows)[0]), columns], axis=1)
            at_label = label_logits(labels, found) - (1 - label_smoothing) * upstream[..., 0]
            rows = keras.ops.scatter_update(rows, places, keras.ops.reshape(at_label, (-1,)))
            return keras.ops.reshape(rows, keras.ops.shape(logits)), keras.ops.zeros_like(given)

        return losses, gradient

    # An argument, not a variable from outside: JAX computes it again in the backward pass. Only
    # floats have gradients; these hold any id exactly.
    return crossentropy(keras.ops.cast(logits, "float32"), keras.ops.cast(labels, "float32"))


def pass_divergence(logits: Any) -> Any:
    """Returns (KL(p || q) + KL(q || p)) / 2 of each position of rows 2i and 2i + 1, in both.

    Its gradient is written by hand, like that of `token_crossentropy`.

    Args:
        logits: float, shape (batch, target_length, vocabulary_size); batch is even.
    Returns:
        float32, shape (batch, target_length).
    """

    @keras.ops.custom_gradient
    def divergence(logits: Any) -> Any:
        shape = keras.ops.shape(logits)
        log_p = keras.ops.log_softmax(logits, axis=-1)
        p = keras.ops.exp(log_p)
        log_ratio = log_p - _other_pass(log_p)
        difference = p - _other_pass(p)
        losses = 0.5 * keras.ops.sum(difference * log_ratio, axis=-1)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = args[0] if upstream is None else upstream
            upstream = 0.5 * (upstream + _other_pass(upstream))[..., None]
            mean = keras.ops.sum(p * log_ratio, axis=-1, keepdims=True)
            return keras.ops.reshape(upstream * (p * (log_ratio - mean) + difference), shape)

        return losses, gradient

    return divergence(keras.ops.cast(logits, "float32"))


def _other_pass(values: Any) -> Any:
    """Returns, row by row, the other pass over the same pair."""
    shape = keras.ops.shape(values)
    both = keras.ops.reshape(values, (shape[0] // 2, 2, *shape[1:]))
    return keras.ops.reshape(keras.ops.flip(both, axis=1), shape)


def label_logits(labels: Any, logits: Any) -> Any:
    """Returns the logit of each label, shape of `labels`."""
    return keras.ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
