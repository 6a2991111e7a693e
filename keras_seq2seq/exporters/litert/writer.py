"""Writes LiteRT files: whole translations for every mobile API, and the steps for a host."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_seq2seq.exporters.litert.builtin_operators import check_builtin_only
from keras_seq2seq.exporters.litert.calibration import measured_ranges
from keras_seq2seq.exporters.litert.compact import compact
from keras_seq2seq.exporters.litert.conversion import converted
from keras_seq2seq.exporters.litert.converted import Converted
from keras_seq2seq.exporters.litert.embedding_lookup import with_embedding_lookup
from keras_seq2seq.exporters.litert.fast_operators import fast_operators
from keras_seq2seq.exporters.litert.int8 import int8_models
from keras_seq2seq.exporters.litert.packing import write_packed
from keras_seq2seq.exporters.litert.portable import portable
from keras_seq2seq.exporters.litert.shared_graphs import share_graphs
from keras_seq2seq.exporters.litert.source_lengths import first_cache_length, source_lengths
from keras_seq2seq.exporters.litert.stand_ins import Changed, StandIns
from keras_seq2seq.exporters.outside_weights import OutsideWeights
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.signatures import ExportedModels, Signatures, described
from keras_seq2seq.formats import check_quantizations
from keras_seq2seq.models.contract import target_vocabulary_size
from keras_seq2seq.runtimes.silence import silence

TRANSLATE, STEPS, BATCH = "translate", "steps", "batch"
# The file that phones need, and those that they leave at home.
PARTS = {TRANSLATE: "model_{}.tflite", STEPS: "steps_{}.tflite", BATCH: "batch_{}.tflite"}


def write_litert(
    prepared: PreparedExport, folder: Path, quantizations: Sequence[str] = ("float32",)
) -> dict[str, Any]:
    """Writes `model_<quantization>.tflite` and `steps_<quantization>.tflite` for a batch of one.

    `model_...` translates: it has `translate_greedy_<n>` and, with a beam, `translate_beam_<n>` for
    each source length n of `source_lengths`. No shape is open and no input or output is bool, so
    that every API of the runtime takes it; the longest greedy search is its first subgraph, for
    callers that know no signatures. `steps_...` has `encode` and `decode_step` for any length, for
    a search on the host. `batch_...`, for servers, is written if `litert_batch_size` is above 1: it
    has `translate_greedy_<rows>x<n>` for as many sources at once; a beam is a batch by itself.
    Each file holds one copy of the weights and builtin operators only.

    Args:
        prepared: What to write.
        folder: Where to write; made if missing.
        quantizations: Any of "float32", "float16" (weights in half precision, float32
            arithmetic), "dynamic_int8" (int8 weights, float32 arithmetic elsewhere) and "int8"
            (int8 products with scales that are measured on the sentences, see `PRODUCTS`).
    Returns:
        {"files": {quantization: {"translate": file name, "steps": file name}}, "signatures":
        {name: {"inputs", "outputs"}}, "source_lengths": the longest first}; inputs and outputs are
        lists of {"name", "dtype", "shape"} with None for an open axis. With a file for batches
        "files" have "batch" too, and "batch_size" is its rows.
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
    rows = prepared.litert_batch_size
    parts = [part for part in PARTS if part != BATCH or rows > 1]
    files = {
        quantization: {part: PARTS[part].format(quantization) for part in parts}
        for quantization in quantizations
    }
    lengths = source_lengths(prepared.longest_source)
    frozen = {}
    # A second time if a layer computes something of its weights, for which numbers are needed.
    for weights in (prepared.model.weights, ()):
        with tempfile.TemporaryDirectory() as room, contextlib.suppress(Changed):
            stand_ins = StandIns(OutsideWeights(weights), prepared.model.weights)
            frozen = _saved(prepared, lengths, Path(room), stand_ins)
            _Files(prepared, Path(room), frozen, stand_ins).write(folder, files, sources)
            break
    signatures = {name: described(f) for part in frozen.values() for name, f in part.items()}
    entry = {"files": files, "signatures": signatures, "source_lengths": list(lengths)}
    return entry if rows == 1 else {**entry, "batch_size": rows}


