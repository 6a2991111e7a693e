"""Reads which operators a .tflite file needs, without running it."""

import collections
from collections.abc import Iterable
from pathlib import Path

from keras_seq2seq.inspection.litert_model import BUILTIN, LiteRTModel, OperatorKey

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
        ValueError: If the file is not a whole LiteRT model.
    """
    return _counts(key for graph in LiteRTModel(path).operators for key in graph)


def signature_operators(path: Path) -> dict[str, dict[str, int]]:
    """Counts the operators of each signature's own subgraph, without those of loop bodies.

    Args:
        path: The .tflite file.
    Returns:
        What `litert_operators` returns, by signature.
    """
    model = LiteRTModel(path)
    return {
        signature.name: _counts(model.operators[graph]) for signature, graph in model.signatures
    }


def check_builtin_only(path: Path) -> None:
    """Checks that the stock LiteRT runtime can run a file, with no Flex or custom operator.

    Raises:
        ValueError: If it cannot; names the operators.
    """
    keys = {key for graph in LiteRTModel(path).operators for key in graph}
    if foreign := sorted({name for domain, name, _ in keys if domain != BUILTIN}):
        raise ValueError(f"{BUILTIN_ONLY} Received: {path} with {', '.join(foreign)}.")


def _counts(keys: Iterable[OperatorKey]) -> dict[str, int]:
    return dict(sorted(collections.Counter(name for _, name, _ in keys).items()))
