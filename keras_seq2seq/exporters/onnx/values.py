"""Finds the nodes that make and read the values of an ONNX graph."""

import collections
import math
from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.weights import key_of
from keras_seq2seq.file_formats.onnx_graph import graphs, nodes


class Unlike(Exception):
    """A graph does not look as a rule wants it."""


class Values:
    """Who makes and who reads each value of a graph and of those inside it.

    Args:
        root: The outermost onnx.GraphProto; what is changed in it later is not seen.
    """

    def __init__(self, root: Any) -> None:
        self._constants = {t.name: t for owner in graphs(root) for t in owner.initializer}
        self._makers = {name: node for node in nodes(root) for name in node.output}
        self._readers: dict[str, list[Any]] = collections.defaultdict(list)
        for node in nodes(root):
            for name in node.input:
                self._readers[name].append(node)
        for owner in graphs(root):
            for value in owner.output:
                self._readers[value.name].append(None)

    def maker(self, name: str, kind: str, **attributes: Any) -> Any:
        """Returns the node that makes a value; raises `Unlike` if it is not of this kind."""
        return _checked(self._makers.get(name), kind, attributes)

    def is_made_by(self, name: str, kind: str) -> bool:
        """Returns True if a node of this kind makes the value."""
        return name in self._makers and self._makers[name].op_type == kind

    def reader(self, name: str, kind: str, **attributes: Any) -> Any:
        """Returns the only node that reads a value; raises `Unlike` if it is not of this kind."""
        readers = self._readers[name]
        return _checked(readers[0] if len(readers) == 1 else None, kind, attributes)

    def constant(self, name: str, size: int | None = None) -> np.ndarray:
        """Returns the numbers of a constant; raises `Unlike` if it is none of this size."""
        from onnx import numpy_helper

        tensor = self._constants.get(name)
        # No rule reads a weight, whose numbers are elsewhere.
        if tensor is None or key_of(tensor) or size not in (None, math.prod(tensor.dims)):
            raise Unlike
        numbers: np.ndarray = numpy_helper.to_array(tensor)
        return numbers


def _checked(node: Any, kind: str, attributes: dict[str, Any]) -> Any:
    from onnx import helper

    if node is None or node.op_type != kind:
        raise Unlike
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if any(given.get(name) != value for name, value in attributes.items()):
        raise Unlike
    return node
