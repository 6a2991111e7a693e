"""Where a decoder layer keeps the keys and values of its tokens: of fixed length, or growing."""

import abc
from typing import Any

import keras

ops = keras.ops
Shape = tuple[int | None, ...]


class Cache(abc.ABC):
    """Says how keys and values of the tokens so far are laid out, and how one token joins them."""

    @abc.abstractmethod
    def shapes(self, num_heads: int, head_size: int, max_length: int) -> tuple[Shape, Shape]:
        """Returns the shapes of keys and values without the batch, None for an open axis."""

    @abc.abstractmethod
    def empty(self, source_ids: Any, shapes: tuple[Shape, Shape], dtype: str) -> tuple[Any, Any]:
        """Returns keys and values before the first token, for as many rows as `source_ids`."""

    @abc.abstractmethod
    def append(
        self, keys: Any, values: Any, new_keys: Any, new_values: Any, position: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Adds one token.

        Args:
            keys, values: As the cache lays them out.
            new_keys, new_values: float, shape (batch, num_heads, 1, head_size).
            position: int32, shape (batch, 1). Tokens that are there already.
        Returns:
            keys, values: With the token.
            columns: float, shape (batch, num_heads, head_size, length). Keys to multiply by.
            visible: bool, broadcast to (batch, num_heads, 1, length); None means all of them.
        """


class FixedCache(Cache):
    """Keys and values of `max_length` positions, zero where no token is yet: shapes that stay.

    Keys are (batch, num_heads, head_size, max_length), values (batch, num_heads, max_length,
    head_size).
    """

    def shapes(self, num_heads: int, head_size: int, max_length: int) -> tuple[Shape, Shape]:
        return (num_heads, head_size, max_length), (num_heads, max_length, head_size)

    def empty(self, source_ids: Any, shapes: tuple[Shape, Shape], dtype: str) -> tuple[Any, Any]:
        batch = ops.shape(source_ids)[0]
        keys, values = (ops.zeros((batch, *shape), dtype) for shape in shapes)
        return keys, values

    def append(
        self, keys: Any, values: Any, new_keys: Any, new_values: Any, position: Any
    ) -> tuple[Any, Any, Any, Any]:
        places = ops.arange(values.shape[2], dtype="int32")[None, :]
        # Caches are zero where nothing was written: a sum is cheaper than a choice.
        here = ops.cast(places == position, keys.dtype)[:, None]
        keys = keys + here[:, :, None, :] * ops.transpose(new_keys, (0, 1, 3, 2))
        values = values + here[:, :, :, None] * new_values
        return keys, values, keys, (places <= position)[:, None, None, :]


class GrowingCache(Cache):
    """Keys and values of the tokens that are there and no others: a search reads and copies less.

    Both are (batch, num_heads, length, head_size). The length changes with each token, which not
    every backend and format can loop over.
    """

    def shapes(self, num_heads: int, head_size: int, max_length: int) -> tuple[Shape, Shape]:
        return (num_heads, None, head_size), (num_heads, None, head_size)

    def empty(self, source_ids: Any, shapes: tuple[Shape, Shape], dtype: str) -> tuple[Any, Any]:
        batch, length = ops.shape(source_ids)
        num_heads, _, head_size = shapes[0]
        # A length that the backend does not know before it runs may change in a loop.
        nothing = ops.zeros((batch, num_heads, length * 0, head_size), dtype)
        return nothing, nothing

    def append(
        self, keys: Any, values: Any, new_keys: Any, new_values: Any, position: Any
    ) -> tuple[Any, Any, Any, Any]:
        keys = ops.concatenate([keys, new_keys], axis=2)
        values = ops.concatenate([values, new_values], axis=2)
        return keys, values, ops.transpose(keys, (0, 1, 3, 2)), None


FIXED, GROWING = FixedCache(), GrowingCache()
