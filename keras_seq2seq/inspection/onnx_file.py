"""Inspects an .onnx file."""

import collections
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from keras_seq2seq.file_formats.onnx_graph import nodes
from keras_seq2seq.inspection.findings import (
    Operator,
    Problem,
    Requirement,
    Signature,
    TensorSpec,
    counted,
)
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.inspection.not_finite import not_finite_problems
from keras_seq2seq.inspection.onnx_tensors import (
    dtype_name,
    external_files,
    stored_tensors,
    with_scales,
)
from keras_seq2seq.inspection.onnx_versions import ML, OLDEST_OPSET, ONNX, oldest_onnxruntime
from keras_seq2seq.installed import missing_package

MICROSOFT = "com.microsoft"
EXTENSIONS = ("ai.onnx.contrib", "com.microsoft.extensions")
TRAINING = ("ai.onnx.training", "ai.onnx.preview.training")
ONLY_ONNXRUNTIME = (
    f"Operators of {MICROSOFT} are in the stock onnxruntime (Python, Node, web) and in no other "
    "ONNX runtime. The compatibility table does not say since which release."
)


def inspect_onnx(path: Path) -> Inspection:
    """Inspects an .onnx file without reading its external weight files.

    Args:
        path: The file.
    Raises:
        ImportError: If onnx is not installed.
        ValueError: If the file is not an ONNX model, or is cut short or damaged.
    """
    onnx = _onnx()
    model = _read(onnx, path)
    try:
        return _inspected(onnx, model, path)
    # protobuf gives a name that is not UTF-8 as bytes.
    except (ValueError, TypeError) as error:
        raise ValueError(
            "An ONNX file must be complete, with tensors of the sizes they state. "
            f"Received: {path}: {error}; export or copy it again."
        ) from None


def _inspected(onnx: ModuleType, model: Any, path: Path) -> Inspection:
    opsets = {_text(entry.domain) or ONNX: entry.version for entry in model.opset_import}
    bodies = [model.graph, *model.functions]
    own = {(_text(function.domain), _text(function.name)) for function in model.functions}
    stored = list(stored_tensors(bodies))
    tensors = tuple(with_scales([tensor for _, tensor in stored]))
    beside, faults = external_files((tensor for tensor, _ in stored), path.parent)
    operators = counted(collections.Counter(_keys(bodies, opsets)))
    foreign = [operator for operator in operators if (operator.domain, operator.name) not in own]
    oldest, reason = oldest_onnxruntime(opsets, model.ir_version)
    return Inspection(
        path=str(path),
        format="onnx",
        bytes=path.stat().st_size + beside,
        facts={
            "ir_version": model.ir_version,
            "opsets": opsets,
            "producer": f"{_text(model.producer_name)} {_text(model.producer_version)}".strip(),
            "functions": sorted(":".join(key) for key in own),
        },
        signatures=(_signature(model.graph),),
        operators=operators,
        tensors=tensors,
        requirements=(Requirement("onnxruntime", oldest, reason),),
        problems=(
            *faults,
            *not_finite_problems(tensors, of_graph=True),
            *_problems(onnx, foreign, opsets),
        ),
        notes=(ONLY_ONNXRUNTIME,) if any(o.domain == MICROSOFT for o in foreign) else (),
    )


def _read(onnx: ModuleType, path: Path) -> Any:
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise ValueError(
            f"An ONNX file must be a complete protobuf message. Received: {path}: {error}."
        ) from None
    if not (model.ir_version and model.opset_import and model.graph.output):
        raise ValueError(
            "An ONNX file must hold an IR version, opsets and a graph with outputs. "
            f"Received: {path}, which lacks one of them; it is cut short or in another format."
        )
    return model


def _signature(graph: Any) -> Signature:
    stored = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_spec(value) for value in graph.input if value.name not in stored)
    return Signature(_text(graph.name) or "main", inputs, tuple(map(_spec, graph.output)))


def _spec(value: Any) -> TensorSpec:
    name, kind = _text(value.name), value.type.WhichOneof("value")
    if kind != "tensor_type":
        return TensorSpec(name, (kind or "unknown").removesuffix("_type"), None)
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        sizes = tensor.shape.dim
        shape = tuple(size.dim_value if size.HasField("dim_value") else None for size in sizes)
    return TensorSpec(name, dtype_name(tensor.elem_type), shape)


def _keys(bodies: list[Any], opsets: dict[str, int]) -> Iterator[tuple[str, str, int | None]]:
    for body in bodies:
        for node in nodes(body):
            domain = _text(node.domain) or ONNX
            yield domain, _text(node.op_type), opsets.get(domain)


def _text(given: str | bytes) -> str:
    if isinstance(given, bytes):
        raise ValueError(f"a name is not UTF-8: {given!r}")
    return given


def _problems(
    onnx: ModuleType, operators: list[Operator], opsets: dict[str, int]
) -> Iterator[Problem]:
    """Yields why the stock onnxruntime rejects operators that the file does not define."""
    if opsets.get(ONNX, OLDEST_OPSET) < OLDEST_OPSET:
        message = f"onnxruntime loads opset {OLDEST_OPSET} and above. Received: {opsets[ONNX]}."
        yield Problem(None, message, "Convert the file with onnx.version_converter.")
    contrib = _microsoft_operators()
    for operator in operators:
        domain, name = operator.domain, operator.name
        if domain in (ONNX, ML):
            yield from _unknown(onnx, domain, name, opsets.get(domain))
        elif domain == MICROSOFT and contrib is not None and name not in contrib:
            message = f"{domain}:{name} is unknown to the onnxruntime installed here."
            yield Problem(name, message, "Update onnxruntime, here and wherever the file is used.")
        elif domain in EXTENSIONS:
            message = f"{domain}:{name} is not in the stock onnxruntime."
            yield Problem(name, message, "Register the library of onnxruntime-extensions.")
        elif domain != MICROSOFT and domain not in TRAINING:
            message = f"{domain}:{name} is in a domain that the stock onnxruntime lacks."
            remedy = "Register a library of custom operators, or replace the layer that needs it."
            yield Problem(name, message, remedy)


def _unknown(onnx: ModuleType, domain: str, name: str, version: int | None) -> Iterator[Problem]:
    """Yields a problem if ONNX does not define an operator at the opset of the file."""
    spelled = "" if domain == ONNX else domain
    if version is None:
        message = f"{domain}:{name} is used, but the file imports no opset of {domain}."
        yield Problem(name, message, "Export the file again.")
    elif version <= onnx.defs.onnx_opset_version() or domain == ML:
        try:
            deprecated = onnx.defs.get_schema(name, version, spelled).deprecated
        except onnx.defs.SchemaError:
            message = f"{domain} has no operator {name} at opset {version}."
            yield Problem(name, message, "Export with an opset that has it, or replace it.")
            return
        if deprecated:
            message = f"{domain} has removed the operator {name} at opset {version}."
            yield Problem(name, message, "Export again with its replacement.")


def _microsoft_operators() -> set[str] | None:
    """Returns the com.microsoft operators of the installed onnxruntime; None without one."""
    try:
        from onnxruntime.capi import onnxruntime_pybind11_state as native
    except ImportError:
        return None
    return {
        schema.name for schema in native.get_all_operator_schema() if schema.domain == MICROSOFT
    }


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise missing_package("Reading an ONNX file needs onnx", "onnx", error) from error
    return onnx
