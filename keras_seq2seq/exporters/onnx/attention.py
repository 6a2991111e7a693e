"""Attention in the loop of a search: scales inside the weights, and one node from opset 23 on."""

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.simplify import known_shapes
from keras_seq2seq.file_formats.onnx_graph import graphs, inner_graphs, loops, nodes, rename

FIRST_OPSET = 23
COLUMNS_TO_ROWS = [0, 1, 3, 2]
Shapes = dict[str, list[int | None]]


def fold_scales(graph: Any) -> None:
    """Multiplies the weights of queries, not the scores of each step, by 1 / sqrt(head size).

    onnxruntime multiplies one row by a matrix faster without a scale.

    Args:
        graph: A simplified onnx.GraphProto, changed in place.
    """
    for body in _bodies(graph):
        for node in list(body.graph.node):
            if node.op_type == "Mul":
                _fold(body, node)


def fuse_attention(model: Any) -> None:
    """Replaces the nodes of each attention in the steps of a search by one node Attention.

    The node also adds keys and values to caches that grow. What does not look like
    `CachedSelfAttention` or `CrossAttention` stays as it is. So does attention of more than one
    query, for which onnxruntime's node would need a mask each, and one whose weights are read, such
    as that of the last layer: onnxruntime 1.30 infers a wrong shape of them and warns each time.

    Args:
        model: A simplified onnx.ModelProto of opset 23 or later, changed in place.
    """
    import onnx

    shapes = known_shapes(onnx.shape_inference.infer_shapes(model).graph)
    for body in _bodies(model.graph):
        for node in list(body.graph.node):
            if node.op_type == "Softmax":
                _fuse(body, node, shapes)


class _Body:
    """The body of a loop, with what is known of its values by name."""

    def __init__(self, root: Any, graph: Any) -> None:
        self.root = root
        self.graph = graph
        self.changing = {value.name for value in graph.input}
        self.changing |= {name for node in graph.node for name in node.output}
        self._producers = {name: node for node in nodes(root) for name in node.output}
        self._constants = {t.name: t for owner in graphs(root) for t in owner.initializer}
        self._reads = collections.Counter(name for node in nodes(root) for name in node.input)
        self._reads.update(value.name for owner in graphs(root) for value in owner.output)

    def made_by(self, name: str, kind: str) -> Any:
        """Returns the node of this kind that makes a value, or None."""
        node = self._producers.get(name)
        return node if node is not None and node.op_type == kind else None

    def made_once(self, name: str, kind: str) -> Any:
        """Returns the node of this kind that makes a value if that is read only once, or None."""
        return self.made_by(name, kind) if self.reads(name) == 1 else None

    def reads(self, name: str) -> int:
        return self._reads[name]

    def constant(self, name: str) -> np.ndarray | None:
        from onnx import numpy_helper

        return numpy_helper.to_array(self._constants[name]) if name in self._constants else None

    def store(self, name: str, value: np.ndarray) -> None:
        from onnx import numpy_helper

        self.root.initializer.append(numpy_helper.from_array(value, name))


def _bodies(graph: Any) -> Iterator[_Body]:
    for _, loop in list(loops(graph)):
        (body,) = inner_graphs(loop)
        yield _Body(graph, body)


@dataclasses.dataclass(frozen=True)
class _Scores:
    """What a softmax reads: scale * queries @ keys + mask.

    Args:
        product: The node queries @ keys.
        scale: float.
        mask: Name of the mask; empty without.
    """

    product: Any
    scale: float = 1.0
    mask: str = ""


def _scaled(body: _Body, name: str) -> _Scores | None:
    scaled = body.made_once(name, "Mul")
    product = body.made_once(scaled.input[0] if scaled is not None else name, "MatMul")
    if product is None or scaled is None:
        return None if product is None else _Scores(product)
    scale = body.constant(scaled.input[1])
    if scale is None or scale.size != 1 or scale.min() <= 0:
        return None
    return _Scores(product, float(scale.reshape(())))


def _masked(body: _Body, name: str, shapes: Shapes) -> _Scores | None:
    """Returns scores with a mask of the shape (batch, 1, 1, length), or without."""
    masked = body.made_once(name, "Add")
    if masked is None:
        return _scaled(body, name)
    scores, (_, mask) = _scaled(body, masked.input[0]), masked.input
    chosen = body.made_by(mask, "Where")
    by_row = None if chosen is None else body.made_by(chosen.input[0], "Unsqueeze")
    if scores is None or by_row is None:
        return None
    axes = body.constant(by_row.input[1])
    values = [body.constant(value) for value in chosen.input[1:]]
    if axes is None or list(axes) != [1, 2] or len(shapes.get(by_row.input[0], [])) != 2:
        return None
    if any(value is None or value.size != 1 for value in values):
        return None
    return dataclasses.replace(scores, mask=mask)


