"""Simplifies the graphs of tf2onnx: fewer nodes, less work in loops, reproducible bytes."""

import math
import re
from typing import Any

from keras_seq2seq.exporters.onnx.rules import apply_rules
from keras_seq2seq.exporters.onnx.weights import Weights
from keras_seq2seq.file_formats.onnx_graph import (
    graphs,
    inner_graphs,
    loops,
    nodes,
    rename,
    rename_values,
)


def simplify(model: Any, weights: Weights | None = None) -> None:
    """Simplifies an onnx.ModelProto in place; inputs, outputs and their values stay.

    tf2onnx carries weights and source tensors through a Loop, which copies them at every step; here
    the loop reads them from outside. Values that do not change in a loop are computed before it. A
    weight under two names, or also stored as its transpose, is stored once. The order and the names
    of nodes depend only on the graph.

    Args:
        model: A model that uses only the standard operator domain.
        weights: The numbers of its large constants; with None it has them itself.
    """
    import onnx

    graph = model.graph
    _make_unique(graph)
    # Shape inference cannot see outer values from inside a loop, so it comes before the lifting. A
    # second round finds more shapes in the simpler graph.
    for _ in range(2):
        shapes = known_shapes(onnx.shape_inference.infer_shapes(model).graph)
        apply_rules(graph, shapes)
    _lift_constants(graph)
    for owner, loop in reversed(list(loops(graph))):
        _capture_invariants(owner, loop)
        _hoist_invariants(owner, loop)
    apply_rules(graph, shapes)
    _merge_constants(graph, weights or Weights())
    _order_equal_outputs(graph)
    sort(graph)
    _drop_unused_constants(graph)
    for owner in graphs(graph):
        del owner.value_info[:]  # they name values that are now renamed
    _rename_all(graph)


def _make_unique(graph: Any) -> None:
    """Gives values of inner graphs unique names: two loops may use the same ones."""
    taken: set[str] = set()
    for owner in graphs(graph):
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
            rename_values(owner, renamed)


def _lift_constants(graph: Any) -> None:
    """Moves the constants of inner graphs to the outermost."""
    for owner in list(graphs(graph))[1:]:
        graph.initializer.extend(owner.initializer)
        del owner.initializer[:]


def _capture_invariants(owner: Any, loop: Any) -> None:
    """Makes a loop read from outside the values that it carries and never changes."""
    (body,) = inner_graphs(loop)
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
        rename(body, {inner: outer})
        rename(owner, {loop.output[i]: outer})
        del loop.input[2 + i], loop.output[i], body.input[2 + i], body.output[1 + i]


def _hoist_invariants(owner: Any, loop: Any) -> None:
    """Computes values that are the same at every step before the loop."""
    (body,) = inner_graphs(loop)
    changing = {value.name for value in body.input}
    returned = {value.name for value in body.output}
    fixed, kept = [], []
    for node in body.node:
        inside = changing.intersection(node.input) or returned.intersection(node.output)
        if inside or inner_graphs(node) or not node.input:
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


def known_shapes(graph: Any) -> dict[str, list[int | None]]:
    """Returns the known shapes of all values by name, with None for an open axis."""
    result: dict[str, list[int | None]] = {t.name: list(t.dims) for t in graph.initializer}
    for owner in graphs(graph):
        for value in (*owner.input, *owner.value_info, *owner.output):
            if value.type.tensor_type.HasField("shape"):
                axes = value.type.tensor_type.shape.dim
                result[value.name] = [
                    a.dim_value if a.HasField("dim_value") else None for a in axes
                ]
    return result


def _merge_constants(graph: Any, weights: Weights) -> None:
    """Stores equal constants once, and drops a matrix that is the transpose of another.

    Of these two the one stays of which rows are read, as in the files that only embed.
    """
    from onnx import helper

    read_by_row = {node.input[0] for node in nodes(graph) if node.op_type == "Gather"}
    seen: dict[tuple[Any, ...], str] = {}
    merged: dict[str, str] = {}
    shapes = {(tensor.data_type, tuple(tensor.dims)) for tensor in graph.initializer}
    for tensor in sorted(graph.initializer, key=lambda one: one.name not in read_by_row):
        same = seen.setdefault(weights.fingerprint(tensor), tensor.name)
        if same != tensor.name:
            merged[tensor.name] = merged.get(same, same)
        elif len(tensor.dims) == 2 and math.prod(tensor.dims) > tensor.dims[0] > 1:
            if (tensor.data_type, tuple(reversed(tensor.dims))) not in shapes:
                continue
            turned = seen.get(weights.fingerprint(tensor, transposed=True))
            if turned not in (None, tensor.name):
                merged[tensor.name] = f"{turned}/transposed"
                node = helper.make_node(
                    "Transpose", [turned], [f"{turned}/transposed"], perm=[1, 0]
                )
                graph.node.insert(0, node)
    rename(graph, merged)


def _order_equal_outputs(graph: Any) -> None:
    """Of two equal outputs, such as keys and memory, computes the one that sorts first."""
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type == "Identity" and outputs.issuperset((*node.input, *node.output)):
            (source,), (copy,) = node.input, node.output
            rename(graph, {copy: source})
            if copy < source:
                swapped = {copy: source, source: copy}
                rename(graph, swapped)
                for other in graph.node:
                    other.output[:] = [swapped.get(name, name) for name in other.output]


def sort(graph: Any) -> list[str]:
    """Puts nodes in the order in which the outputs need them, and drops those they do not need.

    Returns:
        The names that the graph reads from an outer graph.
    """
    reads = []
    for node in graph.node:
        captured = [name for inner in inner_graphs(node) for name in sort(inner)]
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
    """Gives every value and node a name that depends only on the graph.

    It is chance which of several equal nodes or constants tf2onnx keeps, and so which names. Only a
    node that reads a matrix of weights therefore keeps the name of its layer.
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
    for owner in graphs(graph):
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
    rename_values(graph, names)
    for node in nodes(graph):
        node.name = f"{node.output[0]}/{node.op_type}"
    for inner in list(graphs(graph))[1:]:
        _drop_axis_names(inner)


def _drop_axis_names(graph: Any) -> None:
    graph.name = "step"
    for value in graph.input:
        for axis in value.type.tensor_type.shape.dim:
            axis.ClearField("dim_param")
    for value in graph.output:  # it is chance how much of the shape tf2onnx knows
        value.type.tensor_type.ClearField("shape")


def _layer(name: str) -> str:
    """Removes running numbers: of tf2onnx ("__12"), outputs (":0") and Keras scopes ("_1/")."""
    return re.sub(r"__\d+|:\d+$", "", re.sub(r"_1/", "/", name))
