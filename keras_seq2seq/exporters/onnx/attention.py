"""One ONNX Attention node for each attention of a Transformer, from opset 23 on."""

import contextlib
import dataclasses
from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.simplify import known_shapes, sort
from keras_seq2seq.exporters.onnx.values import Unlike, Values
from keras_seq2seq.file_formats.onnx_graph import graphs

FIRST_OPSET = 23
# How (batch, length, heads, head size) becomes queries, keys or values, and columns of keys.
ROWS, COLUMNS = [0, 2, 1, 3], [0, 2, 3, 1]
ROWS_TO_COLUMNS = [0, 1, 3, 2]
Shapes = dict[str, list[int | None]]


def fuse_attention(model: Any) -> None:
    """Replaces the nodes of each attention by one node Attention, which gives the same numbers.

    It finds the attention of `SelfAttention`, `CrossAttention`, and `CachedSelfAttention` with
    caches that grow. What looks otherwise stays as it is. So does an attention whose weights are
    read, such as that of the last layer: onnxruntime 1.30 infers a wrong shape of the weights that
    the node can return, and warns each time. The node could also add a token to the caches, but
    onnxruntime 1.23 refuses an empty one, and with several rows that is slower than Concat.

    Args:
        model: A simplified onnx.ModelProto of opset 23 or later, changed in place.
    """
    import onnx

    shapes = known_shapes(onnx.shape_inference.infer_shapes(model).graph)
    values = Values(model.graph)
    for graph in graphs(model.graph):
        for softmax in [node for node in graph.node if node.op_type == "Softmax"]:
            with contextlib.suppress(Unlike):
                found = _Attention.around(softmax, values, shapes)
                _Fusion(model.graph, graph, values, found).write()
    sort(model.graph)


@dataclasses.dataclass(frozen=True)
class _Attention:
    """softmax(scale * queries @ columns + mask) @ rows.

    Args:
        queries, columns, rows: Names of these values.
        scale: float.
        mask: Name of the mask, (batch, 1, 1, length); empty without.
        context: The node of the second product.
    """

    queries: str
    columns: str
    rows: str
    scale: float
    mask: str
    context: Any

    @classmethod
    def around(cls, softmax: Any, values: Values, shapes: Shapes) -> "_Attention":
        """Returns the attention of a softmax over the last axis."""
        context = values.reader(softmax.output[0], "MatMul")
        scores, mask, scale = softmax.input[0], "", 1.0
        if values.is_made_by(scores, "Add"):
            scores, mask = values.maker(scores, "Add").input
            _check_mask(mask, values, shapes)
        if values.is_made_by(scores, "Mul"):
            scores, factor = values.maker(scores, "Mul").input
            scale = float(values.constant(factor, size=1).reshape(()))
        queries, columns = values.maker(scores, "MatMul").input
        weights, rows = context.input
        if weights != softmax.output[0] or scale <= 0:
            raise Unlike
        for keys_or_values in (columns, rows):  # the node does not broadcast
            shape = shapes.get(keys_or_values, [])
            if len(shape) != 4 or shape[0] == 1:
                raise Unlike
        return cls(queries, columns, rows, scale, mask, context)


def _check_mask(mask: str, values: Values, shapes: Shapes) -> None:
    """Checks that a mask is (batch, 1, 1, length), of two numbers."""
    chosen = values.maker(mask, "Where")
    visible = values.maker(chosen.input[0], "Unsqueeze")
    for number in chosen.input[1:]:
        values.constant(number, size=1)
    is_by_row = len(shapes.get(visible.input[0], [])) == 2
    if not is_by_row or list(values.constant(visible.input[1])) != [1, 2]:
        raise Unlike


