"""Inspects a .tflite file."""

import collections
from pathlib import Path

from keras_seq2seq.inspection.findings import Operator, Problem, Requirement, counted
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.inspection.litert_callers import callers
from keras_seq2seq.inspection.litert_model import (
    BUILTIN,
    FLEX,
    UNKNOWN,
    VERSION_METADATA,
    LiteRTModel,
)
from keras_seq2seq.inspection.not_finite import not_finite_problems

RUNTIME = "TensorFlow Lite (LiteRT)"
# TensorFlow's guide "Signatures in TensorFlow Lite": converters write them from 2.7.0 on.
SIGNATURES_SINCE = "2.7.0"
# The oldest that was seen to read constants after the flatbuffer; 2.7.0 ends there.
DATA_AFTER_SINCE = "2.14.0"


def inspect_litert(path: Path) -> Inspection:
    """Inspects a .tflite file through its schema, without loading the model.

    Args:
        path: The file.
    Raises:
        ImportError: If neither ai-edge-litert nor tensorflow is installed.
        ValueError: If the file is not a LiteRT model, or is cut short or damaged.
    """
    model = LiteRTModel(path)
    signatures = tuple(signature for signature, _ in model.signatures)
    operators = counted(collections.Counter(key for graph in model.operators for key in graph))
    stated = model.metadata.get(VERSION_METADATA, b"").rstrip(b"\0").decode("ascii", "replace")
    if stated and model.has_data_after:
        stated = max(stated, DATA_AFTER_SINCE, key=_numbers)
    requirement = _requirement(stated, len(signatures))
    return Inspection(
        path=str(path),
        format="litert",
        bytes=model.size,
        facts={
            "schema_version": model.schema_version,
            "description": model.description,
            "min_runtime_version": stated or None,
            "graphs": len(model.operators),
        },
        signatures=signatures or (model.main,),
        operators=operators,
        tensors=model.tensors,
        requirements=(requirement,),
        callers=callers(model, operators, requirement.oldest, stated or None),
        problems=(
            *not_finite_problems(model.tensors, of_graph=True),
            *(_problem(operator) for operator in operators if operator.domain != BUILTIN),
        ),
        notes=() if signatures else ("The file has no signatures: use its tensors by index.",),
    )


def _requirement(stated: str, signatures: int) -> Requirement:
    """Returns the oldest runtime, as stated by the converter from its operator versions."""
    if not stated:
        reason = (
            f"The metadata {VERSION_METADATA!r} is missing or empty; TensorFlow's converter fills "
            "it in from the versions of the builtin operators."
        )
        return Requirement(RUNTIME, None, reason)
    reason = f"The operators need {stated} according to the metadata {VERSION_METADATA!r}"
    oldest = stated
    if signatures > 1 and _numbers(stated) < _numbers(SIGNATURES_SINCE):
        reason += f"; calling one of several signatures needs {SIGNATURES_SINCE}"
        oldest = SIGNATURES_SINCE
    return Requirement(RUNTIME, oldest, f"{reason}.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _problem(operator: Operator) -> Problem:
    if operator.domain == FLEX:
        return Problem(
            operator.name,
            f"{operator.name} runs TensorFlow's own kernel, which the stock runtime lacks.",
            "Replace the layer by one with builtin operators, or ship the Flex delegate "
            "(tensorflow-lite-select-tf-ops).",
        )
    if operator.domain == UNKNOWN:
        return Problem(
            operator.name,
            f"{operator.name} is not in the schema installed here.",
            "Update ai-edge-litert, and the runtime that loads the file.",
        )
    return Problem(
        operator.name,
        f"{operator.name} is a custom operator, which the stock runtime lacks.",
        "Register its kernel with the interpreter, or replace the layer that needs it.",
    )
