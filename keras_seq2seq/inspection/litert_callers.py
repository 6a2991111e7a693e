"""Tells which APIs of phones and browsers take a .tflite file."""

from collections.abc import Iterable, Iterator, Sequence

from keras_seq2seq.inspection.findings import Caller, Operator, Signature, TensorSpec
from keras_seq2seq.inspection.litert_2_17 import NEWEST_VERSIONS
from keras_seq2seq.inspection.litert_model import BUILTIN, LiteRTModel

INTERPRETER = "Interpreter, by signature"
SWIFT = "TensorFlowLiteSwift 2.17 (iOS)"
COMPILED_MODEL = "CompiledModel"
LITERT_JS = "LiteRT.js"
WITHOUT_SIGNATURES = "callers without signatures"
# The oldest releases that were run: `tests/mobile/runtimes.py` runs them again.
TFLITE, OF_IOS, LITERT = "TensorFlow Lite", "TensorFlowLiteSwift", "ai-edge-litert"
JAVASCRIPT = "@litertjs/core"
OLDEST_SWIFT, OLDEST_COMPILED_MODEL, OLDEST_JAVASCRIPT = "2.17.0", "1.3.0", "2.0.0"
ANDROID_HAS_IT = "Android has it from com.google.ai.edge.litert 2.0.3 on"  # Google's table
# Its XNNPACK takes the second matrix for weights, whose 0 is at 0. An export of today is made so.
WRONG_FACTORS = "TensorFlow 2.21 with XNNPACK computes it wrongly; export again"
# Such as the bias of the logits behind a shortlist. An export of today reads floats.
ROUNDED_VECTORS = "numbers are looked up in 8 bits, which may give other words; export again"
# What LiteRT.js hands out as typed arrays, and the cases of `Tensor.DataType` in Swift.
OF_JAVASCRIPT = frozenset(("float32", "int32", "uint8"))
OF_SWIFT = frozenset(
    ("bool", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"),
)


def callers(
    model: LiteRTModel, operators: Sequence[Operator], oldest: str | None, stated: str | None
) -> tuple[Caller, ...]:
    """Returns for each API whether it takes a file, and from which release on.

    Args:
        model: The file.
        operators: Its operators.
        oldest: The oldest TensorFlow Lite that runs its signatures; None if that is not known.
        stated: The same for a caller that needs no signatures.
    """
    signatures = [signature for signature, _ in model.signatures]
    offered = signatures or [model.main]
    first = next((one for one, graph in model.signatures if graph == 0), model.main)
    foreign = [f"{o.name} is no builtin operator" for o in operators if o.domain != BUILTIN]
    newer = list(_newer_operators(operators))
    after = ["its weights lie after the flatbuffer"] if model.has_data_after else []
    unsigned = [] if signatures else ["it has no signatures"]
    why_not = {
        INTERPRETER: [*foreign, *unsigned],
        SWIFT: [*foreign, *newer, *after, *_other_dtypes(offered, OF_SWIFT)],
        COMPILED_MODEL: [*foreign, *_open_shapes(offered)],
        LITERT_JS: [
            *foreign,
            *after,
            *_other_dtypes(offered, OF_JAVASCRIPT),
            *_open_shapes(offered),
        ],
        WITHOUT_SIGNATURES: [*foreign, *_open_shapes([first])],
    }
    since = {
        INTERPRETER: (TFLITE, oldest),
        SWIFT: (OF_IOS, OLDEST_SWIFT),
        COMPILED_MODEL: (LITERT, OLDEST_COMPILED_MODEL),
        LITERT_JS: (JAVASCRIPT, OLDEST_JAVASCRIPT),
        WITHOUT_SIGNATURES: (TFLITE, stated),
    }
    hints = {
        INTERPRETER: WRONG_FACTORS if model.has_shifted_factors else "",
        COMPILED_MODEL: ANDROID_HAS_IT,
        WITHOUT_SIGNATURES: f"they reach the first subgraph alone: {_shown(first)}",
    }
    if model.has_rounded_vectors:
        hints = dict.fromkeys(why_not, ROUNDED_VECTORS)
    return tuple(
        Caller(name, False, since[name][0], None, reasons[0] + _more(reasons))
        if reasons
        else Caller(name, True, *since[name], hints.get(name, ""))
        for name, reasons in why_not.items()
    )


def _newer_operators(operators: Iterable[Operator]) -> Iterator[str]:
    for operator in operators:
        known = NEWEST_VERSIONS.get(operator.name)
        if operator.domain == BUILTIN and (known is None or (operator.version or 1) > known):
            has = f"it has up to {known}" if known else "it has none"
            yield f"{operator.name} is of version {operator.version}, {has}"


def _open_shapes(signatures: Iterable[Signature]) -> Iterator[str]:
    for signature, tensor in _borders(signatures):
        if tensor.shape is None or None in tensor.shape:
            yield f"{tensor.name} of {signature.name} has an open shape"


def _other_dtypes(signatures: Iterable[Signature], accepted: frozenset[str]) -> Iterator[str]:
    for signature, tensor in _borders(signatures):
        if tensor.dtype not in accepted:
            yield f"{tensor.name} of {signature.name} is {tensor.dtype}"


def _borders(signatures: Iterable[Signature]) -> Iterator[tuple[Signature, TensorSpec]]:
    for signature in signatures:
        for tensor in (*signature.inputs, *signature.outputs):
            yield signature, tensor


def _more(reasons: Sequence[str]) -> str:
    return f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""


def _shown(signature: Signature) -> str:
    return f"{signature.name}({', '.join(tensor.name for tensor in signature.inputs)})"
