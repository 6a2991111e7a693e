"""The loss over a few positions at a time, so that logits of large vocabularies fit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_seq2seq.models.logits_bias import LogitsBias
from keras_seq2seq.models.losses import MaskedCrossentropy
from keras_seq2seq.models.metrics import TokenMean


class OutputChunks:
    """A model without its output layer, and that layer for a few positions at a time.

    Args:
        model: A functional model with `encoder` and `decoder`, as Seq2Seq.
        positions: int > 0. Target positions whose logits are there at once.
    Raises:
        ValueError: If `positions` is not positive, or the decoder has an output layer of another
            kind than those of a Seq2SeqConfig.
    """

    def __init__(self, model: Any, positions: int) -> None:
        if positions < 1:
            raise ValueError(f"`positions` must be at least 1. Received: {positions}.")
        logits = model.decoder.output["logits"]
        self._bias = None
        if isinstance(logits._keras_history.operation, LogitsBias):
            self._bias = logits._keras_history.operation
            logits = _input_of(logits)
        self._layer = logits._keras_history.operation
        kinds = keras.layers.Dense | keras.layers.ReversibleEmbedding
        if not isinstance(self._layer, kinds):
            raise ValueError(
                "The loss by chunks needs the output layer of a Seq2SeqConfig: a Dense or an "
                f"embedding. Received: {type(self._layer).__name__}."
            )
        self.positions = positions
        self.values: list[Any] = []  # of the metrics, on their way out of the loss
        without = keras.Model(model.decoder.input, _input_of(logits), name=model.decoder.name)
        inputs = {tensor.name: tensor for tensor in model.inputs}
        encoded = model.encoder(inputs["source_ids"])
        fed = {k: v for k, v in encoded.items() if k in model.decoder.input}
        hidden = without({"target_ids": inputs["target_ids"], **fed})
        self.hidden = keras.Model(inputs, hidden, name=model.name)

    def map(self, function: Callable[[Any, Any], Any], labels: Any, hidden: Any) -> Any:
        """Returns what a function of labels and logits returns, without all logits at once.

        Args:
            function: Takes int32 (batch, positions) and float (batch, positions,
                vocabulary_size); returns tensors (batch, positions), each position by itself.
            labels: int32, shape (batch, target_length).
            hidden: float, shape (batch, target_length, units).
        """
        length = labels.shape[1]
        positions = min(self.positions, length)
        count = -(-length // positions)

        def cut(values: Any) -> Any:
            rest = [[0, 0], [0, count * positions - length], *[[0, 0]] * (len(values.shape) - 2)]
            shape = (values.shape[0], count, positions, *values.shape[2:])
            return keras.ops.moveaxis(keras.ops.reshape(keras.ops.pad(values, rest), shape), 1, 0)

        # Computed again in the backward pass: nothing of a chunk is kept.
        one = keras.remat(lambda labels, hidden: function(labels, self._logits(hidden)))
        given = cut(keras.ops.cast(labels, "int32")), cut(hidden)
        _, found = keras.ops.scan(lambda none, given: (none, one(*given)), 0.0, given)

        def joined(values: Any) -> Any:
            values = keras.ops.moveaxis(values, 0, 1)
            return keras.ops.reshape(values, (values.shape[0], -1))[:, :length]

        return keras.tree.map_structure(joined, found)

    def _logits(self, hidden: Any) -> Any:
        if isinstance(self._layer, keras.layers.Dense):
            return self._layer(hidden)
        logits = self._layer(hidden, reverse=True)
        return logits if self._bias is None else self._bias(logits)


class ChunkedOutput:
    """Trains and evaluates without all logits, after `chunk_loss`. Put it before keras.Model."""

    _chunks: OutputChunks | None = None
    _in_step = False
    _other_metrics = ""
    loss: Any
    metrics: list[Any]

    def chunk_loss(self, positions: int) -> None:
        """Lets `fit` and `evaluate` compute the logits of a few target positions at a time.

        Loss, gradients and metrics are the same; the logits are computed twice in training. Call
        it after each `compile`; on JAX.

        Args:
            positions: int > 0. Target positions whose logits are there at once.
        Raises:
            ValueError: If the backend is not JAX, the loss is not `MaskedCrossentropy`, the
                metrics are not `TokenAccuracy` and `Perplexity` or some of them, or the decoder has
                an output layer of its own kind.
        """
        if self._other_metrics:
            raise ValueError(
                "The loss by chunks knows the metrics TokenAccuracy and Perplexity alone, without "
                f"weights. Received: {self._other_metrics}."
            )
        if keras.backend.backend() != "jax" or not isinstance(self.loss, MaskedCrossentropy):
            raise ValueError(
                "The loss by chunks needs the JAX backend and MaskedCrossentropy or RDrop as loss. "
                f"Received: {keras.backend.backend()}, {type(self.loss).__name__}."
            )
        self._chunks = OutputChunks(self, positions)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures training: keras.Model.compile; the loss is whole again."""
        self._chunks = None
        metrics = keras.tree.flatten(kwargs.get("metrics"))
        odd = [one for one in metrics if one is not None and not isinstance(one, TokenMean)]
        odd += keras.tree.flatten(kwargs.get("weighted_metrics") or [])
        # Not the metrics themselves: Keras would count them twice.
        self._other_metrics = ", ".join(str(getattr(one, "name", one)) for one in odd)
        super().compile(*args, **kwargs)  # type: ignore[misc]

    def call(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """Returns the logits; within a step by chunks what the output layer takes."""
        if self._chunks is not None and self._in_step:
            return self._chunks.hidden.call(inputs, training=training, mask=mask)
        return super().call(inputs, training=training, mask=mask, **kwargs)  # type: ignore[misc]

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """Trains on one batch, within `fit`."""
        with self._step():
            return super().train_step(*args, **kwargs)  # type: ignore[misc]

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one batch, within `evaluate`."""
        with self._step():
            return super().test_step(*args, **kwargs)  # type: ignore[misc]

    @contextmanager
    def _step(self) -> Iterator[None]:
        former, self._in_step = self._in_step, True
        try:
            yield
        finally:
            self._in_step = former

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the loss: keras.Model.compute_loss."""
        if self._chunks is None or not self._in_step:
            return super().compute_loss(*args, **kwargs)  # type: ignore[misc]
        chunks, metrics = self._chunks, self._token_means()

        def with_metrics(token_losses: Any, labels: Any, hidden: Any) -> Any:
            def both(labels: Any, logits: Any) -> list[Any]:
                losses, still = token_losses(labels, logits), keras.ops.stop_gradient(logits)
                return [losses, *(metric.values(labels, still) for metric in metrics)]

            losses, *chunks.values = chunks.map(both, labels, hidden)
            return losses

        with self.loss.over(with_metrics):
            return super().compute_loss(*args, **kwargs)  # type: ignore[misc]

    def compute_loss_and_updates(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the loss as the trainer of JAX does; the metrics get their values, not logits.

        They are updated where the weights of the output layer are out of reach.
        """
        loss, (unscaled, y_pred, *states) = super().compute_loss_and_updates(  # type: ignore[misc]
            *args, **kwargs
        )
        if self._chunks is not None and self._in_step:
            y_pred, self._chunks.values = self._chunks.values, []
        return loss, (unscaled, y_pred, *states)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Updates the metrics: keras.Model.compute_metrics."""
        if self._chunks is None or not self._in_step:
            return super().compute_metrics(x, y, y_pred, sample_weight)  # type: ignore[misc]
        for metric, values in zip(self._token_means(), y_pred, strict=True):
            metric.add(values, y)
        return self.get_metrics_result()  # type: ignore[attr-defined]

    def _token_means(self) -> list[TokenMean]:
        listed = [one for each in self.metrics for one in getattr(each, "metrics", [each])]
        return [one for one in listed if isinstance(one, TokenMean)]


def _input_of(tensor: Any) -> Any:
    """Returns the tensor that the layer of a symbolic tensor was called with."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors[0]
