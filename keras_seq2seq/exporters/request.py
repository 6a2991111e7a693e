"""What an export is asked for, checked before anything is written."""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from keras_seq2seq.bundles.bundle import MANIFEST_FILE
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategy import BeamSearch
from keras_seq2seq.seq2seq import Seq2Seq
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.verification.quality_gate import Gate

FORMATS = ("saved_model", "litert", "onnx")
TEXT_EXTRA = "onnx-text"
NEEDED = {
    "saved_model": ("tensorflow_text",),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    TEXT_EXTRA: ("onnxruntime_extensions",),
}
# What each format can be beside float32.
QUANTIZATIONS = {
    "saved_model": (),
    "litert": ("float16", "dynamic_int8", "int8"),
    "onnx": ("float16", "dynamic_int8"),
}


@dataclasses.dataclass(frozen=True)
class Request:
    """A checked request.

    Args:
        tokenizers: Those of the model.
        formats: Which to write.
        quantizations: What to write beside float32, where a format can be that.
        max_length: int > 0. Longest translation in tokens.
        beam: The beam search inside the files, or None.
        shortlist: What their searches choose from, or None.
        text_onnx: Write the ONNX file from text to text.
        gate: What quantised files have to keep, or None.
    """

    tokenizers: TokenizerPair
    formats: tuple[str, ...]
    quantizations: tuple[str, ...]
    max_length: int
    beam: BeamSearch | None
    shortlist: Shortlist | None
    text_onnx: bool
    gate: Gate | None

    def quantizations_of(self, name: str) -> list[str]:
        """Returns what a format is written as, float32 first."""
        return ["float32", *(q for q in self.quantizations if q in QUANTIZATIONS[name])]


def check(
    model: Seq2Seq,
    output_dir: pathlib.Path,
    *,
    formats: Sequence[str],
    quantization: str | Sequence[str],
    max_length: int | None,
    beam: BeamSearch | None,
    shortlist: Shortlist | None,
    text_onnx: bool,
    gate: dict[str, Any] | None,
    sentences: Sequence[str] | None,
    force: bool,
) -> Request:
    """Checks all that can be known before writing.

    Args:
        gate: Arguments of `Gate`, or None; the others are those of `export`.
    Raises:
        ValueError, ImportError, FileExistsError: As of `export`.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export needs the TensorFlow backend; load the .keras file with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()!r}."
        )
    quantizations = [quantization] if isinstance(quantization, str) else list(quantization)
    wanted = tuple(name for name in quantizations if name != "float32")
    faults = [*_format_faults(formats), *_quantization_faults(formats, wanted)]
    if "int8" in wanted and not sentences:
        faults.append(
            "`quantization` 'int8' measures its scales on `sentences`; pass some of the corpus. "
            f"Received: {sentences}."
        )
    if model.tokenizers is None:
        faults.append("`model.tokenizers` must be set: a bundle holds them. Received: None.")
    if max_length is None:
        max_length = model.config.max_length if model.config else 0
    if max_length < 1:
        faults.append(f"`max_length` must be at least 1; pass it. Received: {max_length}.")
    try:
        model.check_max_length(max_length)
    except ValueError as error:
        faults.append(str(error))
    if beam is not None:
        try:
            beam.forbidden(model.decoder.output["logits"].shape[-1])
        except ValueError as error:
            faults.append(str(error))
    faults += _shortlist_faults(model, shortlist)
    if text_onnx and "onnx" not in formats:
        faults.append(f'`text_onnx` needs the format "onnx". Received: formats={formats}.')
    checked = None
    if gate is not None:
        try:
            checked = Gate(**gate)
        except ValueError as error:
            faults.append(str(error))
    if faults or model.tokenizers is None:
        raise ValueError("Cannot export:\n- " + "\n- ".join(faults))
    _check_packages([*formats, *([TEXT_EXTRA] if text_onnx else [])])
    _check_folder(output_dir, force)
    return Request(
        model.tokenizers, tuple(formats), wanted, max_length, beam, shortlist, text_onnx, checked
    )


def _format_faults(formats: Sequence[str]) -> list[str]:
    faults = []
    if unknown := [name for name in formats if name not in FORMATS]:
        faults.append(f"`formats` must be of {FORMATS}. Received: {unknown}.")
    if not formats or len(set(formats)) != len(formats):
        faults.append(f"`formats` must name each once, and at least one. Received: {formats}.")
    return faults


def _shortlist_faults(model: Seq2Seq, shortlist: Shortlist | None) -> list[str]:
    if shortlist is None:
        return []
    if model.config is None:
        return ["`shortlist` needs a model that a config describes. Received: custom parts."]
    sizes = model.config.source_vocabulary_size, model.config.target_vocabulary_size
    try:
        shortlist.check_vocabularies(*sizes)
    except ValueError as error:
        return [str(error)]
    return []


def _quantization_faults(formats: Sequence[str], wanted: Sequence[str]) -> list[str]:
    known = tuple(dict.fromkeys(name for names in QUANTIZATIONS.values() for name in names))
    if unknown := [name for name in wanted if name not in known]:
        return [f"`quantization` must be of {('float32', *known)}. Received: {unknown}."]
    return []


def _check_packages(extras: Sequence[str]) -> None:
    missing = {
        name: [p for p in NEEDED[name] if importlib.util.find_spec(p) is None] for name in extras
    }
    if lacking := {name: packages for name, packages in missing.items() if packages}:
        raise ImportError(
            f"These formats lack packages: {lacking}. Install them: pip install "
            f'"keras_seq2seq[{",".join(lacking)}]".'
        )


def _check_folder(output_dir: pathlib.Path, force: bool) -> None:
    if output_dir.exists():
        replaceable = (output_dir / MANIFEST_FILE).is_file()
        if not (force and replaceable):
            remedy = "pass force=True (--force) to replace it" if replaceable else "name another"
            raise FileExistsError(
                f"`output_dir` must be new. Received: {output_dir}, which exists; {remedy}."
            )
