"""A GRU layer with a hand-written gradient, for faster training."""

from typing import Any

import keras

from keras_seq2seq.models.masks import PACKAGE
from keras_seq2seq.models.tensor import Tensor


@keras.saving.register_keras_serializable(PACKAGE)
class GRU(keras.layers.GRU):
    """keras.layers.GRU with a hand-written gradient: the same layer, faster training steps.

    Automatic differentiation makes many small operators of each backward step; written by hand it
    is one matrix product and a few elementwise operators. This gradient is used in training, on
    TensorFlow without a GPU (with one, Keras calls cuDNN) and on JAX, for layers with tanh and
    sigmoid, both biases, the reset gate after the product, no dropout, neither stateful nor
    unrolled, `use_cudnn` "auto". Everything else, inference and every export included, is left to
    Keras.

    At a padded step the state stays; the output repeats it, or is zero where Bidirectional asks for
    that. (At padding before the first real position Keras on TensorFlow gives zero, whatever the
    initial state. So a mask with go_backwards and without those zeros is left to Keras too.)

    Args:
        As keras.layers.GRU.
    Call arguments:
        sequences: float, shape (batch, length, size).
        mask: bool, shape (batch, length), False at padding; None means no padding.
        initial_state: list of one float tensor, shape (batch, units); None means zeros.
    Returns:
        As keras.layers.GRU.
    Reference:
        Cho et al. 2014, section 2.3, with the reset gate applied after the product.
    """

    def inner_loop(
        self, sequences: Tensor, initial_state: Tensor, mask: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        mask = keras.tree.flatten(mask)[0]
        if not (training and self._is_covered(mask)):
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)
        (state,) = keras.tree.flatten(initial_state)
        cell = self.cell
        weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
        outputs, state = run_gru(sequences, state, *weights, mask, reverse=self.go_backwards)
        if mask is not None and self.zero_output_for_mask:
            outputs = keras.ops.where(mask[:, :, None], outputs, 0)
        if self.go_backwards:
            # Keras returns outputs in the order in which it read the positions.
            outputs = keras.ops.flip(outputs, axis=1)
        return outputs[:, -1], outputs, [state]

    def _is_covered(self, mask: Tensor) -> bool:
        on_tensorflow = keras.backend.backend() == "tensorflow"
        return (
            (on_tensorflow or keras.backend.backend() == "jax")
            and not (on_tensorflow and keras.distribution.list_devices("gpu"))
            and self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
            and self.use_bias
            and self.reset_after
            and not (self.dropout or self.recurrent_dropout or self.stateful or self.unroll)
            and self.use_cudnn == "auto"
            # Backwards, padding on the right comes before the first real position.
            and (mask is None or self.zero_output_for_mask or not self.go_backwards)
        )


