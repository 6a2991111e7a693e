"""Native ONNX GRU, LSTM and RNN nodes for the recurrent layers of an encoder."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_seq2seq.exporters import outside_weights
from keras_seq2seq.exporters.onnx.weights import Numbers
from keras_seq2seq.models.gru import GRU

# The inputs that stand for weights of recurrent layers while a function is converted.
RNN_WEIGHT = "keras_seq2seq_rnn_{}_{}"

KINDS = {
    keras.layers.SimpleRNN: "RNN",
    keras.layers.GRU: "GRU",
    GRU: "GRU",
    keras.layers.LSTM: "LSTM",
}
# ONNX orders the gates of an LSTM i o f c, Keras i f c o; those of a GRU are z r h in both.
GATE_ORDER = {"RNN": (0,), "GRU": (0, 1, 2), "LSTM": (0, 3, 1, 2)}


class NativeRNNs:
    """Traces recurrent layers as placeholders, and writes these as native ONNX nodes.

    tf2onnx turns a masked Keras RNN into a slow Loop. Here each recurrent layer is traced as one
    raw operator CudnnRNNV3, which is never run, so no GPU is needed; the handler then writes one
    native node with the lengths of the sources in its place.

    It covers SimpleRNN, GRU and LSTM of Keras and `models.gru.GRU` with tanh and sigmoid gates,
    alone or in a Bidirectional with merge_mode="concat". Other recurrent layers (other
    activations, go_backwards, stateful, other merge modes, subclasses) stay as they are and become
    a Loop: correct, but slower. Masks must be padding on the right; padded positions of the output
    are zero, where Keras repeats the last real one.

    Args:
        stand_ins: Gets the numbers of each weight that becomes an input of the graph, by its name.
    """

    def __init__(self, stand_ins: dict[str, Numbers] | None = None) -> None:
        self._stand_ins = {} if stand_ins is None else stand_ins
        self._nodes: list[NativeNode] = []
        self._numbers: dict[int, int] = {}

    def replace(self, encoder: keras.Model) -> keras.Model:
        """Returns a functional model with placeholders, which shares every weight."""
        return keras.models.clone_model(encoder, clone_function=self._replaced, recursive=True)

    @property
    def handlers(self) -> dict[str, Any]:
        """The custom operator handlers for tf2onnx."""
        return {"CudnnRNNV3": (self._write, [])}

    def _replaced(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        if not is_covered(layer):
            return layer
        if id(layer) not in self._numbers:
            self._nodes.append(NativeNode.from_layer(layer))
            self._numbers[id(layer)] = len(self._nodes)
        return PlaceholderRNN(layer, self._numbers[id(layer)])

    def _write(self, graph: Any, placeholder: Any, name: str, args: Any) -> None:
        number = placeholder.get_attr_value("seed")
        if not number:
            raise ValueError(
                "Recurrent layers must be traced for the CPU. Received: one traced for a GPU; "
                "export with CUDA_VISIBLE_DEVICES=-1."
            )
        self._stand_ins |= self._nodes[number - 1].write(graph, placeholder, number)


@dataclasses.dataclass(frozen=True)
class NativeNode:
    """The content of one native node.

    Args:
        kind: "RNN", "GRU" or "LSTM".
        weights: W (directions, gates * units, size), R (directions, gates * units, units) and
            B (directions, 2 * gates * units), float32, in the order of ONNX.
        attributes: Attributes of the node.
    """

    kind: str
    weights: dict[str, Numbers]
    attributes: dict[str, Any]

    @classmethod
    def from_layer(cls, layer: keras.layers.Layer) -> "NativeNode":
        """Reads a built layer that is covered."""
        directions = _directions(layer)
        kind = KINDS[type(directions[0])]
        attributes = {
            "hidden_size": directions[0].units,
            "direction": "bidirectional" if len(directions) == 2 else "forward",
        }
        if kind == "GRU":
            attributes["linear_before_reset"] = int(directions[0].reset_after)
        return cls(kind, _weights(kind, directions), attributes)

    def write(self, graph: Any, placeholder: Any, number: int = 0) -> dict[str, Numbers]:
        """Writes the node in place of a placeholder, with its outputs batch first.

        Args:
            graph: A graph of tf2onnx.
            placeholder: The node of it that stands for this one.
            number: Tells the layers of a model apart.
        Returns:
            The numbers of large weights, by the name of the input of the graph that is for them.
        """
        from onnx import TensorProto
        from tf2onnx.utils import make_name

        def add(kind: str, *inputs: str, **kwargs: Any) -> list[str]:
            name = make_name(f"{placeholder.name}/{kind}")
            return graph.make_node(kind, list(inputs), name=name, **kwargs).output

        def constant(label: str, value: np.ndarray) -> str:
            return graph.make_const(make_name(f"{placeholder.name}/{label}"), value).output[0]

        x, h, c, _, lengths = placeholder.input
        parts = 2 if self.kind == "LSTM" else 1
        initial = [h, c][:parts] if placeholder.get_attr_value("seed2") else []
        outputs = list(placeholder.output)
        shapes, dtypes = placeholder.output_shapes, placeholder.output_dtypes
        graph.remove_node(placeholder.name)

        (by_time,) = add("Transpose", x, attr={"perm": [1, 0, 2]})
        names, large = [], {}
        for label, numbers in self.weights.items():
            if is_large(numbers):
                names.append(RNN_WEIGHT.format(number, label))
                large[names[-1]] = numbers
                if names[-1] not in graph.input_names:
                    graph.add_graph_input(names[-1], TensorProto.FLOAT, list(numbers.shape))
            else:
                names.append(constant(label, numbers.array()))
        inputs = (by_time, *names, lengths, *initial)
        y, *finals = add(self.kind, *inputs, attr=self.attributes, output_count=1 + parts)
        # (length, directions, batch, units) -> (batch, length, directions * units)
        (by_row,) = add("Transpose", y, attr={"perm": [2, 0, 1, 3]})
        size = self.weights["W"].shape[0] * self.attributes["hidden_size"]
        flat = constant("shape", np.array([0, 0, size], "int64"))
        add("Reshape", by_row, flat, outputs=outputs[:1], shapes=shapes[:1], dtypes=dtypes[:1])
        for i, final in enumerate(finals, 1):
            # TensorFlow does not know the shape of a placeholder's cell state.
            add("Identity", final, outputs=[outputs[i]], shapes=[shapes[1]], dtypes=[dtypes[1]])
        return large


class PlaceholderRNN(keras.layers.Layer):
    """Stands for a recurrent layer in an exported graph; traced and never run.

    Args:
        layer: The layer to stand for.
        number: int > 0. Tells the handler which layer it was.
    Call arguments:
        sequences: float, shape (batch, length, size).
        initial_state: list of float tensors, shape (batch, units); None means zeros.
        mask: bool, shape (batch, length), padding on the right; None means no padding.
    Returns:
        What the layer returns.
    """

    def __init__(self, layer: keras.layers.Layer, number: int) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.number = number
        self.supports_masking = True

    def compute_mask(self, sequences: Any, previous_mask: Any = None) -> Any:
        return self.layer.compute_mask(sequences, previous_mask)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        directions = _directions(self.layer)
        parts = 2 if isinstance(directions[0], keras.layers.LSTM) else 1
        shape = tf.shape(sequences)
        if mask is None:
            lengths = tf.repeat(shape[1], shape[0])
        else:
            lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        if initial_state is None:
            zeros = tf.zeros((len(directions), shape[0], directions[0].units), sequences.dtype)
            initial = [zeros] * parts
        else:
            initial = [tf.stack(initial_state[part::parts]) for part in range(parts)]
        traced = tf.raw_ops.CudnnRNNV3(
            input=sequences,
            input_h=initial[0],
            input_c=initial[-1],
            params=tf.zeros([1], sequences.dtype),
            sequence_lengths=lengths,
            rnn_mode="lstm" if parts == 2 else "gru",
            direction="bidirectional" if len(directions) == 2 else "unidirectional",
            time_major=False,
            is_training=False,
            seed=self.number,
            seed2=int(initial_state is not None),
            name="native",
        )
        finals = (traced.output_h, traced.output_c)[:parts]
        states = [final[i] for i in range(len(directions)) for final in finals]
        if directions[0].return_sequences:
            output = traced.output
        else:
            output = tf.concat(states[::parts], -1)
        return (output, *states) if self.layer.return_state else output


def is_covered(layer: keras.layers.Layer) -> bool:
    """Returns True if ONNX has a node that computes the layer."""
    if type(layer) is not keras.layers.Bidirectional:
        return _has_native_cell(layer) and not layer.go_backwards
    forward, backward = _directions(layer)
    return (
        _has_native_cell(forward)
        and _has_native_cell(backward)
        and layer.merge_mode == "concat"
        and type(forward) is type(backward)
        and forward.units == backward.units
        and (forward.go_backwards, backward.go_backwards) == (False, True)
        and getattr(forward, "reset_after", None) == getattr(backward, "reset_after", None)
    )


def is_large(numbers: Numbers) -> bool:
    """Returns True if numbers are kept outside a graph."""
    return numbers.count >= outside_weights.SMALLEST


def _has_native_cell(layer: keras.layers.Layer) -> bool:
    if type(layer) not in KINDS or layer.stateful:
        return False
    gates = getattr(layer, "recurrent_activation", keras.activations.sigmoid)
    return layer.activation is keras.activations.tanh and gates is keras.activations.sigmoid


def _directions(layer: keras.layers.Layer) -> list[Any]:
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer]


def _weights(kind: str, directions: Sequence[Any]) -> dict[str, Numbers]:
    """Returns W, R and B of a node; large ones are read when they are needed."""
    units, rows = directions[0].units, len(GATE_ORDER[kind]) * directions[0].units
    shapes = {"W": (rows, directions[0].cell.kernel.shape[0]), "R": (rows, units), "B": (2 * rows,)}

    def made(label: str) -> np.ndarray:
        return np.stack([_onnx_weights(layer, label) for layer in directions])

    found = {}
    for label, shape in shapes.items():
        read = functools.partial(made, label)
        numbers = Numbers.seen(np.dtype("float32"), (len(directions), *shape), read)
        # While the node is written, TensorFlow cannot read variables.
        found[label] = numbers if is_large(numbers) else Numbers.of(numbers.array())
    return found


def _onnx_weights(layer: Any, label: str) -> np.ndarray:
    """Returns W (gates * units, size), R (gates * units, units) or B (2 * gates * units,)."""
    order = GATE_ORDER[KINDS[type(layer)]]

    def rows(values: Any) -> np.ndarray:
        blocks = np.split(values, len(order), axis=-1)
        return np.concatenate([blocks[i] for i in order], axis=-1).T

    cell = layer.cell
    if label != "B":
        kernel = cell.kernel if label == "W" else cell.recurrent_kernel
        return rows(keras.ops.convert_to_numpy(kernel).astype("float32", copy=False))
    bias = np.zeros((2, len(order) * layer.units), "float32")
    if layer.use_bias:
        # A GRU with reset_after has both biases, every other layer only the input's.
        given = np.atleast_2d(keras.ops.convert_to_numpy(cell.bias))
        bias[: len(given)] = [rows(row) for row in given]
    return bias.reshape(-1)
