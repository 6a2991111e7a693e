"""Writes a model as ONNX files: the encoder, one decoder step, and whole translations."""

import contextlib
import logging
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_seq2seq.decoding.graph.search_model import search_parts
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategy import BeamSearch
from keras_seq2seq.exporters.onnx.placement import place_weights
from keras_seq2seq.exporters.silence import quiet
from keras_seq2seq.seq2seq import Seq2Seq
from keras_seq2seq.text.tokenizer import TokenizerPair

FILES = {
    "encode": "encoder.onnx",
    "decode_step": "decoder_step.onnx",
    "translate_greedy": "translate_greedy.onnx",
    "translate_beam": "translate_beam.onnx",
    "translate_text_greedy": "translate_text_greedy.onnx",
}
# ONNX values have one name each: the new value of `state_0` cannot be called `state_0`, too.
NEXT_PREFIX = "next_"
OPSET_VERSIONS = (15, 18)
QUANTIZATIONS = ("float32", "float16", "dynamic_int8")
# Those of tf2onnx in its order, but for images and for graphs that are quantised already.
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
OTHER_PRECISIONS = {"bfloat16", "float16", "float64"}


def write_onnx(
    model: Seq2Seq,
    folder: pathlib.Path,
    *,
    max_length: int,
    quantizations: Sequence[str] = ("float32",),
    beam: BeamSearch | None = None,
    shortlist: Shortlist | None = None,
    opset_version: int = 17,
    text_tokenizers: TokenizerPair | None = None,
) -> dict[str, Any]:
    """Writes `encoder.onnx`, `decoder_step.onnx`, `translate_greedy.onnx`, `translate_beam.onnx`.

    The files use standard operators only, but for `translate_text_greedy.onnx`, which needs
    onnxruntime-extensions, and leave batch size and lengths open. Recurrent layers of the encoder
    and, in whole translations, layer normalisations become native nodes, see `NativeRNNs` and
    `NativeNorms`; a search is one Loop. The same model gives the same bytes. Quantised files bear
    the quantisation in their names, such as `encoder_dynamic_int8.onnx`; the text file is float32.

    Args:
        model: The trained model.
        folder: An existing folder.
        max_length: int > 0. Longest translation in tokens, eos included.
        quantizations: Any of "float32", "float16" and "dynamic_int8", see `quantized`.
        beam: What `translate_beam.onnx` searches for; None leaves it out.
        shortlist: What the searches choose from; None lets them choose from all ids.
        opset_version: int, 15 to 18. Version of the ONNX operators; 17 is read by onnxruntime
            1.12 and later.
        text_tokenizers: What `translate_text_greedy.onnx` has inside: text in, text out; None
            leaves it out.
    Returns:
        For the manifest: `opset_version`, `files` by quantization and function, and `signatures`
        by function with `inputs` and `outputs`, each a list of {"name", "dtype", "shape"} with
        None for an open axis. The output `next_state_0` of `decode_step` is its next input
        `state_0`.
    Raises:
        ImportError: If tf2onnx or onnx is not installed, or onnxruntime, which quantises.
        ValueError: If a quantization is unknown, the version is out of its range, the model
            computes in another precision than float32, or has an operator that ONNX has not.
    """
    _import_tools()
    low, high = OPSET_VERSIONS
    if not low <= opset_version <= high:
        raise ValueError(f"`opset_version` must be {low} to {high}. Received: {opset_version}.")
    if unknown := [name for name in quantizations if name not in QUANTIZATIONS]:
        raise ValueError(f"`quantizations` must be among {QUANTIZATIONS}. Received: {unknown}.")
    _check_precision(model)
    from keras_seq2seq.exporters.onnx.native_norm import FIRST_OPSET, NativeNorms
    from keras_seq2seq.exporters.onnx.native_rnn import NativeRNNs
    from keras_seq2seq.exporters.onnx.quantization import quantized
    from keras_seq2seq.exporters.signatures import Signatures

    rnns, norms = NativeRNNs(), NativeNorms()
    handlers = {**rnns.handlers, **norms.handlers}
    with _silence():
        encoder = rnns.replace(model.encoder)
        searching = search_parts(encoder, model.decoder, dynamic=True, shortlist=shortlist)
        if opset_version >= FIRST_OPSET:
            # One node rounds otherwise than Keras: states and steps stay with what Keras computes.
            searching = norms.replace(searching[0]), norms.replace(searching[1])
        signatures = Signatures(encoder, model.decoder, max_length, beam, searching=searching)
        files: dict[str, dict[str, str]] = {quantization: {} for quantization in quantizations}
        described = {}
        for function in signatures.functions:
            proto = _convert(signatures, function, opset_version, handlers)
            described[function] = _describe(proto.graph)
            for quantization, names in files.items():
                path = folder / FILES[function]
                written = proto
                if quantization != "float32":
                    path = path.with_stem(f"{path.stem}_{quantization}")
                    written = quantized(proto, quantization)
                _write(written, path)
                names[function] = path.name
            if function == "translate_greedy" and text_tokenizers is not None:
                from keras_seq2seq.exporters.onnx.text import FUNCTION, add_tokenizers

                add_tokenizers(proto, text_tokenizers)
                _write(proto, folder / FILES[FUNCTION])
                described[FUNCTION] = _describe(proto.graph)
                files["float32"][FUNCTION] = FILES[FUNCTION]
    return {"opset_version": opset_version, "files": files, "signatures": described}


