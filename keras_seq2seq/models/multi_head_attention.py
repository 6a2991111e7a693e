"""Multi-head attention; in a decoder it keeps its keys and values."""

from typing import Any

import keras

from keras_seq2seq.models.caches import FIXED, Cache
from keras_seq2seq.models.masks import PACKAGE, mask_scores
from keras_seq2seq.models.tensor import Shape, Tensor
from keras_seq2seq.models.two_forms import TwoForms

ops = keras.ops


class _Heads(keras.layers.Layer):
    """The shared part of multi-head attention: projections, scores, the weighted sum."""

    def __init__(self, num_heads: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, name="dropout", dtype=self.dtype_policy)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_heads": self.num_heads, "dropout": self.dropout}

    def _dense(self, name: str, size: int, inputs: int) -> keras.layers.Dense:
        dense = keras.layers.Dense(
            size, kernel_initializer="glorot_uniform", name=name, dtype=self.dtype_policy
        )
        dense.build((None, None, inputs))
        self.drop.build((None, None, inputs))
        return dense

    def _split(self, values: Tensor, size: int, *, transposed: bool = False) -> Any:
        """Returns (batch, heads, length, head size), or with the last two axes swapped."""
        shape = ops.shape(values)
        heads = ops.reshape(values, (*shape[:2], self.num_heads, size // self.num_heads))
        return ops.transpose(heads, (0, 2, 3, 1) if transposed else (0, 2, 1, 3))

    def _merge(self, heads: Tensor) -> Tensor:
        """Merges (batch, heads, length, head size) to (batch, length, size)."""
        side_by_side = ops.transpose(heads, (0, 2, 1, 3))
        shape = ops.shape(side_by_side)
        return ops.reshape(side_by_side, (*shape[:2], heads.shape[1] * heads.shape[3]))

    def _split_token(self, values: Tensor, parts: int) -> list[Tensor]:
        """Splits one token's values into parts, each (batch, heads, 1, head size)."""
        head_size = values.shape[-1] // (parts * self.num_heads)
        heads = ops.reshape(values, (_batch(values), parts * self.num_heads, 1, head_size))
        return ops.split(heads, parts, axis=1) if parts > 1 else [heads]

    def _merge_token(self, heads: Tensor) -> Tensor:
        """Merges (batch, heads, 1, head size) to (batch, size)."""
        return ops.reshape(heads, (_batch(heads), heads.shape[1] * heads.shape[3]))

    def _attend(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        visible: Tensor | None,
        training: bool | None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the weighted sum of each head and the weights.

        Args:
            query: float, shape (batch, heads, length, head size).
            keys: float, shape (batch, heads, head size, memory_length).
            values: float, shape (batch, heads, memory_length, head size).
            visible: bool, broadcast to (batch, heads, length, memory_length); None means
                everything is visible.
        """
        scores = ops.matmul(query, keys) * query.shape[-1] ** -0.5
        if visible is not None:
            scores = mask_scores(scores, visible)
        # Keras warns about a softmax over a single position; its weight is always 1.
        is_single = scores.shape[-1] == 1
        weights = ops.ones_like(scores) if is_single else ops.softmax(scores, axis=-1)
        return ops.matmul(self.drop(weights, training=training), values), weights


@keras.saving.register_keras_serializable(PACKAGE)
class SelfAttention(_Heads):
    """Lets every source position attend to every real one.

    Args:
        num_heads: int > 0. Divides the size.
        dropout: float, 0 <= dropout < 1. Share of the weights dropped in fit.
    Call arguments:
        inputs: float, shape (batch, length, size).
        source_mask: bool, shape (batch, length). No position attends to a False one.
    Returns:
        float, shape (batch, length, size).
    Reference:
        Vaswani et al. 2017, section 3.2.
    """

    def build(self, inputs_shape: Shape, source_mask_shape: Shape | None = None) -> None:
        size = inputs_shape[-1]
        self.project = self._dense("query_key_value", 3 * size, size)
        self.output_projection = self._dense("output", size, size)

    def call(self, inputs: Tensor, source_mask: Tensor, training: bool | None = None) -> Tensor:
        size = inputs.shape[-1]
        query, keys, values = ops.split(self.project(inputs), 3, axis=-1)
        read, _ = self._attend(
            self._split(query, size),
            self._split(keys, size, transposed=True),
            self._split(values, size),
            source_mask[:, None, None, :],
            training,
        )
        return self.output_projection(self._merge(read))

    def compute_output_shape(
        self, inputs_shape: Shape, source_mask_shape: Shape | None = None
    ) -> Shape:
        return inputs_shape


@keras.saving.register_keras_serializable(PACKAGE)
class CachedSelfAttention(_Heads, TwoForms):
    """Lets every target position attend to itself and those before it.

    `call` takes a whole target from position 0, which attends only to itself. `step` takes one
    token: it attends to the tokens before `position`, whose `keys` and `values` are cached, and
    adds its own. So a step projects only one token.

    Args:
        num_heads: int > 0. Divides the size.
        dropout: float, 0 <= dropout < 1. Share of the weights dropped in fit.
    Call arguments:
        inputs: float, shape (batch, target_length, size).
        keys: float, shape (batch, num_heads, head_size, max_length).
        values: float, shape (batch, num_heads, max_length, head_size).
        position: int32, shape (batch, 1). Number of tokens before `inputs`; below max_length.
    Returns:
        outputs: float, like `inputs`.
        keys, values: The caches with the tokens of `inputs` added.
    Reference:
        Vaswani et al. 2017, section 3.2.3.
    """

    def build(self, inputs_shape: Shape, *shapes: Any) -> None:
        size = inputs_shape[-1]
        self.project = self._dense("query_key_value", 3 * size, size)
        self.output_projection = self._dense("output", size, size)

    def call(
        self,
        inputs: Tensor,
        keys: Tensor,
        values: Tensor,
        position: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        size, longest = inputs.shape[-1], values.shape[2]
        query, new_keys, new_values = ops.split(self.project(inputs), 3, axis=-1)
        query = self._split(query, size)
        new_keys = self._split(new_keys, size, transposed=True)
        new_values = self._split(new_values, size)
        order = ops.arange(ops.shape(inputs)[1], dtype="int32")
        visible = (order[None, :] <= order[:, None])[None, None]
        read, _ = self._attend(query, new_keys, new_values, visible, training)
        # The caches of a whole target: its tokens, then zeros.
        keys = ops.concatenate([new_keys, ops.zeros_like(keys)], axis=3)[:, :, :, :longest]
        values = ops.concatenate([new_values, ops.zeros_like(values)], axis=2)[:, :, :longest]
        return self.output_projection(self._merge(read)), keys, values

    def step(
        self,
        inputs: Tensor,
        keys: Tensor,
        values: Tensor,
        position: Tensor,
        *,
        cache: Cache = FIXED,
    ) -> tuple[Tensor, Tensor, Tensor]:
        query, new_keys, new_values = self._split_token(self.project(inputs), 3)
        keys, values, columns, visible = cache.append(keys, values, new_keys, new_values, position)
        read, _ = self._attend(query, columns, values, visible, False)
        return self.output_projection(self._merge_token(read)), keys, values

    def compute_output_shape(
        self, inputs_shape: Shape, keys_shape: Shape, values_shape: Shape, position_shape: Shape
    ) -> tuple[Shape, Shape, Shape]:
        return inputs_shape, keys_shape, values_shape


@keras.saving.register_keras_serializable(PACKAGE)
class SourceKeysValues(_Heads):
    """Projects the memory to the keys and values of one decoder layer, once per sentence.

    Args:
        num_heads: int > 0. Divides `size`.
        size: int > 0. Size of the decoder.
    Call arguments:
        memory: float, shape (batch, source_length, memory_size).
    Returns:
        keys: float, shape (batch, num_heads, head_size, source_length).
        values: float, shape (batch, num_heads, source_length, head_size).
    """

    def __init__(self, num_heads: int, size: int, **kwargs: Any) -> None:
        super().__init__(num_heads, **kwargs)
        self.size = size

    def build(self, memory_shape: Shape) -> None:
        self.project = self._dense("key_value", 2 * self.size, memory_shape[-1])

    def call(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = ops.split(self.project(memory), 2, axis=-1)
        return self._split(keys, self.size, transposed=True), self._split(values, self.size)

    def compute_output_shape(self, memory_shape: Shape) -> tuple[Shape, Shape]:
        batch, length, _ = memory_shape
        head_size = self.size // self.num_heads
        return (batch, self.num_heads, head_size, length), (
            batch,
            self.num_heads,
            length,
            head_size,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(PACKAGE)
class CrossAttention(_Heads, TwoForms):
    """Lets every target position attend to every real source position.

    Args:
        num_heads: int > 0. Divides the size.
        dropout: float, 0 <= dropout < 1. Share of the weights dropped in fit.
    Call arguments:
        inputs: float, shape (batch, target_length, size).
        keys, values: What `SourceKeysValues` returned.
        source_mask: bool, shape (batch, source_length).
    Returns:
        outputs: float, like `inputs`.
        weights: float, shape (batch, target_length, source_length). The mean over the heads.
    Reference:
        Vaswani et al. 2017, section 3.2.3.
    """

    def build(self, inputs_shape: Shape, *shapes: Any) -> None:
        size = inputs_shape[-1]
        self.project = self._dense("query", size, size)
        self.output_projection = self._dense("output", size, size)

    def call(
        self,
        inputs: Tensor,
        keys: Tensor,
        values: Tensor,
        source_mask: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        visible = source_mask[:, None, None, :]
        query = self._split(self.project(inputs), inputs.shape[-1])
        read, weights = self._attend(query, keys, values, visible, training)
        return self.output_projection(self._merge(read)), ops.mean(weights, axis=1)

    def step(
        self, inputs: Tensor, keys: Tensor, values: Tensor, source_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        (query,) = self._split_token(self.project(inputs), 1)
        visible = source_mask[:, None, None, :]
        read, weights = self._attend(query, keys, values, visible, False)
        return self.output_projection(self._merge_token(read)), ops.mean(weights, axis=(1, 2))

    def compute_output_shape(
        self, inputs_shape: Shape, keys_shape: Shape, values_shape: Shape, source_mask_shape: Shape
    ) -> tuple[Shape, Shape]:
        return inputs_shape, (*inputs_shape[:-1], keys_shape[3])


@keras.saving.register_keras_serializable(PACKAGE)
class EmptyCache(keras.layers.Layer):
    """Makes the empty caches of one `CachedSelfAttention`, before the first token.

    Args:
        num_heads: int > 0.
        head_size: int > 0.
        max_length: int > 0. Longest target in tokens.
        cache: Kind of the caches; not saved, so a `.keras` file has those of fixed length.
    Call arguments:
        source_ids: int32, shape (batch, source_length).
    Returns:
        keys, values: float, in the layout of the cache; zeros if of fixed length.
    """

    def __init__(
        self,
        num_heads: int,
        head_size: int,
        max_length: int,
        *,
        cache: Cache = FIXED,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.head_size = head_size
        self.max_length = max_length
        self.cache = cache

    def call(self, source_ids: Tensor) -> tuple[Tensor, Tensor]:
        return self.cache.empty(source_ids, self._shapes(), self.compute_dtype)

    def compute_output_spec(self, source_ids: Tensor) -> Any:
        return tuple(
            keras.KerasTensor((source_ids.shape[0], *shape), self.compute_dtype)
            for shape in self._shapes()
        )

    def get_config(self) -> dict[str, Any]:
        sizes = {name: getattr(self, name) for name in ("num_heads", "head_size", "max_length")}
        return {**super().get_config(), **sizes}

    def _shapes(self) -> tuple[Shape, Shape]:
        return self.cache.shapes(self.num_heads, self.head_size, self.max_length)


def _batch(values: Tensor) -> int:
    """Returns the batch size, or -1 if it is open, for a reshape."""
    return -1 if values.shape[0] is None else values.shape[0]