class _Fusion:
    """Writes the node for one attention of a graph."""

    def __init__(self, root: Any, graph: Any, values: Values, found: _Attention) -> None:
        self.root = root
        self.graph = graph
        self.values = values
        self.found = found

    def write(self) -> None:
        """Writes the first form that fits."""
        for form in (self._to_itself, self._of_one_query):
            with contextlib.suppress(Unlike):
                form()
                return

    def _to_itself(self) -> None:
        """Every position of a source to that source, as in `SelfAttention`."""
        found, values = self.found, self.values
        queries, heads = self._layer(found.queries, ROWS)
        parts = [queries, self._layer(found.columns, COLUMNS)[0], self._layer(found.rows, ROWS)[0]]
        side_by_side = values.reader(found.context.output[0], "Transpose", perm=ROWS)
        merged = values.reader(side_by_side.output[0], "Reshape")
        values.constant(merged.input[1], size=3)
        if list(values.maker(queries, "Split").output) != parts:
            raise Unlike
        mask = [self._square(found.mask)] if found.mask else []
        options = {"q_num_heads": heads, "kv_num_heads": heads}
        self._attend([*parts, *mask], merged, **options)

    def _of_one_query(self) -> None:
        """One query to tokens or to a source, as in `CachedSelfAttention` and `CrossAttention`."""
        found = self.found
        self._check_one_query()
        made = {value.name for value in self.graph.input}
        made |= {name for node in self.graph.node for name in node.output}
        if self.values.is_made_by(found.columns, "Transpose"):
            keys = self.values.maker(found.columns, "Transpose", perm=ROWS_TO_COLUMNS).input[0]
        elif found.columns not in made:
            # `simplify` moves it out of the loop.
            keys = self._add("Transpose", [found.columns], perm=ROWS_TO_COLUMNS)
        else:
            raise Unlike
        mask = [found.mask] if found.mask else []
        self._attend([found.queries, keys, found.rows, *mask], found.context)

    def _layer(self, name: str, perm: list[int]) -> tuple[str, int]:
        """Returns the value (batch, length, size) that was split into heads, and their number."""
        turned = self.values.maker(name, "Transpose", perm=perm)
        heads = self.values.maker(turned.input[0], "Reshape")
        shape = self.values.constant(heads.input[1], size=4)
        return heads.input[0], int(shape[2])

    def _check_one_query(self) -> None:
        """Checks that there is one query for each row: a mask of one row is enough."""
        name = self.found.queries
        if self.values.is_made_by(name, "Split"):
            name = self.values.maker(name, "Split", axis=1).input[0]
        shape = self.values.constant(self.values.maker(name, "Reshape").input[1], size=4)
        if shape[2] != 1:
            raise Unlike

    def _square(self, mask: str) -> str:
        """Returns the mask (batch, 1, length, length), with a row for each query.

        With one row for all, onnxruntime 1.23 and 1.24 compute something else, silently, and later
        ones refuse the node.
        """
        length = self._add("Shape", [mask], start=3)
        ones, one = self._constant("ones", [1, 1]), self._constant("one", [1])
        shape = self._add("Concat", [ones, length, one], axis=0)
        return self._add("Expand", [mask, shape])

    def _attend(self, inputs: list[str], replaced: Any, **options: Any) -> None:
        """Writes the node in place of the one that made its output."""
        scale = self.found.scale
        self._write("Attention", inputs, list(replaced.output), scale=scale, **options)
        self.graph.node.remove(replaced)

    def _add(self, kind: str, inputs: list[str], **options: Any) -> str:
        """Adds a node with one output and returns its name."""
        output = self._named(kind)
        self._write(kind, inputs, [output], **options)
        return output

    def _write(self, kind: str, inputs: list[str], outputs: list[str], **options: Any) -> None:
        from onnx import helper

        self.graph.node.append(helper.make_node(kind, inputs, outputs, **options))

    def _constant(self, name: str, numbers: list[int]) -> str:
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.array(numbers, "int64"), self._named(name))
        self.root.initializer.append(tensor)
        return str(tensor.name)

    def _named(self, name: str) -> str:
        return f"{self.found.context.output[0]}/{name}"
