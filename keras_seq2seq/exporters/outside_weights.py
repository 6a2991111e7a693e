"""The large weights of a model, kept outside the graphs that a writer makes of it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

# Fewer numbers, such as those of a bias, cost little inside a graph.
SMALLEST = 16_384


class OutsideWeights:
    """Hands stand-ins to the layers that read large weights, so that no graph holds the numbers.

    A graph that holds its weights is copied by each step of a converter, for each function of a
    file. With a stand-in in place of each weight it is small, whatever the size of the model, and
    the writer puts the numbers in when it writes the file.

    Args:
        variables: Variables of a model on the TensorFlow backend; only float32 ones are taken.
    """

    def __init__(self, variables: Iterable[Any]) -> None:
        unique = {id(one): one for one in variables}.values()
        self.variables = tuple(
            one for one in unique if one.dtype == "float32" and np.prod(one.shape) >= SMALLEST
        )

        self.names: list[str] = []
        for one in self.variables:
            number = sum(name.partition(":")[0] == one.path for name in self.names)
            self.names.append(f"{one.path}:{number}" if number else one.path)

    def only(self, indices: Sequence[int]) -> "OutsideWeights":
        """Returns some of the weights."""
        return OutsideWeights([self.variables[index] for index in indices])

    def numbers(self, index: int) -> np.ndarray:
        """Returns the numbers of a variable; not a copy, so they must not be changed."""
        return numbers_of(self.variables[index])

    def called_with(self, stand_ins: Iterable[Any], function: Callable[[], Any]) -> Any:
        """Calls a function in which each variable has the value of its stand-in."""
        mapping = list(zip(self.variables, stand_ins, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function()


def numbers_of(variable: Any) -> np.ndarray:
    """Returns the numbers of a variable on the CPU, without a copy where TensorFlow has none."""
    numbers = np.asarray(memoryview(variable.value.read_value()))
    numbers.flags.writeable = False
    return numbers
