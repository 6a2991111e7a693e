"""Position encodings of embeddings, and the position counter of a decoder."""

import math
from typing import Any

import keras

from keras_seq2seq.models.config import POSITIONS
from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.two_forms import TwoForms

ops = keras.ops


@keras.saving.register_keras_serializable(PACKAGE)
class PositionEncoding(TwoForms):
    """Scales embeddings by the square root of their size and adds position encodings.

    The angle of dimension i is position * 10000^(-i / (size / 2)) with "sinusoidal", as in the
    paper, and position * 10000^(-i / (size / 2 - 1)) with "marian", as in tensor2tensor and Marian:
    up to 0.2 apart for positions below 128.

    Args:
        kind: "sinusoidal" or "marian" (any length), or "learned" (up to `max_length`). In a graph
            whose lengths vary, such as an exported file, later positions use the last one.
        max_length: int > 0. Number of learned positions, and of positions that `step` takes.
        scaled: False adds the encodings to the embeddings as they are.
    Call arguments:
        embeddings: float, shape (batch, length, size).
        start: int32, shape (batch, 1). Position of the first token; None means 0.
    Returns:
        float, like `embeddings`.
    Raises:
        ValueError: If `kind` is unknown, or `embeddings` are longer than the learned positions.
    Reference:
        Vaswani et al. 2017, sections 3.4 and 3.5; Gehring et al. 2017, section 3.1 ("learned").
    """

    def __init__(self, kind: str, max_length: int, scaled: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in POSITIONS:
            raise ValueError(f"`kind` must be one of {POSITIONS}. Received: {kind!r}.")
        self.kind = kind
        self.max_length = max_length
        self.scaled = scaled

    def build(self, embeddings_shape: Any, start_shape: Any = None) -> None:
        if self.kind == "learned":
            self.table = self.add_weight(
                shape=(self.max_length, embeddings_shape[-1]),
                initializer=keras.initializers.RandomNormal(stddev=embeddings_shape[-1] ** -0.5),
                name="table",
            )

    def call(self, embeddings: Any, start: Any = None) -> Any:
        self.check_length(embeddings.shape[1])
        positions = ops.arange(ops.shape(embeddings)[1], dtype="int32")[None, :]
        positions = positions if start is None else positions + start
        return self._sum(embeddings, self._addends(positions, embeddings))

    def check_length(self, length: int | None) -> None:
        """Checks that there is a position for each token; None, a length that varies, passes.

        Raises:
            ValueError: If there is not.
        """
        if self.kind == "learned" and length is not None and length > self.max_length:
            raise ValueError(
                f"There must be a learned position ({self.name}) for each token of a text. "
                f"Received: {length} tokens, {self.max_length} positions; leave longer pairs out "
                f"with PairBatches(max_length={self.max_length}), or build the model with a larger "
                'max_length or positions="sinusoidal".'
            )

    def step(self, embeddings: Any, start: Any) -> Any:
        # The table is the same at every step, so it is computed once, before a search.
        table = self._addends(ops.arange(self.max_length, dtype="int32"), embeddings)
        return self._sum(embeddings, ops.take(table, start[:, 0], axis=0))

    def _sum(self, embeddings: Any, addends: Any) -> Any:
        if not self.scaled:
            return embeddings + addends
        # The product stands between two sums: the LiteRT converter would fold its factor into the
        # table of embeddings or into the matrix that follows, and a file would hold these twice.
        scale = embeddings.shape[-1] ** 0.5
        return (embeddings + addends / scale) * scale + addends

    def _addends(self, positions: Any, embeddings: Any) -> Any:
        """Returns the encodings of positions (...), shape (..., size); half of each if scaled."""
        size = embeddings.shape[-1]
        if self.kind == "learned":
            encodings = ops.take(self.table, ops.minimum(positions, self.max_length - 1), axis=0)
        else:
            half = (size + 1) // 2
            # With "marian" the last rate is 1 / 10,000, and a single rate is 1.
            steps = max(size / 2 - 1, 1) if self.kind == "marian" else size / 2
            rates = ops.exp(ops.arange(half, dtype="float32") * (-math.log(10_000) / steps))
            angles = ops.cast(positions, "float32")[..., None] * rates
            encodings = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[..., :size]
        encodings = ops.cast(encodings, embeddings.dtype)
        return encodings / 2 if self.scaled else encodings

    def compute_output_shape(self, embeddings_shape: Any, start_shape: Any = None) -> Any:
        return embeddings_shape

    def get_config(self) -> dict[str, Any]:
        names = ("kind", "max_length", "scaled")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(PACKAGE)
class FirstPosition(keras.layers.Layer):
    """Returns position 0 for each row.

    Call arguments:
        source_ids: int32, shape (batch, source_length).
    Returns:
        int32, shape (batch, 1).
    """

    def call(self, source_ids: Any) -> Any:
        return ops.zeros((ops.shape(source_ids)[0], 1), "int32")

    def compute_output_spec(self, source_ids: Any) -> Any:
        return keras.KerasTensor((source_ids.shape[0], 1), "int32")


@keras.saving.register_keras_serializable(PACKAGE)
class NextPosition(TwoForms):
    """Advances the position by the number of tokens read.

    Call arguments:
        position: int32, shape (batch, 1).
        target_ids: int32, shape (batch, target_length).
    Returns:
        int32, shape (batch, 1).
    """

    def call(self, position: Any, target_ids: Any) -> Any:
        return position + ops.shape(target_ids)[1]

    def step(self, position: Any, target_ids: Any) -> Any:
        return position + 1

    def compute_output_spec(self, position: Any, target_ids: Any) -> Any:
        return keras.KerasTensor(position.shape, "int32")


def check_batch_lengths(encoder: keras.Model, decoder: keras.Model, batches: Any) -> None:
    """Checks that learned positions are as many as the batches are long, before training.

    In the graph that TensorFlow trains, lengths vary and nothing can be checked.

    Args:
        encoder, decoder: The parts of a model.
        batches: What `fit` received; all but `PairBatches` pass.
    Raises:
        ValueError: If batches are longer.
    """
    buckets = getattr(getattr(batches, "batches", batches), "buckets", ())
    for part, side in ((encoder, "source_length"), (decoder, "target_length")):
        for layer in part.layers:
            if isinstance(layer, PositionEncoding):
                layer.check_length(max((getattr(b, side) for b in buckets), default=0))