class _Files:
    """The files of all quantizations, from functions that were traced once.

    Args:
        prepared: What to write.
        room: Folder with a SavedModel of each part.
        frozen: The functions of each part.
        stand_ins: The constants that stand for weights in them.
    """

    def __init__(
        self,
        prepared: PreparedExport,
        room: Path,
        frozen: Mapping[str, Mapping[str, Any]],
        stand_ins: StandIns,
    ) -> None:
        self._prepared = prepared
        self._room = room
        self._frozen = frozen
        self._stand_ins = stand_ins
        self._converted: dict[str, dict[str, Converted]] = {}

    def write(
        self, folder: Path, files: Mapping[str, Mapping[str, str]], sources: Sequence[np.ndarray]
    ) -> None:
        """Writes the files, whose names are given by quantization and part."""
        for quantization, names in files.items():
            models = self._models("dynamic_int8" if quantization == "int8" else quantization)
            if quantization == "int8":
                self._make_int8(models, sources)
            for part, name in names.items():
                model = compact(portable(fast_operators(share_graphs(models[part]))))
                check_builtin_only(model, folder / name)
                write_packed(model, folder / name)

    def _models(self, quantization: str) -> dict[str, Any]:
        """Returns the `ModelT` of each part, each time new ones, to be changed."""
        if quantization not in self._converted:
            self._converted[quantization] = {
                part: converted(self._room / part, quantization, [*functions], self._stand_ins)
                for part, functions in self._frozen.items()
            }
        return {part: one.model() for part, one in self._converted[quantization].items()}

    def _make_int8(self, models: Mapping[str, Any], sources: Sequence[np.ndarray]) -> None:
        paths = {part: self._room / f"{part}.tflite" for part in (TRANSLATE, STEPS)}
        for part, path in paths.items():
            write_packed(models[part], path)
        measured = measured_ranges(paths[TRANSLATE], paths[STEPS], sources)
        words = target_vocabulary_size(self._prepared.model.decoder)
        int8_models([models[part] for part in self._frozen], measured, words)


def _saved(
    prepared: PreparedExport, lengths: Sequence[int], folder: Path, stand_ins: StandIns
) -> dict[str, dict[str, Any]]:
    """Saves the functions of each file, with their weights as constants; returns them by part."""
    with silence():
        signatures = prepared.fixed.over(_looked_up(prepared.fixed.models))
        steps = {name: _frozen(signatures, name, stand_ins) for name in ("encode", "decode_step")}
        searches = [name for name in signatures.functions if name not in steps]
        frozen = {TRANSLATE: _searches(signatures, searches, lengths, stand_ins), STEPS: steps}
        if prepared.litert_batch_size > 1:
            rows = prepared.litert_batch_size
            frozen[BATCH] = _searches(signatures, ["translate_greedy"], lengths, stand_ins, rows)
        for part, functions in frozen.items():
            tf.saved_model.save(tf.Module(), folder / part, signatures=functions)
    return frozen


def _searches(
    signatures: Signatures,
    names: Sequence[str],
    lengths: Sequence[int],
    stand_ins: StandIns,
    rows: int = 1,
) -> dict[str, Any]:
    """Returns each search for each source length, of so many sources at once."""
    prefix = "" if rows == 1 else f"{rows}x"
    return {
        f"{name}_{prefix}{length}": _frozen(
            _in_stages(signatures, length, max(lengths)), name, stand_ins, length, rows
        )
        for name in names
        for length in lengths
    }


def _looked_up(models: ExportedModels) -> ExportedModels:
    # Steps and searches read every weight in one layout, so the file holds it once.
    names = ("encoder", "decoder_step", "search_encoder", "search_step")
    return models.replaced(**dict.fromkeys(names, with_embedding_lookup))


def _in_stages(signatures: Signatures, source_length: int, longest: int) -> Signatures:
    first = first_cache_length(source_length, signatures.max_length)
    if first is None:
        return signatures
    # With a shortlist a loop reads more columns for longer sources, so that none is like another.
    # An encoder of one's own may give a memory that is shorter or longer than its source.
    encoded = signatures.models.search_encoder(keras.KerasTensor((1, source_length), "int32"))
    is_alike = "candidates" not in encoded and encoded["source_mask"].shape[-1] == source_length
    return signatures.with_short_caches(first, source_length=longest if is_alike else None)


def _frozen(
    signatures: Signatures,
    name: str,
    stand_ins: StandIns,
    source_length: int | None = None,
    rows: int = 1,
) -> Any:
    """Returns a function with its weights, or what stands for them, as constants.

    Given the variables of Keras 3, the converter writes a file without weights, which fails only
    when it runs.
    """
    specs = signatures.specs(name, batch_size=rows, source_length=source_length)
    function = getattr(signatures, name)
    if source_length is not None:
        memory = signatures.models.search_step.input.get("source_mask")
        is_padded = memory is not None and memory.shape[-1] is not None
        function = _plain_outputs(function, source_length if is_padded else None)

    def with_stand_ins(**tensors: Any) -> dict[str, Any]:
        return stand_ins.called_with(lambda: function(**tensors))

    concrete = tf.function(with_stand_ins, autograph=False).get_concrete_function(**specs)
    if not concrete.captured_inputs:
        return concrete
    # Of variables that belong to no layer of the model.
    constant = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    wrapped = tf.function(_named(constant, concrete.structured_outputs), autograph=False)
    return wrapped.get_concrete_function(**specs)


def _plain_outputs(
    function: Callable[..., dict[str, Any]], source_length: int | None
) -> Callable[..., dict[str, Any]]:
    """Returns a search with int32 in place of bool, which LiteRT in a browser cannot hand out.

    Attention is cut to a source that was padded; None if it was not.
    """

    def call(**tensors: Any) -> dict[str, Any]:
        outputs = function(**tensors)
        if "attention" in outputs:
            outputs["attention"] = outputs["attention"][..., :source_length]
        return {n: tf.cast(t, tf.int32) if t.dtype == tf.bool else t for n, t in outputs.items()}

    return call


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
