"""Finds the loops of an ONNX graph, and renames its values in it and in the graphs inside."""

from collections.abc import Iterator
from typing import Any


def loops(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each Loop and the graph that holds it, outer loops first."""
    for owner in graphs(graph):
        for node in owner.node:
            if node.op_type == "Loop":
                yield owner, node


def rename(graph: Any, names: dict[str, str]) -> None:
    """Renames values wherever a graph, or one inside it, reads them."""
    for node in nodes(graph):
        for i, name in enumerate(node.input):
            if name in names:
                node.input[i] = names[name]


def rename_values(graph: Any, names: dict[str, str]) -> None:
    """Renames values of a graph, and of those inside it, wherever they are made or read."""
    for owner in graphs(graph):
        for value in (*owner.input, *owner.output, *owner.initializer):
            value.name = names.get(value.name, value.name)
        for node in owner.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def nodes(graph: Any) -> list[Any]:
    """Returns the nodes of a graph, or of a function, and of every graph inside it."""
    return [node for owner in graphs(graph) for node in owner.node]


def graphs(graph: Any) -> Iterator[Any]:
    """Yields a graph and every graph inside it."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from graphs(inner)


def inner_graphs(node: Any) -> list[Any]:
    """Returns the graphs that a node holds, such as the body of a Loop."""
    single = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [*single, *(graph for attribute in node.attribute for graph in attribute.graphs)]
