"""Computes what depends on weights alone, which converters can do only with the numbers."""

from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.weights import Numbers, Weights, key_of

# What gives a view of its first input, which costs no memory.
VIEWS = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def fold(graph: Any, weights: Weights) -> None:
    """Replaces each node of a graph whose inputs are constants, one of them a weight, in place.

    Nodes of inner graphs stay: there a weight comes in as an input.

    Args:
        graph: An onnx.GraphProto as tf2onnx writes it, in topological order.
        weights: The numbers of its weights; those that are computed are added.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        given = [constants.get(name) for name in node.input if name]
        is_fixed = given and None not in given and any(map(key_of, given))
        if not is_fixed or outputs.intersection(node.output):
            kept.append(node)
            continue
        for name, numbers in zip(node.output, _computed(node, given, weights), strict=True):
            constants[name] = weights.tensor(numbers, name)
            graph.initializer.append(constants[name])
    if len(kept) < len(graph.node):
        copies = [type(node).FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(copies)


def _computed(node: Any, given: list[Any], weights: Weights) -> list[Numbers]:
    """Returns the numbers of each output: a view of those of a weight, or computed ones."""
    whole, *others = map(weights.numbers, given)
    arrays = [other.array() for other in others]
    if node.op_type not in VIEWS:
        return list(map(Numbers.of, _run(node, [whole.array(), *arrays])))
    if node.op_type == "Identity":
        return [whole]
    if node.op_type == "Transpose":
        given_order = [list(a.ints) for a in node.attribute if a.name == "perm"]
        order = given_order[0] if given_order else list(range(len(whole.shape)))[::-1]
        shape = tuple(whole.shape[axis] for axis in order)
        return [Numbers.seen(whole.dtype, shape, lambda: whole.array().transpose(order))]
    # Of a single number that seems to have the shape.
    (seeming,) = _run(node, [np.broadcast_to(np.zeros((), "bool"), whole.shape), *arrays])
    shape = seeming.shape
    return [Numbers.seen(whole.dtype, shape, lambda: whole.array().reshape(shape))]


def _run(node: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.input if name]
    return list(ReferenceEvaluator(node).run(None, dict(zip(names, inputs, strict=True))))
