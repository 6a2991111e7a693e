"""Writes a model as ONNX files: the encoder, one decoder step, and whole translations."""

import pathlib
from collections.abc import Sequence
from typing import Any

from keras_seq2seq.exporters.onnx.conversion import convert, silence
from keras_seq2seq.exporters.onnx.opsets import opset_errors
from keras_seq2seq.exporters.onnx.placement import place_weights
from keras_seq2seq.exporters.onnx.text import add_tokenizers
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.signatures import Signatures
from keras_seq2seq.formats import check_quantizations
from keras_seq2seq.installed import missing_package
from keras_seq2seq.models.contract import TrainedModel
from keras_seq2seq.runtimes.onnx import TEXT_FUNCTION

FILES = {
    "encode": "encoder.onnx",
    "decode_step": "decoder_step.onnx",
    "translate_greedy": "translate_greedy.onnx",
    "translate_beam": "translate_beam.onnx",
    "translate_text_greedy": "translate_text_greedy.onnx",
}
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
        signatures, handlers = _native(prepared.growing, opset_version)
        files: dict[str, dict[str, str]] = {quantization: {} for quantization in quantizations}
        described = {}
        for function in signatures.functions:
            proto = convert(signatures, function, opset_version, handlers)
            described[function] = _describe(proto.graph)
            for quantization, names in files.items():
                path = folder / FILES[function]
                written = proto
                if quantization != "float32":
                    path = path.with_stem(f"{path.stem}_{quantization}")
                    written = quantized(proto, quantization)
                _write(written, path)
                names[function] = path.name
            if function == "translate_greedy" and prepared.text_onnx:
                assert prepared.tokenizers is not None
                add_tokenizers(proto, prepared.tokenizers)
                _write(proto, folder / FILES[TEXT_FUNCTION])
                described[TEXT_FUNCTION] = _describe(proto.graph)
                files["float32"][TEXT_FUNCTION] = FILES[TEXT_FUNCTION]
    return {"opset_version": opset_version, "files": files, "signatures": described}


def _native(signatures: Signatures, opset_version: int) -> tuple[Signatures, dict[str, Any]]:
    """Returns the functions with placeholders for native nodes, and what writes these nodes."""
    from keras_seq2seq.exporters.onnx.native_norm import FIRST_OPSET, NativeNorms
    from keras_seq2seq.exporters.onnx.native_rnn import NativeRNNs

    rnns, norms = NativeRNNs(), NativeNorms()
    models = signatures.models.replaced(encoder=rnns.replace, search_encoder=rnns.replace)
    if opset_version >= FIRST_OPSET:
        # One node rounds differently from Keras, so states and steps keep Keras' own nodes.
        models = models.replaced(search_encoder=norms.replace, search_step=norms.replace)
    return signatures.over(models), {**rnns.handlers, **norms.handlers}


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