def run_gru(
    sequences: Tensor,
    state: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
    mask: Tensor | None = None,
    *,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Computes a GRU over sequences, with a hand-written gradient.

    h_t = z_t * h_{t-1} + (1 - z_t) * n_t with the update gate z_t = sigmoid(W_z x_t + U_z h_{t-1}),
    the reset gate r_t = sigmoid(W_r x_t + U_r h_{t-1}) and the candidate
    n_t = tanh(W_n x_t + r_t * (U_n h_{t-1})), each product with a bias. At padding z_t is 1: the
    state stays, bit for bit, and no gradient reaches anything else.

    Args:
        sequences: float, shape (batch, length, size).
        state: float, shape (batch, units). h_0.
        kernel: float, shape (size, 3 * units). [W_z; W_r; W_n]; the next two have the same order.
        recurrent_kernel: float, shape (units, 3 * units). U.
        bias: float, shape (2, 3 * units). Biases of W and of U.
        mask: bool, shape (batch, length), False at padding; None means no padding.
        reverse: Read from the last position to the first.
    Returns:
        outputs: float, shape (batch, length, units). h_t at position t.
        state: float, shape (batch, units), after the position read last.
    """
    units = recurrent_kernel.shape[0]
    padded = None
    if mask is not None:
        padded = keras.ops.logical_not(keras.ops.transpose(mask))[:, :, None]

    # The mask is not an argument, because it has no gradient.
    @keras.ops.custom_gradient
    def run(
        sequences: Tensor, state: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor
    ) -> Any:
        batch, length, size = keras.ops.shape(sequences)
        inputs = _flat(keras.ops.transpose(sequences, (1, 0, 2)))
        projected = keras.ops.matmul(inputs, kernel) + bias[0]
        projected = keras.ops.reshape(projected, (length, batch, 3 * units))
        last, states, steps = _read(projected, padded, state, recurrent_kernel, bias[1], reverse)

        def gradient(*upstream: Any) -> tuple[Any, ...]:
            # TensorFlow hands over two gradients, JAX one pair.
            d_outputs, d_last = upstream if len(upstream) == 2 else upstream[0]
            d_states = keras.ops.transpose(d_outputs, (1, 0, 2))
            first = state[None]
            before = [states[1:], first] if reverse else [first, states[:-1]]
            before = keras.ops.concatenate(before, axis=0)
            d_state, d_projected, d_recalled = _read_back(
                d_states, d_last, before, steps, recurrent_kernel, reverse
            )
            d_inputs = keras.ops.matmul(d_projected, keras.ops.transpose(kernel))
            d_inputs = keras.ops.reshape(d_inputs, (length, batch, size))
            return (
                keras.ops.transpose(d_inputs, (1, 0, 2)),
                d_state,
                keras.ops.matmul(keras.ops.transpose(inputs), d_projected),
                keras.ops.matmul(keras.ops.transpose(_flat(before)), d_recalled),
                keras.ops.stack([keras.ops.sum(d, axis=0) for d in (d_projected, d_recalled)]),
            )

        return (keras.ops.transpose(states, (1, 0, 2)), last), gradient

    # Copied to tensors: TensorFlow asks for the gradients of variables in another way.
    weights = (keras.ops.copy(value) for value in (kernel, recurrent_kernel, bias))
    return run(sequences, state, *weights)


def _read(
    projected: Tensor,
    padded: Tensor | None,
    state: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs the loop forwards.

    Args:
        projected: float, shape (length, batch, 3 * units). W x_t and its bias.
        padded: bool, shape (length, batch, 1), or None.
        state, recurrent_kernel, reverse: Those of `run_gru`.
        bias: float, shape (3 * units). Bias of the recurrent product.
    Returns:
        last: float, shape (batch, units).
        states: float, shape (length, batch, units). h_t.
        steps: float, shape (length, batch, 4 * units). [z_t; r_t; n_t; U_n h_{t-1}].
    """
    length, batch, _ = keras.ops.shape(projected)
    units = recurrent_kernel.shape[0]

    def step(carry: tuple[Tensor, Tensor], t: Tensor) -> tuple[Any, Any]:
        before, _ = carry
        given_gates, given = keras.ops.split(projected[t], [2 * units], axis=-1)
        own = keras.ops.matmul(before, recurrent_kernel) + bias
        own_gates, recalled = keras.ops.split(own, [2 * units], axis=-1)
        gates = keras.ops.sigmoid(given_gates + own_gates)
        update, reset = keras.ops.split(gates, 2, axis=-1)
        if padded is not None:
            update = keras.ops.where(padded[t], 1, update)
        candidate = keras.ops.tanh(given + reset * recalled)
        after = update * before + (1 - update) * candidate
        # On TensorFlow a scan can only return what it carries.
        carry = after, keras.ops.concatenate([update, reset, candidate, recalled], axis=-1)
        return carry, carry

    # The scan runs over positions, not inputs: nothing is copied before the loop.
    nothing = keras.ops.zeros((batch, 4 * units), projected.dtype)
    (last, _), (states, steps) = keras.ops.scan(
        step, (state, nothing), keras.ops.arange(length), reverse=reverse
    )
    return last, states, steps


def _read_back(
    d_states: Tensor,
    d_last: Tensor,
    before: Tensor,
    steps: Tensor,
    recurrent_kernel: Tensor,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs the loop backwards.

    The derivatives of h_t by each product come from the forward pass, for all positions at once;
    the loop only computes the gradient of h_t.

    Args:
        d_states: float, shape (length, batch, units). Gradient of each output.
        d_last: float, shape (batch, units). Gradient of the final state.
        before: float, shape (length, batch, units). h_{t-1}.
        steps: What `_read` returned.
        recurrent_kernel, reverse: Those of `run_gru`.
    Returns:
        d_state: float, shape (batch, units). Gradient of h_0.
        d_projected: float, shape (length * batch, 3 * units). Gradient of W x_t.
        d_recalled: float, shape (length * batch, 3 * units). Gradient of U h_{t-1}.
    """
    length, batch, units = keras.ops.shape(before)
    update, reset, candidate, recalled = keras.ops.split(steps, 4, axis=-1)
    by_candidate = (1 - update) * (1 - candidate * candidate)
    by_update = (before - candidate) * update * (1 - update)
    by_reset = by_candidate * recalled * reset * (1 - reset)
    # (length, batch, 3, units)
    rates = keras.ops.stack([by_update, by_reset, by_candidate * reset], axis=2)
    back_kernel = keras.ops.transpose(recurrent_kernel)

    def step(carry: tuple[Tensor, Tensor], t: Tensor) -> tuple[Any, Any]:
        d_after = carry[0] + d_states[t]
        d_own = keras.ops.reshape(rates[t] * d_after[:, None], (-1, 3 * units))
        d_before = update[t] * d_after + keras.ops.matmul(d_own, back_kernel)
        return (d_before, d_after), (d_before, d_after)

    nothing = keras.ops.zeros((batch, units), steps.dtype)
    (d_state, _), (_, d_after) = keras.ops.scan(
        step, (d_last, nothing), keras.ops.arange(length), reverse=not reverse
    )
    d_recalled = keras.ops.reshape(rates * d_after[:, :, None], (-1, 3 * units))
    d_candidate = _flat(by_candidate * d_after)
    d_projected = keras.ops.concatenate([d_recalled[:, : 2 * units], d_candidate], axis=-1)
    return d_state, d_projected, d_recalled


def _flat(values: Tensor) -> Tensor:
    """Returns values of shape (length, batch, size) as (length * batch, size)."""
    return keras.ops.reshape(values, (-1, values.shape[-1]))
