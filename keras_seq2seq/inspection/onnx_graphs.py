"""Walks an ONNX graph and the graphs inside it."""

from collections.abc import Iterator
from typing import Any


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
