"""Puts weights where onnxruntime prepares them once: into the loop body that reads them."""

from typing import Any

from keras_seq2seq.file_formats.onnx_graph import inner_graphs


def place_weights(model: Any) -> Any:
    """Returns a copy of a simplified onnx.ModelProto for a file.

    A loop in a loop gets the constants that only it reads: onnxruntime packs the weights of a
    product at load if they belong to the node's graph or the one around it, otherwise at every
    step. A constant that is first transposed is transposed in the graph around, which also happens
    at load.
    """
    placed = type(model)()
    placed.CopyFrom(model)
    graph = placed.graph
    readers: dict[str, list[list[Any]]] = {value.name: [[]] for value in graph.output}
    _find_readers(graph, [], readers)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        path = _only_path(readers, node.output[0])
        if node.op_type == "Transpose" and node.input[0] in constants and len(path) > 1:
            path[0].node.insert(0, node)
            graph.node.remove(node)
    kept: list[Any] = []
    for tensor in constants.values():
        path = _only_path(readers, tensor.name)
        (path[-1].initializer if len(path) > 1 else kept).append(tensor)
    copies = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
    del graph.initializer[:]
    graph.initializer.extend(copies)
    return placed


def _find_readers(graph: Any, path: list[Any], readers: dict[str, list[list[Any]]]) -> None:
    """Adds, for each value, the graphs around each node that reads it, the outermost first."""
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(path)
        for inner in inner_graphs(node):
            _find_readers(inner, [*path, inner], readers)


def _only_path(readers: dict[str, list[list[Any]]], name: str) -> list[Any]:
    """Returns the inner graphs around the readers of a value if these are in one graph, else []."""
    first, *others = readers.get(name, [[]])
    is_one = all(len(path) == len(first) and path[-1:] == first[-1:] for path in others)
    return first if is_one else []
