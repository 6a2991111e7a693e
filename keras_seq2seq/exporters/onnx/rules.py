"""Local rules that replace a node of an ONNX graph by something simpler."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.weights import key_of
from keras_seq2seq.file_formats.onnx_graph import graphs, nodes, rename

OPEN_END = 10**9  # tf2onnx writes this for a slice with an open end


def apply_rules(graph: Any, shapes: dict[str, list[int | None]]) -> None:
    """Applies every rule once, in place, to a graph and those inside it.

    Args:
        graph: An onnx.GraphProto.
        shapes: Sizes of values by name, None for an axis of any length.
    """
    for owner in list(graphs(graph)):
        _Rules(graph, owner, shapes).apply()


class _Rules:
    """Local rules, each of which replaces a node by something simpler with the same value."""

    def __init__(self, root: Any, graph: Any, shapes: dict[str, list[int | None]]) -> None:
        self.graph = graph
        self.shapes = shapes
        self.constants = {t.name: t for owner in graphs(root) for t in owner.initializer}
        self.producers = {out: node for node in nodes(root) for out in node.output}
        self.kept = {value.name for value in graph.output}

    def apply(self) -> None:
        rules: dict[str, Callable[[Any], str | None]] = {
            "Identity": lambda node: node.input[0],
            "Slice": self._whole_slice,
            "Not": self._double_negation,
            "Squeeze": self._axis_made_and_dropped,
            "Unsqueeze": self._axis_made_and_dropped,
            "Gather": self._gather_of_signed_ids,
            "Reshape": self._tensordot,
        }
        for node in self.graph.node:
            same = rules[node.op_type](node) if node.op_type in rules else None
            if same is not None and node.output[0] not in self.kept:
                rename(self.graph, {node.output[0]: same})

    def _made_by(self, name: str, kind: str) -> Any:
        node = self.producers.get(name)
        return node if node is not None and node.op_type == kind else None

    def _constant(self, name: str) -> np.ndarray | None:
        from onnx import numpy_helper

        tensor = self.constants.get(name)
        # No rule reads a weight, whose numbers are elsewhere.
        return None if tensor is None or key_of(tensor) else numpy_helper.to_array(tensor)

    def _whole_slice(self, node: Any) -> str | None:
        """A slice that keeps everything is its input."""
        if len(node.input) < 4:
            return None
        starts, ends, axes, *steps = (self._constant(name) for name in node.input[1:])
        shape = self.shapes.get(node.input[0])
        if starts is None or ends is None or axes is None or shape is None:
            return None
        if starts.any() or any(step is None or (step != 1).any() for step in steps):
            return None
        for end, axis in zip(ends, axes, strict=True):
            size = shape[axis]
            if end < OPEN_END and (size is None or end < size):
                return None
        return node.input[0]

    def _double_negation(self, node: Any) -> str | None:
        inner = self._made_by(node.input[0], "Not")
        return inner.input[0] if inner else None

    def _axis_made_and_dropped(self, node: Any) -> str | None:
        """Dropping an axis of size one and adding it again, or the reverse, changes nothing."""
        other = "Squeeze" if node.op_type == "Unsqueeze" else "Unsqueeze"
        inner = self._made_by(node.input[0], other)
        if inner is None or len(node.input) != 2 or len(inner.input) != 2:
            return None
        axes, inner_axes = (self._constant(n.input[1]) for n in (node, inner))
        if axes is None or inner_axes is None or list(axes) != list(inner_axes) or axes.min() < 0:
            return None
        return inner.input[0]

    def _gather_of_signed_ids(self, node: Any) -> None:
        """Keras adds the table's size to negative ids; Gather does so itself."""
        chosen = self._made_by(node.input[1], "Where")
        if chosen is None or any(a.name == "axis" and a.i for a in node.attribute):
            return
        below, added, ids = chosen.input
        less, add = self._made_by(below, "Less"), self._made_by(added, "Add")
        if less is None or add is None or add.input[0] != ids:
            return
        cast = self._made_by(less.input[0], "Cast")
        tested = cast.input[0] if cast else less.input[0]
        zero = self._constant(less.input[1])
        if tested != ids or zero is None or zero.any():
            return
        if self._is_first_size(add.input[1], node.input[0]):
            node.input[1] = ids

    def _is_first_size(self, name: str, table: str) -> bool:
        """Returns True if a value is the size of the first axis of a table."""
        size = self._constant(name)
        if size is not None:
            return table in self.constants and bool((size == self.constants[table].dims[0]).all())
        for kind in ("Squeeze", "Cast", "Slice", "Cast", "Shape"):
            node = self._made_by(name, kind)
            is_vector = len(self.shapes.get(table, [])) == 1
            if node is None and kind != "Cast" and not (kind == "Slice" and is_vector):
                return False
            if kind == "Slice" and node is not None:
                starts, ends = (self._constant(n) for n in node.input[1:3])
                if starts is None or ends is None or starts.any() or (ends != 1).any():
                    return False
            name = node.input[0] if node is not None else name
        return name == table

    def _tensordot(self, node: Any) -> None:
        """A tensordot over the last axis, reshape - multiply - reshape, is one MatMul."""
        product = self._made_by(node.input[0], "MatMul")
        flat = self._made_by(product.input[0], "Reshape") if product else None
        if flat is None or "/Tensordot/" not in product.output[0]:
            return
        matrix, shape = self.shapes.get(product.input[1]), self.shapes.get(flat.input[0])
        rows, rank = self._constant(flat.input[1]), self.shapes.get(node.input[1])
        if matrix is None or shape is None or rows is None or len(matrix) != 2:
            return
        # Without a bias after it, the last reshape may also split into heads.
        result = self.shapes.get(node.output[0], [None])
        if rank != [len(shape)] or result[-1] not in (None, matrix[1]):
            return
        if list(rows) == [-1, matrix[0]] and shape[-1] == matrix[0]:
            node.op_type = "MatMul"
            node.input[:] = [flat.input[0], product.input[1]]
            del node.attribute[:]
