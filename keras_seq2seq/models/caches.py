"""Caches for the keys and values of a decoder layer: of two fixed kinds, or growing."""

import abc

import keras

from keras_seq2seq.models.tensor import Shape, Tensor

ops = keras.ops


class Cache(abc.ABC):
    """Defines how keys and values of the tokens so far are stored, and how a token is added."""

    @abc.abstractmethod
    def shapes(self, num_heads: int, head_size: int, max_length: int) -> tuple[Shape, Shape]:
        """Returns the shapes of keys and values without the batch, None for an open axis."""

    @abc.abstractmethod
    def empty(
        self, source_ids: Tensor, shapes: tuple[Shape, Shape], dtype: str
    ) -> tuple[Tensor, Tensor]:
        """Returns keys and values before the first token, for as many rows as `source_ids`."""

    @abc.abstractmethod
    def append(
        self, keys: Tensor, values: Tensor, new_keys: Tensor, new_values: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Adds one token.

        Args:
            keys, values: As the cache lays them out.
            new_keys, new_values: float, shape (batch, num_heads, 1, head_size).
            position: int32, shape (batch, 1). Number of tokens already in the cache.
        Returns:
            keys, values: The cache with the token added.
            columns: float, shape (batch, num_heads, head_size, length). Keys to multiply by.
            visible: bool, broadcast to (batch, num_heads, 1, length); None means all are.
        """


class FixedCache(Cache):
    """Keys and values of `max_length` positions, with zeros for tokens still to come.

    The shapes never change. Keys are (batch, num_heads, head_size, max_length), values (batch,
    num_heads, max_length, head_size).
    """

    def shapes(self, num_heads: int, head_size: int, max_length: int) -> tuple[Shape, Shape]:
        return (num_heads, head_size, max_length), (num_heads, max_length, head_size)

    def empty(
        self, source_ids: Tensor, shapes: tuple[Shape, Shape], dtype: str
    ) -> tuple[Tensor, Tensor]:
        batch = ops.shape(source_ids)[0]
        keys, values = (ops.zeros((batch, *shape), dtype) for shape in shapes)
        return keys, values

    def append(
        self, keys: Tensor, values: Tensor, new_keys: Tensor, new_values: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        places = ops.arange(values.shape[2], dtype="int32")[None, :]
        # Unwritten positions are zero, so a sum is enough; it is cheaper than `where`.
        here = ops.cast(places == position, keys.dtype)[:, None]
        keys = keys + here[:, :, None, :] * ops.transpose(new_keys, (0, 1, 3, 2))
        values = values + here[:, :, :, None] * new_values
        return keys, values, keys, (places <= position)[:, None, None, :]


class AlignedCache(FixedCache):
    """A `FixedCache` for rows that all hold equally many tokens, as those of a search do.

    A token is written in its place instead of being added to every place.
    """

    def append(
        self, keys: Tensor, values: Tensor, new_keys: Tensor, new_values: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        place = position[0, 0]
        new_keys = ops.transpose(new_keys, (0, 1, 3, 2))
        keys = ops.slice_update(keys, ops.stack([0, 0, 0, place]), new_keys)
        values = ops.slice_update(values, ops.stack([0, 0, place, 0]), new_values)
        places = ops.arange(values.shape[2], dtype="int32")[None, :]
        return keys, values, keys, (places <= position)[:, None, None, :]


class GrowingCache(Cache):
    """Keys and values of the tokens so far and no others: a search reads and copies less.

    Both are (batch, num_heads, length, head_size). The length grows with each token, and not every
    backend and format allows that in a loop.
    """

    def shapes(self, num_heads: int, head_size: int, max_length: int) -> tuple[Shape, Shape]:
        return (num_heads, None, head_size), (num_heads, None, head_size)

    def empty(
        self, source_ids: Tensor, shapes: tuple[Shape, Shape], dtype: str
    ) -> tuple[Tensor, Tensor]:
        batch, length = ops.shape(source_ids)
        num_heads, _, head_size = shapes[0]
        # `length * 0`, not 0: a length that is unknown before the run may change in a loop.
        nothing = ops.zeros((batch, num_heads, length * 0, head_size), dtype)
        return nothing, nothing

    def append(
        self, keys: Tensor, values: Tensor, new_keys: Tensor, new_values: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        keys = ops.concatenate([keys, new_keys], axis=2)
        values = ops.concatenate([values, new_values], axis=2)
        return keys, values, ops.transpose(keys, (0, 1, 3, 2)), None


FIXED, ALIGNED, GROWING = FixedCache(), AlignedCache(), GrowingCache()
