"""The request of an export, checked before anything is written."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_seq2seq.bundles.manifest import MANIFEST_FILE
from keras_seq2seq.bundles.whole_folder import check_utf8
from keras_seq2seq.exporters.onnx.opsets import opset_errors
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.weight_values import weight_errors
from keras_seq2seq.formats import EXACT, EXPORTED, FORMATS, QUANTIZATIONS
from keras_seq2seq.installed import missing_package, missing_packages
from keras_seq2seq.models.contract import target_vocabulary_size
from keras_seq2seq.models.layer_changes import quantizations
from keras_seq2seq.text.languages import language_errors
from keras_seq2seq.verification.quality_gate import Gate

FLOAT_BYTES = 4
LARGEST_ONNX_FILE = 2**31 - 2**24  # room for the graph beside the weights
TEXT_EXTRA, TEXT_PACKAGES = "onnx-text", ("onnxruntime_extensions",)


@dataclasses.dataclass(frozen=True)
class ExportRequest:
    """A checked request of an export.

    Args:
        prepared: The model with everything that goes into its files.
        formats: Formats to write.
        quantizations: Weight formats besides float32, for the formats that have them.
        gate: How much quality quantised files may lose.
    """

    prepared: PreparedExport
    formats: tuple[str, ...]
    quantizations: tuple[str, ...]
    gate: Gate


def check(
    prepared: PreparedExport,
    output_dir: pathlib.Path,
    *,
    formats: Sequence[str],
    quantization: str | Sequence[str],
    gate: Gate | None,
    gate_options: Mapping[str, Any],
    force: bool,
) -> ExportRequest:
    """Checks everything that can be checked before writing.

    Args:
        prepared: What to write; its `max_length` is 0 if the model does not define one.
        The others: See `export`.
    Raises:
        ValueError, ImportError, FileExistsError: See `export`.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export needs the TensorFlow backend; load the .keras file with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()!r}."
        )
    quantizations = [quantization] if isinstance(quantization, str) else list(quantization)
    errors = [
        *_format_errors(formats),
        *_quantization_errors(quantizations, prepared.sentences),
        *_model_errors(prepared),
        *weight_errors(prepared.model.weights, formats, quantizations),
        *_size_errors(prepared, formats),
    ]
    if prepared.text_onnx and "onnx" not in formats:
        errors.append(f'`text_onnx` needs the format "onnx". Received: formats={formats}.')
    errors += opset_errors(prepared.onnx_opset)
    judged_by = Gate()
    try:
        judged_by = Gate.from_options(gate, gate_options)
    except ValueError as error:
        errors.append(str(error))
    if errors:
        raise ValueError("Cannot export:\n- " + "\n- ".join(errors))
    for name in formats:
        FORMATS[name].check_installed()
    if prepared.text_onnx and (missing := missing_packages(TEXT_PACKAGES)):
        raise missing_package(f"`text_onnx` needs {', '.join(missing)}", TEXT_EXTRA)
    judged_by.check_installed()
    _check_folder(output_dir, force)
    wanted = tuple(name for name in quantizations if name != EXACT)
    return ExportRequest(prepared, tuple(formats), wanted, judged_by)


def _format_errors(formats: Sequence[str]) -> list[str]:
    errors = []
    if unknown := [name for name in formats if name not in EXPORTED]:
        errors.append(f"`formats` must be among {EXPORTED}. Received: {unknown}.")
    if not formats or len(set(formats)) != len(formats):
        errors.append(f"`formats` must name at least one, each only once. Received: {formats}.")
    return errors


def _quantization_errors(quantizations: Sequence[str], sentences: Sequence[str]) -> list[str]:
    if unknown := [name for name in quantizations if name not in QUANTIZATIONS]:
        return [f"`quantization` must be among {QUANTIZATIONS}. Received: {unknown}."]
    if "int8" in quantizations and not sentences:
        return [
            "`quantization` 'int8' measures its scales on `sentences`; pass some of the corpus. "
            f"Received: {sentences}."
        ]
    return []


