"""Turns a traced function into a checked ONNX graph with tf2onnx."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_seq2seq.exporters.onnx.opsets import NEWEST_OF_TF2ONNX
from keras_seq2seq.exporters.onnx.weights import Numbers, Weights, key_of
from keras_seq2seq.exporters.outside_weights import OutsideWeights
from keras_seq2seq.runtimes import silence as standard_error
from keras_seq2seq.runtimes.onnx import NEXT_PREFIX

FLOAT = np.dtype("float32")

# The optimizers of tf2onnx in its order, without those for images and quantised graphs.
OPTIMIZERS = (
    "TransposeOptimizer",
    "ConstFoldOptimizer",
    "LoopOptimizer",
    "MergeDuplicatedNodesOptimizer",
    "ReshapeOptimizer",
    "IdentityOptimizer",
    "BackToBackOptimizer",
    "EinsumOptimizer",
)

# The only operators that compute something else in opset 23 than in 18.
CHANGED_AFTER_18 = {"AveragePool", "DFT", "GridSample", "GroupNormalization"}


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Hides what the converter logs about every graph that it knows only in part."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with standard_error.silence():
            yield
    finally:
        logger.setLevel(level)


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What the functions of an export have in common.

    Args:
        opset_version: Version of the ONNX operators.
        handlers: Handlers of tf2onnx for operators that stand for native nodes.
        outside: The large weights of the model, which are kept outside its graphs.
        stand_ins: The numbers of each weight that is an input while a function is converted, by
            its name; handlers add some.
        weights: Where the numbers of the graphs' constants are found.
    """

    opset_version: int
    handlers: dict[str, Any]
    outside: OutsideWeights
    stand_ins: dict[str, Numbers]
    weights: Weights = dataclasses.field(default_factory=Weights)

    def graph(self, signatures: Any, function: str) -> Any:
        """Returns one function as a checked onnx.ModelProto; `weights` holds its numbers."""
        from keras_seq2seq.exporters.onnx.attention import FIRST_OPSET, fuse_attention
        from keras_seq2seq.exporters.onnx.fold import fold
        from keras_seq2seq.exporters.onnx.simplify import simplify
        from keras_seq2seq.version import __version__

        proto = self._translated(signatures, function)
        del proto.opset_import[1:]
        _check_operators(proto, function)
        self._name_weights(proto.graph)
        fold(proto.graph, self.weights)
        simplify(proto, self.weights)
        _raise_opset(proto, self.opset_version)
        # One node rounds differently from Keras, so states and steps keep Keras' own nodes.
        if self.opset_version >= FIRST_OPSET and function.startswith("translate"):
            fuse_attention(proto)
            simplify(proto, self.weights)
        _name_axes(proto.graph)
        proto.producer_name, proto.producer_version = "keras_seq2seq", __version__
        proto.graph.name, proto.graph.doc_string = function, ""
        check_graph(proto)
        return proto

    def _translated(self, signatures: Any, function: str) -> Any:
        """Traces a function with its weights as inputs, and has tf2onnx translate it."""
        import tensorflow as tf

        specs = list(signatures.specs(function).values())
        names = list(signatures.specs(function))
        call = _positional(getattr(signatures, function), [*names])
        count = len(specs)

        def with_weights(*tensors: Any) -> dict[str, Any]:
            return self.outside.called_with(tensors[count:], lambda: call(*tensors[:count]))

        for i, variable in enumerate(self.outside.variables):
            names.append(self.outside.names[i])
            specs.append(tf.TensorSpec(variable.shape, tf.float32, f"weight_{i}"))
            read = functools.partial(self.outside.numbers, i)
            self.stand_ins[names[-1]] = Numbers.seen(FLOAT, tuple(variable.shape), read)
        traced = tf.function(with_weights, autograph=False).get_concrete_function(*specs)
        handlers = {**self.handlers, "SelectV2": (_write_where, [])}
        return _translated(traced, names, min(self.opset_version, NEWEST_OF_TF2ONNX), handlers)

    def _name_weights(self, graph: Any) -> None:
        """Makes the inputs that stand for weights constants, whose numbers are elsewhere."""
        inputs = []
        for value in graph.input:
            if value.name in self.stand_ins:
                tensor = self.weights.tensor(self.stand_ins[value.name], value.name)
                graph.initializer.append(tensor)
            else:
                inputs.append(type(value).FromString(value.SerializeToString()))
        del graph.input[:]
        graph.input.extend(inputs)


def check_graph(proto: Any) -> None:
    """Checks a model whose weights are elsewhere: for that they count as inputs."""
    import onnx

    copy = type(proto)()
    copy.CopyFrom(proto)
    kept = []
    for tensor in copy.graph.initializer:
        if key_of(tensor):
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            copy.graph.input.append(value)
        else:
            kept.append(type(tensor).FromString(tensor.SerializeToString()))
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(kept)
    onnx.checker.check_model(copy, full_check=True)


