"""The tensors of a checkpoint, and which of them a model has taken."""

import pathlib
from collections.abc import Iterable, Mapping

import numpy as np


class Tensors:
    """The tensors of a checkpoint by name; each must be taken, or left out by name.

    Args:
        path: The file, for errors.
        arrays: Its arrays by name.
    """

    def __init__(self, path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
        self.path = path
        self._arrays = arrays
        self._left = set(arrays)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of a tensor without taking it."""
        return self._array(name).shape

    def take(self, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Returns a tensor as float32.

        Args:
            name: Its name.
            shape: The shape that it must have; None takes any.
        Raises:
            ValueError: If there is no such tensor, it has another shape, or it is not finite.
        """
        array = self._array(name)
        self._left.discard(name)
        if shape is not None and array.shape != shape:
            raise ValueError(
                f"{self.path}: {name} must have the shape {shape}, as its options say. "
                f"Received: {array.shape}."
            )
        if array.dtype.kind != "f":
            raise ValueError(
                f"{self.path}: {name} must hold floating point numbers. Received: {array.dtype}."
            )
        values = array.astype("float32")
        if not np.isfinite(values).all():
            raise ValueError(
                f"{self.path}: {name} must hold finite numbers. Received: NaN or infinity; the "
                "file is damaged, or its training diverged."
            )
        return values

    def take_flat(self, name: str, size: int) -> np.ndarray:
        """Returns a vector, which a file may hold as a row: (size,) or (1, size)."""
        is_row = self._array(name).shape == (1, size)
        return self.take(name, (1, size) if is_row else (size,)).reshape(size)

    def leave(self, names: Iterable[str]) -> None:
        """Leaves tensors out that no model needs."""
        self._left.difference_update(names)

    @property
    def left(self) -> list[str]:
        """Names of the tensors that were neither taken nor left out."""
        return sorted(self._left)

    def check_all_taken(self) -> None:
        """Checks that nothing of the checkpoint is lost.

        Raises:
            ValueError: If a tensor was not taken; names all.
        """
        if self.left:
            raise ValueError(
                f"{self.path}: every tensor must have a place in the model. Received: "
                f"{', '.join(self.left)} without one; models with these are not supported."
            )

    def _array(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise ValueError(
                f"{self.path}: a model of these options has the tensor {name}, which is missing. "
                "The file belongs to another model, or is damaged."
            )
        return self._arrays[name]
