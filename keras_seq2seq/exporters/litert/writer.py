"""Writes LiteRT files that hold every function over one copy of the weights."""

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_seq2seq.exporters.litert.builtin_operators import BUILTIN_ONLY, check_builtin_only
from keras_seq2seq.exporters.litert.embedding_lookup import with_embedding_lookup
from keras_seq2seq.exporters.litert.int8 import int8_content
from keras_seq2seq.exporters.litert.packing import packed, unpacked
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.signatures import ExportedModels, Signatures, described
from keras_seq2seq.exporters.silence import silence
from keras_seq2seq.formats import check_quantizations
from keras_seq2seq.models.contract import target_vocabulary_size

FOREIGN = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


def write_litert(
    prepared: PreparedExport, folder: Path, quantizations: Sequence[str] = ("float32",)
) -> dict[str, Any]:
    """Writes `model_<quantization>.tflite` files for a batch of one and any source length.

    Each file has a signature for each function of `Signatures`, one copy of the weights, and
    builtin operators only.

    Args:
        prepared: What to write.
        folder: Where to write; made if missing.
        quantizations: Any of "float32", "float16" (weights in half precision, float32
            arithmetic), "dynamic_int8" (int8 weights, float32 arithmetic elsewhere) and "int8"
            (int8 products with scales that are measured on the sentences, see `PRODUCTS`).
    Returns:
        {"files": {quantization: file name}, "signatures": {name: {"inputs", "outputs"}}}, each a
        list of {"name", "dtype", "shape"} with None for an open axis.
    Raises:
        ValueError: If a quantization is unknown, "int8" has no sentences, or the model needs
            other operators.
    """
    check_quantizations("litert", quantizations)
    sources = [np.array([ids], "int32") for ids in prepared.calibration]
    if "int8" in quantizations and not sources:
        raise ValueError(
            "`sentences` must hold typical source texts for 'int8', which measures its scales on "
            f"them. Received: {prepared.sentences!r}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: f"model_{name}.tflite" for name in quantizations}
    with tempfile.TemporaryDirectory() as frozen_folder:
        with silence():
            frozen = _frozen(prepared.fixed.over(_looked_up(prepared.fixed.models)))
            tf.saved_model.save(tf.Module(), frozen_folder, signatures=frozen)
        converted: dict[str, bytes] = {}
        for quantization, name in files.items():
            base = "dynamic_int8" if quantization == "int8" else quantization
            if base not in converted:
                converted[base] = _converted(frozen_folder, base, list(frozen))
            if quantization == "int8":
                words = target_vocabulary_size(prepared.model.decoder)
                content = int8_content(converted[base], sources, vocabulary_size=words)
            else:
                content = packed(unpacked(converted[base]))
            check_builtin_only(content, folder / name)
            (folder / name).write_bytes(content)
    return {"files": files, "signatures": {n: described(f) for n, f in frozen.items()}}


def _looked_up(models: ExportedModels) -> ExportedModels:
    # Steps and searches read every weight in one layout, so the file holds it once.
    names = ("encoder", "decoder_step", "search_encoder", "search_step")
    return models.replaced(**dict.fromkeys(names, with_embedding_lookup))


def _frozen(signatures: Signatures) -> dict[str, Any]:
    """Returns the functions with their weights as constants.

    Given the variables of Keras 3, the converter writes a file without weights, which fails only
    when it runs.
    """
    frozen = {}
    for name in signatures.functions:
        specs = signatures.specs(name, batch_size=1)
        traced = tf.function(getattr(signatures, name), autograph=False)
        function = traced.get_concrete_function(**specs)
        constant = convert_variables_to_constants_v2(function, lower_control_flow=False)
        wrapped = tf.function(_named(constant, function.structured_outputs), autograph=False)
        frozen[name] = wrapped.get_concrete_function(**specs)
    return frozen


def _named(function: Any, outputs: dict[str, Any]) -> Callable[..., Any]:
    """Gives a frozen function, which lost names and shapes, its names and shapes back."""
    inputs = [tensor.name.partition(":")[0] for tensor in function.inputs]

    def call(**tensors: Any) -> dict[str, Any]:
        results = function(*(tensors[name] for name in inputs))
        named = dict(zip(sorted(outputs), results, strict=True))
        for name, tensor in named.items():
            tensor.set_shape(outputs[name].shape)
        return named

    return call


def _converted(frozen_folder: str, quantization: str, functions: list[str]) -> bytes:
    try:
        with silence():
            converter = tf.lite.TFLiteConverter.from_saved_model(
                frozen_folder, signature_keys=functions
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if quantization != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if quantization == "float16":
                converter.target_spec.supported_types = [tf.float16]
            return converter.convert()
    except Exception as error:
        if foreign := sorted(set(FOREIGN.findall(str(error)))):
            raise ValueError(f"{BUILTIN_ONLY} Received: {', '.join(foreign)}.") from error
        raise
