"""Checks that LiteRT files use only operators of the stock runtime."""

from pathlib import Path
from typing import Any

from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.file_formats.litert_schema import litert_schema

BUILTIN_ONLY = "A LiteRT file must use builtin operators only; replace the layers that need others."


def check_builtin_only(content: Any, path: Path) -> None:
    """Checks that the stock LiteRT runtime can run a file, with no Flex or custom operator.

    Args:
        content: The .tflite file, or its tables (`ModelT`).
        path: Path of the file, for the error.
    Raises:
        ValueError: If it cannot; names the operators.
    """
    custom = litert_schema().BuiltinOperator.CUSTOM
    model = unpacked(content) if isinstance(content, bytes) else content
    codes = model.operatorCodes
    foreign = {code.customCode.decode() for code in codes if code.builtinCode == custom}
    if foreign:
        raise ValueError(f"{BUILTIN_ONLY} Received: {path} with {', '.join(sorted(foreign))}.")
