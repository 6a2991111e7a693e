"""Reads which operators a .tflite file needs, without running it."""

import collections
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

CUSTOM = "CUSTOM"
IDENTIFIER = b"TFL3"
BUILTIN_ONLY = (
    "A LiteRT file must need builtin operators only; replace the layers that need others."
)


def litert_operators(path: Path) -> dict[str, int]:
    """Counts the operators of a .tflite file over all its subgraphs.

    Args:
        path: The file.
    Returns:
        Number of uses by name, sorted by name. A builtin operator has its name in the schema,
        such as "FULLY_CONNECTED"; any other has its custom code, such as "FlexRoll".
    Raises:
        ImportError: If neither ai-edge-litert nor tensorflow is installed.
        ValueError: If the file is not a LiteRT model.
    """
    model = _read(path)
    return _counts(model, range(model.SubgraphsLength()))


def signature_operators(path: Path) -> dict[str, dict[str, int]]:
    """Counts the operators of each signature's own subgraph, without those of loop bodies.

    Args:
        path: The .tflite file.
    Returns:
        What `litert_operators` returns, by signature.
    """
    model = _read(path)
    definitions = map(model.SignatureDefs, range(model.SignatureDefsLength()))
    return {
        definition.SignatureKey().decode(): _counts(model, [definition.SubgraphIndex()])
        for definition in definitions
    }


def check_builtin_only(path: Path) -> None:
    """Checks that the stock LiteRT runtime can run a file, with no Flex or custom operator.

    Raises:
        ValueError: If it cannot; names the operators.
    """
    builtin = set(_builtin_names().values()) - {CUSTOM}
    if foreign := sorted(set(litert_operators(path)) - builtin):
        raise ValueError(f"{BUILTIN_ONLY} Received: {path} with {', '.join(foreign)}.")


def _read(path: Path) -> Any:
    content = Path(path).read_bytes()
    if content[4:8] != IDENTIFIER:
        raise ValueError(f"A LiteRT file must bear {IDENTIFIER!r} at byte 4. Received: {path}.")
    return _schema().Model.GetRootAs(content)


def _counts(model: Any, subgraphs: Iterable[int]) -> dict[str, int]:
    names = _operator_names(model)
    counts: collections.Counter[str] = collections.Counter()
    for graph in map(model.Subgraphs, subgraphs):
        operators = map(graph.Operators, range(graph.OperatorsLength()))
        counts.update(names[operator.OpcodeIndex()] for operator in operators)
    return dict(sorted(counts.items()))


def _operator_names(model: Any) -> list[str]:
    builtin, names = _builtin_names(), []
    for code in map(model.OperatorCodes, range(model.OperatorCodesLength())):
        # The rule of the schema: small codes may stand in the deprecated byte alone.
        name = builtin[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        custom = code.CustomCode() if name == CUSTOM else None
        names.append(custom.decode() if custom else name)
    return names


def _builtin_names() -> dict[int, str]:
    constants = vars(_schema().BuiltinOperator).items()
    return {value: name for name, value in constants if isinstance(value, int)}


def _schema() -> ModuleType:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        try:
            from tensorflow.lite.python import schema_py_generated
        except ImportError as error:
            raise ImportError(
                "Reading a LiteRT file needs its schema: `pip install "
                f'"keras_seq2seq[litert]"`. Received: {error}.'
            ) from error
    return schema_py_generated
