"""Masks, contexts and attention: the layers that recurrent encoders and decoders share."""

from typing import Any

import keras

from keras_seq2seq.config import PAD_ID

PACKAGE = "keras_seq2seq"


def mask_scores(scores: Any, visible: Any) -> Any:
    """Returns scores with a value at hidden places that no softmax or maximum ever picks.

    Args:
        scores: float, any shape.
        visible: bool, broadcast to the shape of `scores`. False hides a place.
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    # Added, not chosen by `where`: the mask is small, the sum is one cheap pass over the scores.
    lowest = -6e4 if dtype == "float16" else -1e9
    return scores + keras.ops.cast(keras.ops.where(visible, 0.0, lowest), dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class PaddingMask(keras.layers.Layer):
    """Tells real tokens from padding.

    Call arguments:
        ids: int32, shape (batch, length), padded with 0.
    Returns:
        bool, shape (batch, length). True at a real token.
    """

    def call(self, ids: Any) -> Any:
        return keras.ops.not_equal(ids, PAD_ID)

    def compute_output_spec(self, ids: Any) -> Any:
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

    def call(self, values: Any, source_mask: Any) -> Any:
        return values * keras.ops.cast(source_mask, values.dtype)[:, :, None]

    def compute_output_shape(self, values_shape: Any, source_mask_shape: Any) -> Any:
        return values_shape


@keras.saving.register_keras_serializable(PACKAGE)
class ZeroState(keras.layers.Layer):
    """Makes a state of zeros for as many rows as its input has.

    Args:
        units: int > 0. Size of the state.
    Call arguments:
        reference: any tensor of shape (batch, ...).
    Returns:
        float, shape (batch, units).
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def call(self, reference: Any) -> Any:
        batch = keras.ops.shape(reference)[0]
        return keras.ops.zeros((batch, self.units), dtype=self.compute_dtype)

    def compute_output_spec(self, reference: Any) -> Any:
        return keras.KerasTensor((reference.shape[0], self.units), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


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

    def call(self, memory: Any, source_mask: Any) -> Any:
        if self.mode == "max":
            hidden = mask_scores(memory, source_mask[:, :, None])
            is_row_real = keras.ops.any(source_mask, axis=1)[:, None]
            return keras.ops.where(is_row_real, keras.ops.max(hidden, axis=1), 0.0)
        weights = keras.ops.cast(source_mask, memory.dtype)[:, :, None]
        length = keras.ops.maximum(keras.ops.sum(weights, axis=1), 1.0)
        return keras.ops.sum(memory * weights, axis=1) / length

    def compute_output_shape(self, memory_shape: Any, source_mask_shape: Any) -> Any:
        return (memory_shape[0], memory_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(PACKAGE)
class Attention(keras.layers.Layer):
    """Attends from decoder states s_t to memory positions h_i and returns the context c_t.

    a_t = softmax_i(score(s_t, h_i)) over real positions, c_t = sum_i a_ti h_i. What of the score
    depends on the source alone is the argument `keys`, computed once per sentence by the encoder:

    - "dot": s_t . h_i; "scaled": the same over sqrt(units); keys = memory.
    - "general": s_t . (W h_i); keys = W memory.
    - "additive": v . tanh(U s_t + W h_i); keys = W memory.

    Args:
        score: "dot", "general", "scaled" or "additive".
    Call arguments:
        query: float, shape (batch, target_length, units). Decoder states s_t; of one token
            (batch, units).
        keys: float, shape (batch, source_length, units).
        memory: float, shape (batch, source_length, size).
        source_mask: bool, shape (batch, source_length). A padded position has weight 0.
    Returns:
        context: float, shape (batch, target_length, size).
        weights: float, shape (batch, target_length, source_length). Each row sums to 1. Of one
            token, both without the axis of length.
    Raises:
        ValueError: If `score` is unknown.
    Reference:
        Bahdanau et al. 2015, section 3.1 ("additive"); Luong et al. 2015, section 3.1;
        Vaswani et al. 2017, section 3.2.1 ("scaled").
    """

    def __init__(self, score: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if score not in ("dot", "general", "scaled", "additive"):
            raise ValueError(
                f"`score` must be 'dot', 'general', 'scaled' or 'additive'. Received: {score!r}."
            )
        self.score = score

    def build(self, query_shape: Any, keys_shape: Any, *shapes: Any) -> None:
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

    def call(self, query: Any, keys: Any, memory: Any, source_mask: Any) -> tuple[Any, Any]:
        if len(query.shape) == 2:
            context, weights = self.call(query[:, None], keys, memory, source_mask)
            return keras.ops.squeeze(context, 1), keras.ops.squeeze(weights, 1)
        scores = self._scores(query, keys)
        scores = mask_scores(scores, source_mask[:, None, :])
        # Keras warns of a softmax over one position, whose weight is 1.
        is_single = scores.shape[-1] == 1
        weights = keras.ops.ones_like(scores) if is_single else keras.ops.softmax(scores, axis=-1)
        return keras.ops.matmul(weights, memory), weights

    def _scores(self, query: Any, keys: Any) -> Any:
        if self.score == "additive":
            hidden = self.query_projection(query)[:, :, None, :] + keys[:, None, :, :]
            return keras.ops.sum(keras.ops.tanh(hidden) * self.energy, axis=-1)
        scores = keras.ops.matmul(query, keras.ops.transpose(keys, (0, 2, 1)))
        return scores / query.shape[-1] ** 0.5 if self.score == "scaled" else scores

    def compute_output_shape(
        self, query_shape: Any, keys_shape: Any, memory_shape: Any, source_mask_shape: Any
    ) -> Any:
        return (*query_shape[:-1], memory_shape[-1]), (*query_shape[:-1], memory_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "score": self.score}