def _translated(
    function: Any, inputs: list[str], opset_version: int, handlers: dict[str, Any]
) -> Any:
    """Returns a concrete function as an onnx.ModelProto.

    These are the parts of `tf2onnx.convert.from_function`, with only `OPTIMIZERS`. They change the
    graph in place. If one fails on a custom layer, all run again on copies, as in tf2onnx, and that
    one is left out.
    """
    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader, tfonnx

    input_names = [tensor.name for tensor in function.inputs if tensor.dtype != tf.resource]
    output_names = [tensor.name for tensor in function.outputs]
    renamed = dict(zip(input_names, inputs, strict=True))
    renamed |= {tensor.name: name for name, tensor in function.structured_outputs.items()}
    frozen = tf_loader.from_function(function, input_names, output_names)
    optimizers = {name: getattr(optimizer, name) for name in OPTIMIZERS}

    def converted() -> Any:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(frozen, name="")
            return tfonnx.process_tf_graph(
                graph,
                continue_on_error=True,
                opset=opset_version,
                custom_op_handlers=handlers,
                input_names=input_names,
                output_names=output_names,
                tensors_to_rename=renamed,
            )

    try:
        graph = _optimized(converted(), list(optimizers.values()))
    except Exception:
        graph = optimizer.optimize_graph(converted(), catch_errors=True, optimizers=optimizers)
    return graph.make_model("")


def _optimized(graph: Any, optimizers: list[Any]) -> Any:
    """Returns a graph of tf2onnx, optimized in place until nothing changes.

    The public `optimize_graph` writes the bodies of all loops as protos, and looks for unused nodes
    once for each output of a graph, after every optimizer. That takes nine tenths of its time, and
    once at the end is enough.
    """
    has_changed, rounds = True, 0
    while has_changed:
        has_changed = False
        for make in optimizers:
            optimizer = make()
            optimizer.opt_iteration = rounds
            graph = optimizer._optimize(graph)
            has_changed |= optimizer.graph_been_opt
        rounds += 1
    graph.delete_unused_nodes(graph.outputs)
    graph.topological_sort(graph.get_nodes())
    return graph


def _raise_opset(proto: Any, version: int) -> None:
    """Marks a graph as one of a version that tf2onnx does not write yet."""
    from onnx import helper

    from keras_seq2seq.file_formats.onnx_graph import nodes

    if version <= proto.opset_import[0].version:
        return
    if changed := sorted(CHANGED_AFTER_18 & {node.op_type for node in nodes(proto.graph)}):
        raise ValueError(
            f"`onnx_opset` must be at most {NEWEST_OF_TF2ONNX} for a model whose layers become "
            f"{', '.join(changed)}. Received: {version}."
        )
    proto.opset_import[0].version = version
    proto.ir_version = helper.find_min_ir_version_for(proto.opset_import)


def _positional(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """Returns the function with positional arguments and outputs named unlike any input."""

    def call(*tensors: Any) -> dict[str, Any]:
        outputs = function(**dict(zip(names, tensors, strict=True)))
        return {NEXT_PREFIX + n if n in names else n: value for n, value in outputs.items()}

    return call


def _write_where(graph: Any, node: Any, name: str, args: Any) -> None:
    """Writes one Where, where tf2onnx writes six nodes; for bools, logical operators."""
    from onnx import TensorProto

    condition, yes, no = node.input
    output, shape, dtype = node.output[0], node.output_shapes[0], node.output_dtypes[0]
    graph.remove_node(name)

    def add(kind: str, *inputs: str, **kwargs: Any) -> str:
        return graph.make_node(kind, list(inputs), op_name_scope=name, **kwargs).output[0]

    final = {"outputs": [output], "shapes": [shape], "dtypes": [dtype]}
    if dtype != TensorProto.BOOL:
        add("Where", condition, yes, no, **final)
    else:
        chosen, other = add("And", condition, yes), add("And", add("Not", condition), no)
        add("Or", chosen, other, **final)


def _check_operators(proto: Any, function: str) -> None:
    from onnx import defs

    from keras_seq2seq.file_formats.onnx_graph import nodes

    known = {schema.name for schema in defs.get_all_schemas() if not schema.domain}
    if unknown := sorted(
        {n.op_type for n in nodes(proto.graph) if n.domain}
        | {n.op_type for n in nodes(proto.graph) if n.op_type not in known}
    ):
        raise ValueError(
            f"Every operator of `{function}` must exist in ONNX. Received: {unknown}; "
            "rewrite the layer that uses it, or export to another format."
        )


def _name_axes(graph: Any) -> None:
    """Names the open axes of inputs and outputs, which tf2onnx numbers."""
    for value in (*graph.input, *graph.output):
        for i, axis in enumerate(value.type.tensor_type.shape.dim):
            if not axis.HasField("dim_value"):
                length = "source_length" if value.name == "source_ids" else "memory_length"
                axis.dim_param = {0: "batch", 1: length}.get(i, f"{value.name}_axis_{i}")
