"""Simplifies what tf2onnx wrote: fewer nodes, nothing needless in a loop, the same bytes always."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

OPEN_END = 10**9  # what tf2onnx writes for the end of a slice that has none


def simplify(model: Any) -> None:
    """Simplifies an onnx.ModelProto in place; inputs, outputs and their values stay.

    Weights and source tensors that tf2onnx carries through a Loop, which copies them at every
    step, are captured from outside; what does not change in a loop is computed before it; one
    weight under two names, or beside its transpose, is stored once. Nodes are put in an order
    and get names that depend on the graph alone.

    Args:
        model: A model that uses no operator domain but the standard one.
    """
    import onnx

    graph = model.graph
    _make_unique(graph)
    # Inference sees no outer values from inside a loop, so it comes before the lifting; what one
    # round made simpler shows the next one more shapes.
    for _ in range(2):
        shapes = _shapes(onnx.shape_inference.infer_shapes(model).graph)
        _apply_rules(graph, shapes)
    _lift_constants(graph)
    for owner, loop in reversed(list(_loops(graph))):
        _capture_invariants(owner, loop)
        _hoist_invariants(owner, loop)
    _apply_rules(graph, shapes)
    _merge_constants(graph)
    _order_equal_outputs(graph)
    _sort(graph)
    _drop_unused_constants(graph)
    _rename_all(graph)
    del graph.value_info[:]


def nodes(graph: Any) -> list[Any]:
    """Returns the nodes of a graph and of every graph inside it."""
    return [node for owner in _graphs(graph) for node in owner.node]


def _apply_rules(graph: Any, shapes: dict[str, list[int | None]]) -> None:
    for owner in list(_graphs(graph)):
        _Rules(graph, owner, shapes).apply()


class _Rules:
    """Local rules, each of which replaces a node by something simpler with the same value."""

    def __init__(self, root: Any, graph: Any, shapes: dict[str, list[int | None]]) -> None:
        self.graph = graph
        self.shapes = shapes
        self.constants = {t.name: t for owner in _graphs(root) for t in owner.initializer}
        self.producers = {out: node for node in nodes(root) for out in node.output}
        self.kept = {value.name for value in graph.output}

    def apply(self) -> None:
        rules: dict[str, Callable[[Any], str | None]] = {
            "Identity": lambda node: node.input[0],
            "Slice": self._whole_slice,
            "Not": self._double_negation,
            "Gather": self._gather_of_signed_ids,
            "Reshape": self._tensordot,
        }
        for node in self.graph.node:
            same = rules[node.op_type](node) if node.op_type in rules else None
            if same is not None and node.output[0] not in self.kept:
                _rename(self.graph, {node.output[0]: same})

    def _made_by(self, name: str, kind: str) -> Any:
        node = self.producers.get(name)
        return node if node is not None and node.op_type == kind else None

    def _constant(self, name: str) -> np.ndarray | None:
        from onnx import numpy_helper

        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None

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
            if node is None and kind != "Cast":
                return False
            if kind == "Slice":
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
        rows = self._constant(flat.input[1])
        if matrix is None or shape is None or rows is None or len(matrix) != 2:
            return
        if list(rows) == [-1, matrix[0]] and shape[-1] == matrix[0]:
            node.op_type = "MatMul"
            node.input[:] = [flat.input[0], product.input[1]]
            del node.attribute[:]


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for inner in _inner_graphs(node):
            yield from _graphs(inner)


def _inner_graphs(node: Any) -> list[Any]:
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def _loops(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each Loop and the graph that holds it, outer loops first."""
    for owner in _graphs(graph):
        for node in owner.node:
            if node.op_type == "Loop":
                yield owner, node


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Renames values wherever a graph, or one inside it, reads them."""
    for node in nodes(graph):
        for i, name in enumerate(node.input):
            if name in names:
                node.input[i] = names[name]


def _rename_values(graph: Any, names: dict[str, str]) -> None:
    """Renames values of a graph, and of those inside it, wherever they are made or read."""
    for owner in _graphs(graph):
        for value in (*owner.input, *owner.output, *owner.initializer):
            value.name = names.get(value.name, value.name)
        for node in owner.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def _make_unique(graph: Any) -> None:
    """Gives values of inner graphs names of their own: two loops may use the same ones."""
    taken: set[str] = set()
    for owner in _graphs(graph):
        renamed = {}
        made = [value.name for value in (*owner.input, *owner.initializer)]
        made += [name for node in owner.node for name in node.output if name]
        for name in made:
            new = name
            while new in taken:
                new += "_inner"
            taken.add(new)
            if new != name:
                renamed[name] = new
        if renamed:
            _rename_values(owner, renamed)


def _lift_constants(graph: Any) -> None:
    """Moves the constants of inner graphs to the outermost."""
    for owner in list(_graphs(graph))[1:]:
        graph.initializer.extend(owner.initializer)
        del owner.initializer[:]


def _capture_invariants(owner: Any, loop: Any) -> None:
    """Reads from outside what a loop carries and never changes."""
    (body,) = _inner_graphs(loop)
    sources = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    results = {value.name for value in owner.output}
    for i in reversed(range(len(loop.input) - 2)):
        inner, outer = body.input[2 + i].name, loop.input[2 + i]
        final = body.output[1 + i].name
        while final in sources:
            final = sources[final]
        returned = sum(value.name == inner for value in body.output)
        alone = returned == (body.output[1 + i].name == inner)
        if final != inner or not alone or loop.output[i] in results:
            continue
        _rename(body, {inner: outer})
        _rename(owner, {loop.output[i]: outer})
        del loop.input[2 + i], loop.output[i], body.input[2 + i], body.output[1 + i]


def _hoist_invariants(owner: Any, loop: Any) -> None:
    """Computes before a loop what is the same at every step."""
    (body,) = _inner_graphs(loop)
    changing = {value.name for value in body.input}
    returned = {value.name for value in body.output}
    fixed, kept = [], []
    for node in body.node:
        inside = changing.intersection(node.input) or returned.intersection(node.output)
        if inside or _inner_graphs(node) or not node.input:
            changing.update(node.output)
            kept.append(node)
        else:
            fixed.append(node)
    position = list(owner.node).index(loop)
    for i, node in enumerate(fixed):
        owner.node.insert(position + i, node)
    _replace_nodes(body, kept)


def _replace_nodes(graph: Any, kept: list[Any]) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def _shapes(graph: Any) -> dict[str, list[int | None]]:
    """Returns the known shapes of all values by name, with None for an open axis."""
    result: dict[str, list[int | None]] = {t.name: list(t.dims) for t in graph.initializer}
    for owner in _graphs(graph):
        for value in (*owner.input, *owner.value_info, *owner.output):
            if value.type.tensor_type.HasField("shape"):
                axes = value.type.tensor_type.shape.dim
                result[value.name] = [
                    a.dim_value if a.HasField("dim_value") else None for a in axes
                ]
    return result


def _merge_constants(graph: Any) -> None:
    """Stores equal constants once, and a matrix that is another's transpose not at all."""
    from onnx import helper, numpy_helper

    def fingerprint(value: np.ndarray) -> tuple[Any, ...]:
        content = value.astype(str) if value.dtype == object else value
        return value.dtype, value.shape, hashlib.sha256(content.tobytes()).digest()

    seen: dict[tuple[Any, ...], str] = {}
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor)
        same = seen.setdefault(fingerprint(value), tensor.name)
        if same != tensor.name:
            _rename(graph, {tensor.name: same})
        elif value.ndim == 2 and value.size > value.shape[0] > 1:
            turned = seen.get(fingerprint(value.T))
            if turned not in (None, tensor.name):
                _rename(graph, {tensor.name: f"{turned}/transposed"})
                node = helper.make_node(
                    "Transpose", [turned], [f"{turned}/transposed"], perm=[1, 0]
                )
                graph.node.insert(0, node)


