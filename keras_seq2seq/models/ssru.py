"""The simpler simple recurrent unit, whose matrix products do not wait for the previous state."""

from typing import Any

import keras

from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(PACKAGE)
class SSRUCell(keras.layers.Layer):
    """Computes one step of the simpler simple recurrent unit.

    f_t = sigmoid(W_f x_t + b_f), c_t = f_t * c_{t-1} + (1 - f_t) * (W x_t), o_t = relu(c_t).

    Args:
        units: int > 0. Size of the state c_t and of the output o_t.
    Call arguments:
        inputs: float, shape (batch, size).
        states: list of one float tensor, shape (batch, units): c_{t-1}.
    Returns:
        output: float, shape (batch, units).
        states: list of one float tensor, shape (batch, units): c_t.
    Reference:
        Kim et al. 2019, section 3.1, after the SRU of Lei et al. 2018.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, inputs_shape: Shape, states_shape: list[Shape] | None = None) -> None:
        # W_f and W share one kernel: one product gives both.
        self.kernel = self.add_weight(
            shape=(inputs_shape[-1], 2 * self.units), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        state = self.advance(self.project(inputs), states[0])
        return keras.ops.relu(state), [state]

    def project(self, inputs: Tensor) -> Tensor:
        """Returns [W_f x; W x], float, shape (..., 2 * units), of inputs of shape (..., size)."""
        return keras.ops.matmul(inputs, self.kernel)

    def advance(self, projected: Tensor, state: Tensor) -> Tensor:
        """Returns c_t from `project(x_t)`, shape (batch, 2 * units), and c_{t-1}."""
        forget, candidate = keras.ops.split(projected, 2, axis=1)
        forget = keras.ops.sigmoid(forget + self.bias)
        return candidate + forget * (state - candidate)

    def compute_output_shape(
        self, inputs_shape: Shape, states_shape: list[Shape]
    ) -> tuple[Shape, list[Shape]]:
        return (inputs_shape[0], self.units), list(states_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(PACKAGE)
class SSRU(keras.layers.Layer):
    """Computes the simpler simple recurrent unit over a sequence, like a Keras recurrent layer.

    One matrix product serves all positions; the rest of each step is elementwise.

    Args:
        units: int > 0. Size of the state and of each output.
    Call arguments:
        inputs: float, shape (batch, length, size).
        initial_state: list of one float tensor, shape (batch, units).
    Returns:
        outputs: float, shape (batch, length, units).
        state: float, shape (batch, units), after the last position.
    Reference:
        Kim et al. 2019, section 3.1.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.cell = SSRUCell(units, name="cell", dtype=self.dtype_policy)

    def build(self, inputs_shape: Shape, initial_state_shape: list[Shape] | None = None) -> None:
        self.cell.build((inputs_shape[0], inputs_shape[2]))

    def call(self, inputs: Tensor, initial_state: list[Tensor]) -> tuple[Tensor, Tensor]:
        def step(state: Tensor, projected: Tensor) -> tuple[Tensor, Tensor]:
            state = self.cell.advance(projected, state)
            return state, state

        # The gates are computed inside the loop, where their inputs still fit the processor's
        # cache.
        projected = self.cell.project(keras.ops.transpose(inputs, (1, 0, 2)))
        state, states = keras.ops.scan(step, initial_state[0], projected)
        return keras.ops.relu(keras.ops.transpose(states, (1, 0, 2))), state

    def compute_output_shape(
        self, inputs_shape: Shape, initial_state_shape: list[Shape]
    ) -> tuple[Shape, Shape]:
        return (*inputs_shape[:2], self.units), initial_state_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
