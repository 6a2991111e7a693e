"""Draws a token in keras.ops, by inverting the distribution over the most probable ones."""

import dataclasses

import keras

from keras_seq2seq.decoding.graph.rules import Columns, pick
from keras_seq2seq.models.tensor import Tensor, Tensors

ops = keras.ops


@dataclasses.dataclass(frozen=True)
class Draw:
    """Chooses a column for each row of a `single_search`; `Sampling` documents the numbers.

    The search takes the input `uniforms`, float32, shape (batch, max_length).
    """

    temperature: float
    top_k: int
    top_p: float

    def __call__(
        self, adjusted: Tensor, rows: Tensor, step: Tensor, columns: Columns, inputs: Tensors
    ) -> tuple[Tensor, Tensor]:
        """Returns a column, int32, shape (rows, 1), and its adjusted log-probability."""
        uniforms = ops.take(inputs["uniforms"], step, axis=1)
        count = min(self.top_k or columns.vocabulary_size, columns.vocabulary_size)
        if columns.candidates is not None:
            count = ops.minimum(count, columns.count)
        values, ranked = ops.top_k(adjusted, count)
        weights = ops.exp((values - values[:, :1]) / self.temperature)
        before = ops.cumsum(weights, axis=-1) - weights
        total = ops.sum(weights, axis=-1, keepdims=True)
        weights = ops.where(before >= self.top_p * total, 0.0, weights)
        upto = ops.cumsum(weights, axis=-1)
        below = ops.cast(upto <= uniforms[:, None] * upto[:, -1:], "int32")
        last = ops.sum(ops.cast(weights > 0, "int32"), axis=-1) - 1
        chosen = ops.minimum(ops.sum(below, axis=-1), last)[:, None]
        places = rows * count + chosen
        return ops.cast(pick(ranked, places), "int32"), pick(values, places)