def _order_equal_outputs(graph: Any) -> None:
    """Computes of two equal outputs, such as keys and memory, the one that sorts first."""
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type == "Identity" and outputs.issuperset((*node.input, *node.output)):
            (source,), (copy,) = node.input, node.output
            _rename(graph, {copy: source})
            if copy < source:
                swapped = {copy: source, source: copy}
                _rename(graph, swapped)
                for other in graph.node:
                    other.output[:] = [swapped.get(name, name) for name in other.output]


def _sort(graph: Any) -> list[str]:
    """Puts nodes in the order in which the outputs need them, and drops those they do not need.

    Returns:
        The names that the graph reads of an outer graph.
    """
    reads = []
    for node in graph.node:
        captured = [name for inner in _inner_graphs(node) for name in _sort(inner)]
        reads.append([name for name in (*node.input, *captured) if name])
    producers = {out: i for i, node in enumerate(graph.node) for out in node.output if out}
    ordered: list[int] = []
    done = {value.name for value in graph.input}
    free: list[str] = []
    todo = [(value.name, False) for value in reversed(graph.output)]
    while todo:
        name, is_ready = todo.pop()
        if is_ready:
            ordered.append(producers[name])
        elif name not in done and name in producers:
            done.update(graph.node[producers[name]].output)
            todo.append((name, True))
            todo += [(read, False) for read in reversed(reads[producers[name]])]
        elif name not in done:
            done.add(name)
            free.append(name)
    _replace_nodes(graph, [graph.node[i] for i in ordered])
    return free


def _drop_unused_constants(graph: Any) -> None:
    """Drops constants that nobody reads and orders the others by their first use."""
    first_use: dict[str, int] = {}
    for node in nodes(graph):
        for name in node.input:
            first_use.setdefault(name, len(first_use))
    used = [tensor for tensor in graph.initializer if tensor.name in first_use]
    used.sort(key=lambda tensor: first_use[tensor.name])
    copies = [type(tensor).FromString(tensor.SerializeToString()) for tensor in used]
    del graph.initializer[:]
    graph.initializer.extend(copies)


def _rename_all(graph: Any) -> None:
    """Gives every value and node a name that depends on the graph alone.

    Which of equal nodes and constants tf2onnx keeps is chance, and their names with it. So only
    a node that reads a matrix of weights keeps the name of its layer.
    """
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    taken = set(names)

    def name(old: str, base: str) -> None:
        if old and old not in names:
            new, number = base, 1
            while new in taken:
                number += 1
                new = f"{base}_{number}"
            taken.add(new)
            names[old] = new

    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for owner in _graphs(graph):
        for value in owner.input:
            name(value.name, "step_input")
        for node in owner.node:
            is_layer = any(ranks.get(read, 0) > 1 for read in node.input)
            for made in node.output:
                name(made, _layer(made) if is_layer else node.op_type)
    for node in nodes(graph):
        for i, read in enumerate(node.input):
            if read in ranks:
                name(read, f"{names[node.output[0]]}/input_{i}")
    _rename_values(graph, names)
    for node in nodes(graph):
        node.name = f"{node.output[0]}/{node.op_type}"
    for inner in list(_graphs(graph))[1:]:
        _drop_axis_names(inner)


def _drop_axis_names(graph: Any) -> None:
    graph.name = "step"
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            axis.ClearField("dim_param")


def _layer(name: str) -> str:
    """Removes running numbers: of tf2onnx ("__12"), outputs (":0") and Keras scopes ("_1/")."""
    return re.sub(r"__\d+|:\d+$", "", re.sub(r"_1/", "/", name))
