"""Attention of a recurrent decoder over the memory of the encoder."""

from typing import Any

import keras

from keras_seq2seq.models.config import ATTENTIONS
from keras_seq2seq.models.masks import PACKAGE, mask_scores
from keras_seq2seq.models.tensor import Shape, Tensor
from keras_seq2seq.models.two_forms import TwoForms


@keras.saving.register_keras_serializable(PACKAGE)
class Attention(TwoForms):
    """Attends from decoder states s_t to memory positions h_i and returns the context c_t.

    a_t = softmax_i(score(s_t, h_i)) over real positions, c_t = sum_i a_ti h_i. The part of the
    score that depends only on the source is the argument `keys`, which the encoder computes once
    per sentence:

    - "dot": s_t . h_i; "scaled": the same over sqrt(units); keys = memory.
    - "general": s_t . (W h_i); keys = W memory.
    - "additive": v . tanh(U s_t + W h_i); keys = W memory.

    Args:
        score: "dot", "general", "scaled" or "additive".
    Call arguments:
        query: float, shape (batch, target_length, units). Decoder states s_t.
        keys: float, shape (batch, source_length, units).
        memory: float, shape (batch, source_length, size).
        source_mask: bool, shape (batch, source_length). A padded position has weight 0.
    Returns:
        context: float, shape (batch, target_length, size).
        weights: float, shape (batch, target_length, source_length). Each row sums to 1.
    Raises:
        ValueError: If `score` is unknown.
    Reference:
        Bahdanau et al. 2015, section 3.1 ("additive"); Luong et al. 2015, section 3.1;
        Vaswani et al. 2017, section 3.2.1 ("scaled").
    """

    def __init__(self, score: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if score not in ATTENTIONS:
            raise ValueError(f"`score` must be one of {ATTENTIONS}. Received: {score!r}.")
        self.score = score

    def build(self, query_shape: Shape, keys_shape: Shape, *shapes: Any) -> None:
        if self.score == "additive":
            units = keys_shape[-1]
            self.query_projection = keras.layers.Dense(
                units, use_bias=False, name="query", dtype=self.dtype_policy
            )
            self.query_projection.build(query_shape)
            self.energy = self.add_weight(
                shape=(units,),
                initializer=keras.initializers.RandomUniform(-0.1, 0.1),
                name="energy",
            )

    def call(
        self, query: Tensor, keys: Tensor, memory: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores = self._scores(query, keys)
        scores = mask_scores(scores, source_mask[:, None, :])
        # Keras warns about a softmax over a single position; its weight is always 1.
        is_single = scores.shape[-1] == 1
        weights = keras.ops.ones_like(scores) if is_single else keras.ops.softmax(scores, axis=-1)
        return keras.ops.matmul(weights, memory), weights

    def step(
        self, query: Tensor, keys: Tensor, memory: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        context, weights = self.call(query[:, None], keys, memory, source_mask)
        return keras.ops.squeeze(context, 1), keras.ops.squeeze(weights, 1)

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.score == "additive":
            hidden = self.query_projection(query)[:, :, None, :] + keys[:, None, :, :]
            return keras.ops.sum(keras.ops.tanh(hidden) * self.energy, axis=-1)
        scores = keras.ops.matmul(query, keras.ops.transpose(keys, (0, 2, 1)))
        return scores / query.shape[-1] ** 0.5 if self.score == "scaled" else scores

    def compute_output_shape(
        self, query_shape: Shape, keys_shape: Shape, memory_shape: Shape, source_mask_shape: Shape
    ) -> tuple[Shape, Shape]:
        return (*query_shape[:-1], memory_shape[-1]), (*query_shape[:-1], memory_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "score": self.score}