@dataclasses.dataclass(frozen=True)
class _Query:
    """One query (batch, heads, 1, head size) for each row, cut out of the output of a layer.

    Args:
        layer: Name of that output, (batch, size).
        size: int > 0.
        part: The columns, of those that `parts` equal parts have.
        parts: int > 0.
    """

    layer: str
    size: int
    part: int = 0
    parts: int = 1

    @classmethod
    def of(cls, body: _Body, name: str) -> "_Query | None":
        split, part, parts = body.made_once(name, "Split"), 0, 1
        if split is not None:
            part, parts = list(split.output).index(name), len(split.output)
            if len(split.input) > 1 or _attribute(split, "axis") != 1:
                return None
            name = split.input[0]
        heads = body.made_once(name, "Reshape")
        shape = None if heads is None else body.constant(heads.input[1])
        if shape is None or len(shape) != 4 or shape[2] != 1 or shape.min() == 0:
            return None
        return cls(heads.input[0], int(shape[1] * shape[3]), part, parts)


def _fold(body: _Body, scaled: Any) -> None:
    """Drops a scale if a dense layer makes the queries and nothing else of its columns."""
    scores = _scaled(body, scaled.output[0])
    query = None if scores is None else _Query.of(body, scores.product.input[0])
    if scores is None or query is None:
        return
    biased = body.made_once(query.layer, "Add")
    dense = body.made_once(query.layer if biased is None else biased.input[0], "MatMul")
    weighted = [node for node in (dense, biased) if node is not None]
    weights = [body.constant(node.input[1]) for node in weighted]
    if dense is None or any(w is None or w.shape[-1:] != (query.size,) for w in weights):
        return
    factors = np.ones(query.size, "float32")
    np.split(factors, query.parts)[query.part][:] = scores.scale
    for node, value in zip(weighted, weights, strict=True):
        name = f"{node.output[0]}/scaled"  # another node may read the same constant
        body.store(name, value * factors)
        node.input[1] = name
    rename(body.graph, {scaled.output[0]: scores.product.output[0]})
    body.graph.node.remove(scaled)


def _fuse(body: _Body, softmax: Any, shapes: Shapes) -> None:
    """Replaces an attention by one node, if it is one that the node can compute."""
    from onnx import helper

    weights = softmax.output[0]
    contexts = [n for n in body.graph.node if n.op_type == "MatMul" and n.input[0] == weights]
    scores = _masked(body, softmax.input[0], shapes)
    if scores is None or not contexts or body.reads(weights) > 1:
        return
    if _attribute(softmax, "axis", -1) not in (-1, 3):
        return
    (context,), (query, columns) = contexts, scores.product.input
    values = context.input[1]
    ranks = {len(shapes.get(name, [])) for name in (columns, values)}
    if ranks != {4} or _Query.of(body, query) is None:
        return
    outputs = [context.output[0]]
    caches = _caches(body, columns, values)
    made = []
    if caches:
        (past_keys, keys), (past_values, values) = (cache.input for cache in caches)
        inputs = [query, keys, values, scores.mask, past_keys, past_values]
        outputs += [cache.output[0] for cache in caches]
    elif not body.changing & {columns, values}:
        keys = f"{context.output[0]}/keys"  # `simplify` moves it out of the loop
        made = [helper.make_node("Transpose", [columns], [keys], perm=COLUMNS_TO_ROWS)]
        inputs = [query, keys, values, scores.mask]
    else:
        return
    if not inputs[-1]:
        del inputs[-1]
    node = helper.make_node("Attention", inputs, outputs, scale=scores.scale)
    position = list(body.graph.node).index(context)
    for new in (node, *made):
        body.graph.node.insert(position, new)
    for old in (softmax, context, *caches):
        body.graph.node.remove(old)


def _caches(body: _Body, columns: str, values: str) -> list[Any]:
    """Returns the nodes that add a token to keys and to values, if both are growing caches."""
    turned = body.made_once(columns, "Transpose")
    if turned is None or _attribute(turned, "perm") != COLUMNS_TO_ROWS:
        return []
    caches = [body.made_by(name, "Concat") for name in (turned.input[0], values)]
    is_grown = [
        cache is not None and len(cache.input) == 2 and _attribute(cache, "axis") == 2
        for cache in caches
    ]
    return caches if all(is_grown) else []


def _attribute(node: Any, name: str, default: Any = None) -> Any:
    from onnx import helper

    values = [helper.get_attribute_value(a) for a in node.attribute if a.name == name]
    return values[0] if values else default