def _import_tools() -> None:
    try:
        with _silence():
            import onnx  # noqa: F401
            import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Writing ONNX files needs the packages onnx and tf2onnx. "
            'Install them with: pip install "keras_seq2seq[onnx]"'
        ) from error


def _check_precision(model: Seq2Seq) -> None:
    layers = (*model.encoder.layers, *model.decoder.layers)
    if other := sorted({layer.compute_dtype for layer in layers} & OTHER_PRECISIONS):
        raise ValueError(
            "A model for ONNX must compute in float32; build it anew under "
            f"keras.config.set_dtype_policy('float32') and set its weights. Received: {other}."
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps to itself what the converter logs of every graph it does not wholly know."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with quiet():
            yield
    finally:
        logger.setLevel(level)


def _convert(signatures: Any, function: str, opset_version: int, handlers: dict[str, Any]) -> Any:
    """Returns one function as a checked onnx.ModelProto."""
    import onnx
    import tensorflow as tf

    from keras_seq2seq import __version__
    from keras_seq2seq.exporters.onnx.simplify import simplify

    specs = signatures.specs(function)
    call = _positional(getattr(signatures, function), list(specs))
    traced = tf.function(call, autograph=False).get_concrete_function(*specs.values())
    handlers = {**handlers, "SelectV2": (_write_where, [])}
    proto = _translated(traced, list(specs), opset_version, handlers)
    del proto.opset_import[1:]
    _check_operators(proto, function)
    simplify(proto)
    _name_axes(proto.graph)
    proto.producer_name, proto.producer_version = "keras_seq2seq", __version__
    proto.graph.name, proto.graph.doc_string = function, ""
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _translated(
    function: Any, inputs: list[str], opset_version: int, handlers: dict[str, Any]
) -> Any:
    """Returns a concrete function as an onnx.ModelProto.

    The parts of `tf2onnx.convert.from_function` with `OPTIMIZERS` alone. They work on the graph
    itself; should one fail on a layer of the user's, all work on copies, as there, and it is left
    out. The copies are a third of the time.
    """
    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader, tfonnx

    input_names = [tensor.name for tensor in function.inputs if tensor.dtype != tf.resource]
    output_names = [tensor.name for tensor in function.outputs]
    renamed = dict(zip(input_names, inputs, strict=True))
    renamed |= {tensor.name: name for name, tensor in function.structured_outputs.items()}
    frozen = tf_loader.from_function(function, input_names, output_names)
    optimizers = {name: getattr(optimizer, name) for name in OPTIMIZERS}

    def optimized(catch_errors: bool) -> Any:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(frozen, name="")
            converted = tfonnx.process_tf_graph(
                graph,
                continue_on_error=True,
                opset=opset_version,
                custom_op_handlers=handlers,
                input_names=input_names,
                output_names=output_names,
                tensors_to_rename=renamed,
            )
        return optimizer.optimize_graph(converted, catch_errors, optimizers).make_model("")

    try:
        return optimized(catch_errors=False)
    except Exception:
        return optimized(catch_errors=True)


def _positional(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """Returns the function with positional arguments, and outputs that no input is called."""

    def call(*tensors: Any) -> dict[str, Any]:
        outputs = function(**dict(zip(names, tensors, strict=True)))
        return {NEXT_PREFIX + n if n in names else n: value for n, value in outputs.items()}

    return call


def _write_where(graph: Any, node: Any, name: str, args: Any) -> None:
    """Writes one Where, for which tf2onnx writes six nodes; logic for a choice of bools."""
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

    from keras_seq2seq.inspection.onnx_graphs import nodes

    known = {schema.name for schema in defs.get_all_schemas() if not schema.domain}
    if unknown := sorted(
        {n.op_type for n in nodes(proto.graph) if n.domain}
        | {n.op_type for n in nodes(proto.graph) if n.op_type not in known}
    ):
        raise ValueError(
            f"Every operator of `{function}` must be one that ONNX has. Received: {unknown}; "
            "rewrite the layer that uses it, or export to another format."
        )


def _name_axes(graph: Any) -> None:
    """Names the open axes of inputs and outputs, which tf2onnx numbers."""
    for value in (*graph.input, *graph.output):
        for i, axis in enumerate(value.type.tensor_type.shape.dim):
            if not axis.HasField("dim_value"):
                length = "source_length" if value.name == "source_ids" else "memory_length"
                axis.dim_param = {0: "batch", 1: length}.get(i, f"{value.name}_axis_{i}")


def _write(proto: Any, path: pathlib.Path) -> None:
    path.write_bytes(place_weights(proto).SerializeToString(deterministic=True))


def _describe(graph: Any) -> dict[str, list[dict[str, Any]]]:
    """Returns the names, dtypes and shapes of a file's inputs and outputs."""
    from onnx import TensorProto, helper

    def describe(value: Any) -> dict[str, Any]:
        tensor = value.type.tensor_type
        shape = [a.dim_value if a.HasField("dim_value") else None for a in tensor.shape.dim]
        dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        if tensor.elem_type == TensorProto.STRING:
            dtype = "string"
        return {"name": value.name, "dtype": dtype, "shape": shape}

    return {
        "inputs": [describe(value) for value in graph.input],
        "outputs": [describe(value) for value in graph.output],
    }