def _model_errors(prepared: PreparedExport) -> list[str]:
    """Returns the errors that keep a model, its searches and its shortlist from being exported."""
    model, checks = prepared.model, []
    if model.tokenizers is None:
        checks.append(
            "The model must have its tokenizers: a bundle holds them. Received: None; set "
            "`model.tokenizers = TokenizerPair(...)`, and save the model if its file is exported."
        )
    if modes := sorted({m for part in (model.encoder, model.decoder) for m in quantizations(part)}):
        checks.append(
            "`model` must have float weights: its files are quantised by `quantization`. Received: "
            f"a model that Keras quantized to {', '.join(modes)}; export it as it was before."
        )
    if prepared.max_length < 1:
        checks.append(f"`max_length` must be at least 1; pass it. Received: {prepared.max_length}.")
    checks += _source_length_errors(prepared)
    if (rows := prepared.litert_batch_size) < 1:
        checks.append(f"`litert_batch_size` must be at least 1. Received: {rows}.")
    if prepared.languages is not None:
        checks += language_errors(prepared.languages, "`languages`")
    if prepared.shortlist is not None and model.config is None:
        checks.append("`shortlist` needs a model that a config describes. Received: custom parts.")
    for check_part in (_check_length, _check_beam, _check_shortlist):
        try:
            check_part(prepared)
        except ValueError as error:
            checks.append(str(error))
    return checks


def _source_length_errors(prepared: PreparedExport) -> list[str]:
    if (longest := prepared.max_source_length) is None:
        return []
    if longest < 1:
        return [f"`max_source_length` must be at least 1. Received: {longest}."]
    config = prepared.model.config
    limit = None if config is None else config.longest_source
    if limit is not None and longest > limit:
        return [
            f"`max_source_length` must be at most {limit}, the learned positions of the model. "
            f"Received: {longest}."
        ]
    return []


def _size_errors(prepared: PreparedExport, formats: Sequence[str]) -> list[str]:
    """Returns the errors of files that would be larger than their format can be."""
    if "onnx" not in formats or not prepared.onnx_single_files:
        return []
    weights = {id(weight): weight for weight in prepared.model.weights}.values()
    size = sum(FLOAT_BYTES * math.prod(weight.shape) for weight in weights)
    if size <= LARGEST_ONNX_FILE:
        return []
    return [
        "`onnx_single_files` (--onnx-single-files) needs weights below 2 GB, the limit of a file "
        f"of protobuf; leave it out. Received: a model with {size / 1e9:.2f} GB in float32."
    ]


def _check_length(prepared: PreparedExport) -> None:
    prepared.model.check_max_length(prepared.max_length)


def _check_beam(prepared: PreparedExport) -> None:
    if prepared.beam is not None:
        prepared.beam.forbidden(target_vocabulary_size(prepared.model.decoder))


def _check_shortlist(prepared: PreparedExport) -> None:
    config = prepared.model.config
    if prepared.shortlist is not None and config is not None:
        sizes = config.source_vocabulary_size, config.target_vocabulary_size
        prepared.shortlist.check_vocabularies(*sizes)


def _check_folder(output_dir: pathlib.Path, force: bool) -> None:
    check_utf8(output_dir, "`output_dir`")
    if output_dir.is_mount():
        raise FileExistsError(
            "`output_dir` must not be a mounted folder, which cannot be renamed. "
            f"Received: {output_dir}; name a new folder in it."
        )
    if output_dir.exists():
        replaceable = (output_dir / MANIFEST_FILE).is_file()
        if not (force and replaceable):
            remedy = "pass force=True (--force) to replace it" if replaceable else "name another"
            raise FileExistsError(
                f"`output_dir` must be new. Received: {output_dir}, which exists; {remedy}."
            )
