"""Keeps equal loops of a LiteRT model once."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_seq2seq.exporters.litert.outside_data import OutsideData


def share_graphs(model: Any) -> Any:
    """Changes and returns a model (`ModelT`) in which no two inner graphs compute the same.

    The converter writes the conditions and the bodies of loops anew for each function. Those that
    differ by names alone become one, whose weights a runtime packs once; the functions themselves
    stay.
    """
    own = {signature.subgraphIndex for signature in model.signatureDefs or ()} | {0}
    while True:
        first: dict[bytes, int] = {}
        moved = {}
        for index, graph in enumerate(model.subgraphs):
            place = index if index in own else first.setdefault(_digest(model, graph), index)
            moved[index] = place
        kept = sorted(set(moved.values()))
        if len(kept) == len(moved):
            return model
        move_graphs(model, moved)
        move_graphs(model, {index: place for place, index in enumerate(kept)})
        own = {kept.index(index) for index in own}
        model.subgraphs = [model.subgraphs[index] for index in kept]


def move_graphs(model: Any, places: Mapping[int, int]) -> None:
    """Changes the index of a graph wherever it is named; one that is absent stays."""
    options = [
        operator.builtinOptions
        for graph in model.subgraphs
        for operator in graph.operators
        if operator.builtinOptions is not None
    ]
    for holder in [*(model.signatureDefs or ()), *options]:
        for field, index in vars(holder).items():
            if field.lower().endswith("subgraphindex"):
                setattr(holder, field, places.get(index, index))


def _digest(model: Any, graph: Any) -> bytes:
    tensors = [
        {**_plain(tensor), "name": None, "buffer": _plain(model.buffers[tensor.buffer].data)}
        for tensor in graph.tensors
    ]
    operators = [_plain(operator) for operator in graph.operators]
    parts = tensors, operators, _plain(graph.inputs), _plain(graph.outputs)
    return hashlib.sha256(repr(parts).encode()).digest()


def _plain(value: Any) -> Any:
    """Returns a table of a model as values whose text tells all of them."""
    if isinstance(value, OutsideData):
        return value.key, value.shape
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "Pack"):
        return {name: _plain(item) for name, item in vars(value).items()}
    return value
