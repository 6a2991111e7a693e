"""The decoder's recurrences: whole target at once in training, one cell call at inference."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.models.attention import Attention
from keras_seq2seq.models.config import DECODER_CELLS
from keras_seq2seq.models.gru import GRU
from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.ssru import SSRU, SSRUCell
from keras_seq2seq.models.tensor import Shape, Tensor
from keras_seq2seq.models.two_forms import TwoForms

# Layers that an encoder can have.
RNN_LAYERS = {
    "simple_rnn": keras.layers.SimpleRNN,
    "gru": GRU,
    "lstm": keras.layers.LSTM,
}
# What a decoder can have: layers over a whole target that return their states too, and cells.
DECODER_LAYERS: dict[str, Callable[..., keras.layers.Layer]] = {
    **{
        name: functools.partial(layer, return_sequences=True, return_state=True)
        for name, layer in RNN_LAYERS.items()
    },
    "ssru": SSRU,
}
RNN_CELLS = {
    "simple_rnn": keras.layers.SimpleRNNCell,
    "gru": keras.layers.GRUCell,
    "lstm": keras.layers.LSTMCell,
    "ssru": SSRUCell,
}


@keras.saving.register_keras_serializable(PACKAGE)
class Recurrence(TwoForms):
    """Computes s_t = g(y_t, s_{t-1}) over a target; one step is one cell call, without a loop.

    Args:
        cell: "simple_rnn", "gru", "lstm" or "ssru".
        units: int > 0. Size of each state.
    Call arguments:
        inputs: float, shape (batch, target_length, size).
        initial_state: list of float tensors, shape (batch, units): one, or two for "lstm".
    Returns:
        outputs: float, shape (batch, target_length, units).
        states: list of float tensors after the last position, like `initial_state`.
    Reference:
        Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014, section 2.3; Kim et al. 2019.
    """

    def __init__(self, cell: str, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.rnn = DECODER_LAYERS[cell](units, name="rnn", dtype=self.dtype_policy)

    def build(self, inputs_shape: Shape, initial_state_shape: list[Shape] | None = None) -> None:
        self.rnn.build(inputs_shape)

    def call(self, inputs: Tensor, initial_state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        outputs, *states = self.rnn(inputs, initial_state=list(initial_state))
        return outputs, states

    def step(self, inputs: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        output, states = self.rnn.cell(inputs, list(state))
        return output, list(states)

    def compute_output_shape(
        self, inputs_shape: Shape, initial_state_shape: list[Shape]
    ) -> tuple[Shape, list[Shape]]:
        return (*inputs_shape[:-1], self.units), list(initial_state_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": self.cell, "units": self.units}


@keras.saving.register_keras_serializable(PACKAGE)
class Attentional(keras.layers.Layer):
    """Joins a decoder state and its context: tanh(W [c_t; s_t]).

    Args:
        units: int > 0. Size of the result.
    Call arguments:
        context: float, shape (..., size).
        state: float, shape (..., other_size).
    Returns:
        float, shape (..., units).
    Reference:
        Luong et al. 2015, equation 5.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.projection = keras.layers.Dense(
            units, activation="tanh", name="projection", dtype=self.dtype_policy
        )

    def build(self, context_shape: Shape, state_shape: Shape) -> None:
        self.projection.build((*state_shape[:-1], context_shape[-1] + state_shape[-1]))

    def call(self, context: Tensor, state: Tensor) -> Tensor:
        return self.projection(keras.ops.concatenate([context, state], axis=len(state.shape) - 1))

    def compute_output_shape(self, context_shape: Shape, state_shape: Shape) -> Shape:
        return (*state_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(PACKAGE)
class InputFeeding(TwoForms):
    """A stack of recurrent cells with attention inside the recurrence.

    The attentional vector of one step is joined to the input of the next, so a target is read
    position by position: slower in training than attention after the recurrence.

    Args:
        cell: "simple_rnn", "gru", "lstm" or "ssru".
        units: int > 0. Size of each recurrent state.
        num_layers: int > 0. Number of stacked cells.
        output_dim: int > 0. Size of the attentional vector.
        score: Score of `Attention`.
        residual: Add a cell's input to its output from the second cell on.
    Call arguments:
        inputs: float, shape (batch, target_length, size).
        keys: float, shape (batch, source_length, units).
        memory: float, shape (batch, source_length, memory_size).
        source_mask: bool, shape (batch, source_length).
        initial_state: list of float tensors: those of each cell, shape (batch, units), then the
            attentional vector, shape (batch, output_dim).
    Returns:
        outputs: float, shape (batch, target_length, output_dim). Attentional vectors.
        weights: float, shape (batch, target_length, source_length).
        states: list of float tensors after the last position, like `initial_state`.
    Reference:
        Luong et al. 2015, section 3.3.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        num_layers: int,
        output_dim: int,
        score: str,
        residual: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.output_dim = output_dim
        self.score = score
        self.residual = residual
        policy = {"dtype": self.dtype_policy}
        self.cells = [RNN_CELLS[cell](units, name=f"cell_{i}", **policy) for i in range(num_layers)]
        self.attention = Attention(score, name="attention", **policy)
        self.attentional = Attentional(output_dim, name="attentional", **policy)

    def build(
        self, inputs_shape: Shape, keys_shape: Shape, memory_shape: Shape, *shapes: Any
    ) -> None:
        batch, _, size = inputs_shape
        for i, cell in enumerate(self.cells):
            cell.build((batch, self.units if i else size + self.output_dim))
        query_shape = (batch, self.units)
        self.attention.build(query_shape, keys_shape, memory_shape)
        self.attentional.build((batch, memory_shape[-1]), (batch, self.units))

    def call(
        self,
        inputs: Tensor,
        keys: Tensor,
        memory: Tensor,
        source_mask: Tensor,
        initial_state: list[Tensor],
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        def advance(carry: tuple[list[Tensor], Tensor], x: Tensor) -> tuple[Any, Any]:
            _, weights, states = self.step(x, keys, memory, source_mask, carry[0])
            return (states, weights), (states, weights)

        nothing = keras.ops.zeros_like(keys[:, :, 0])
        by_time = keras.ops.transpose(inputs, (1, 0, 2))
        (states, _), (history, weights) = keras.ops.scan(
            advance, (list(initial_state), nothing), by_time
        )
        outputs = keras.ops.transpose(history[-1], (1, 0, 2))
        return outputs, keras.ops.transpose(weights, (1, 0, 2)), states

    def step(
        self, inputs: Tensor, keys: Tensor, memory: Tensor, source_mask: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        per_cell = DECODER_CELLS[self.cell]
        new_states: list[Tensor] = []
        x = keras.ops.concatenate([inputs, state[-1]], axis=1)
        for i, cell in enumerate(self.cells):
            y, new = cell(x, state[i * per_cell : (i + 1) * per_cell])
            x = x + y if self.residual and i else y
            new_states += list(new)
        with keras.name_scope(self.attention.name):
            context, weights = self.attention.step(x, keys, memory, source_mask)
        output = self.attentional(context, x)
        return output, weights, [*new_states, output]

    def compute_output_shape(
        self,
        inputs_shape: Shape,
        keys_shape: Shape,
        memory_shape: Shape,
        source_mask_shape: Shape,
        initial_state_shape: list[Shape],
    ) -> tuple[Shape, Shape, list[Shape]]:
        return (
            (*inputs_shape[:-1], self.output_dim),
            (*inputs_shape[:-1], keys_shape[1]),
            list(initial_state_shape),
        )

    def get_config(self) -> dict[str, Any]:
        names = ("cell", "units", "num_layers", "output_dim", "score", "residual")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(PACKAGE)
class ZeroState(keras.layers.Layer):
    """Makes a zero state with as many rows as its input.

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

    def call(self, reference: Tensor) -> Tensor:
        batch = keras.ops.shape(reference)[0]
        return keras.ops.zeros((batch, self.units), dtype=self.compute_dtype)

    def compute_output_spec(self, reference: Tensor) -> Any:
        return keras.KerasTensor((reference.shape[0], self.units), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("keras_seq2seq")
class JoinContext(TwoForms):
    """Concatenates the fixed context to every decoder input.

    Call arguments:
        inputs: float, shape (batch, target_length, size).
        context: float, shape (batch, units).
    Returns:
        float, shape (batch, target_length, size + units).
    Reference:
        Cho et al. 2014, section 2.2.
    """

    def call(self, inputs: Tensor, context: Tensor) -> Tensor:
        shape = keras.ops.shape(inputs)
        repeated = keras.ops.broadcast_to(
            context[:, None, :], (shape[0], shape[1], context.shape[-1])
        )
        return keras.ops.concatenate([inputs, repeated], axis=2)

    def step(self, inputs: Tensor, context: Tensor) -> Tensor:
        return keras.ops.concatenate([inputs, context], axis=1)

    def compute_output_shape(self, inputs_shape: Shape, context_shape: Shape) -> Shape:
        return (*inputs_shape[:-1], inputs_shape[-1] + context_shape[1])
