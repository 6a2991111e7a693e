"""Writes a model as ONNX files: the encoder, one decoder step, and whole translations."""

import pathlib
from collections.abc import Sequence
from typing import Any

from keras_seq2seq.exporters.onnx.conversion import Conversion, silence
from keras_seq2seq.exporters.onnx.files import SharedWeights, write_whole
from keras_seq2seq.exporters.onnx.opsets import opset_errors
from keras_seq2seq.exporters.onnx.text import add_tokenizers
from keras_seq2seq.exporters.onnx.weights import Numbers
from keras_seq2seq.exporters.outside_weights import OutsideWeights
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.signatures import Signatures
from keras_seq2seq.formats import EXACT, check_quantizations
from keras_seq2seq.installed import missing_package
from keras_seq2seq.models.contract import TrainedModel
from keras_seq2seq.runtimes.onnx import TEXT_FUNCTION, WEIGHTS_ENTRY

FILES = {
    "encode": "encoder.onnx",
    "decode_step": "decoder_step.onnx",
    "translate_greedy": "translate_greedy.onnx",
    "translate_beam": "translate_beam.onnx",
    "translate_text_greedy": "translate_text_greedy.onnx",
}
# What the files of one quantization share, unless each holds its weights.
WEIGHTS = "weights_{}.bin"
OTHER_PRECISIONS = {"bfloat16", "float16", "float64"}


def write_onnx(
    prepared: PreparedExport,
    folder: pathlib.Path,
    quantizations: Sequence[str] = ("float32",),
) -> dict[str, Any]:
    """Writes `encoder.onnx`, `decoder_step.onnx`, `translate_greedy.onnx`, `translate_beam.onnx`.

    The files use standard operators only, except `translate_text_greedy.onnx`, which needs
    onnxruntime-extensions. Batch size and lengths are open. Recurrent layers of the encoder
    and, in whole translations, layer normalisations become native nodes, see `NativeRNNs` and
    `NativeNorms`; a search is one Loop, with a node for each attention of a Transformer if the
    opset is 23. The same model gives the same bytes. Quantised files have
    the quantisation in their names, such as `encoder_dynamic_int8.onnx`; the text file is float32.

    Args:
        prepared: What to write, and the version of the ONNX operators.
        folder: Where to write; made if missing.
        quantizations: Any of "float32", "float16" and "dynamic_int8", see `quantized`.
    Returns:
        For the manifest: `opset_version`, `files` by quantization and function, and `signatures`
        by function with `inputs` and `outputs`, each a list of {"name", "dtype", "shape"} with
        None for an open axis. The output `next_state_0` of `decode_step` is its next input
        `state_0`.
    Raises:
        ImportError: If tf2onnx or onnx is not installed, or onnxruntime, which quantises.
        ValueError: If a quantization is unknown, the version is out of its range, the model
            does not compute in float32, or has an operator that ONNX lacks.
    """
    _import_tools()
    opset_version = prepared.onnx_opset
    if errors := opset_errors(opset_version):
        raise ValueError(*errors)
    check_quantizations("onnx", quantizations)
    _check_precision(prepared.model)
    from keras_seq2seq.exporters.onnx.quantization import quantized

    folder.mkdir(parents=True, exist_ok=True)
    with silence():
        conversion, signatures = _prepared_conversion(prepared)
        weights = conversion.weights
        shared = {
            quantization: SharedWeights(folder / WEIGHTS.format(quantization), weights)
            for quantization in (() if prepared.onnx_single_files else quantizations)
        }

        def write(proto: Any, quantization: str, path: pathlib.Path) -> str:
            if shared:
                shared[quantization].write(proto, path)
            else:
                write_whole(proto, weights, path)
            return path.name

        files: dict[str, dict[str, str]] = {quantization: {} for quantization in quantizations}
        described = {}
        for function in signatures.functions:
            proto = conversion.graph(signatures, function)
            described[function] = _describe(proto.graph)
            for quantization, names in files.items():
                path = folder / FILES[function]
                written = proto
                if quantization != EXACT:
                    path = path.with_stem(f"{path.stem}_{quantization}")
                    written = quantized(proto, quantization, weights)
                names[function] = write(written, quantization, path)
            if function == "translate_greedy" and prepared.text_onnx:
                assert prepared.tokenizers is not None
                add_tokenizers(proto, prepared.tokenizers)
                names = files[EXACT]
                names[TEXT_FUNCTION] = write(proto, EXACT, folder / FILES[TEXT_FUNCTION])
                described[TEXT_FUNCTION] = _describe(proto.graph)
    for quantization, one in shared.items():
        if one.path.is_file():
            files[quantization][WEIGHTS_ENTRY] = one.path.name
    return {"opset_version": opset_version, "files": files, "signatures": described}


def _prepared_conversion(prepared: PreparedExport) -> tuple[Conversion, Signatures]:
    """Returns what converts the functions, and these with placeholders for native nodes."""
    from keras_seq2seq.exporters.onnx.native_norm import FIRST_OPSET, NativeNorms
    from keras_seq2seq.exporters.onnx.native_rnn import NativeRNNs

    signatures, opset_version = prepared.growing, prepared.onnx_opset
    stand_ins: dict[str, Numbers] = {}
    rnns, norms = NativeRNNs(stand_ins), NativeNorms()
    models = signatures.models.replaced(encoder=rnns.replace, search_encoder=rnns.replace)
    if opset_version >= FIRST_OPSET:
        # One node rounds differently from Keras, so states and steps keep Keras' own nodes.
        models = models.replaced(search_encoder=norms.replace, search_step=norms.replace)
    outside = OutsideWeights(prepared.model.weights)
    handlers = {**rnns.handlers, **norms.handlers}
    return Conversion(opset_version, handlers, outside, stand_ins), signatures.over(models)


def _import_tools() -> None:
    try:
        with silence():
            import onnx  # noqa: F401
            import tf2onnx  # noqa: F401
    except ImportError as error:
        what = "Writing ONNX files needs onnx and tf2onnx"
        raise missing_package(what, "onnx", error) from error


def _check_precision(model: TrainedModel) -> None:
    layers = (*model.encoder.layers, *model.decoder.layers)
    if other := sorted({layer.compute_dtype for layer in layers} & OTHER_PRECISIONS):
        raise ValueError(
            "A model for ONNX must compute in float32; rebuild it under "
            f"keras.config.set_dtype_policy('float32') and set its weights. Received: {other}."
        )


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
