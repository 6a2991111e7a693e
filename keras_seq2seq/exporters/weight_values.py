"""Checks that the numbers of a model's weights fit into the files of an export."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_seq2seq.exporters.outside_weights import numbers_of

LARGEST_HALF = float(np.finfo("float16").max)
LISTED = 10
PART = 1 << 20  # numbers that are looked at at a time


def weight_errors(
    weights: Iterable[Any], formats: Sequence[str], quantizations: Sequence[str]
) -> list[str]:
    """Returns what is wrong with the numbers of weights, naming the weights.

    NaN and infinity fit into no file. LiteRT's converter stores what float16 cannot hold as the
    greatest number that it can; ONNX files keep such a weight in float32.

    Args:
        weights: Variables of a model.
        formats: Formats to write.
        quantizations: Weight formats to write.
    """
    not_finite, too_large = [], []
    for weight in weights:
        values = _numbers(weight)
        bad, highest = 0, 0.0
        # Some rows at a time: a table may be as large as all other weights.
        for start in range(
            0, len(values), step := max(1, PART * len(values) // max(1, values.size))
        ):
            part = values[start : start + step]
            bad += int(np.sum(~np.isfinite(part)))
            highest = max(highest, float(np.abs(part).max(initial=0)))
        if bad:
            not_finite.append(f"{weight.path} ({bad} of {values.size})")
        elif highest > LARGEST_HALF:
            too_large.append(f"{weight.path} (to {highest:.3g})")
    errors = []
    if not_finite:
        errors.append(
            "Weights must be finite; load a model from before the training diverged. "
            f"Received: NaN or infinity in {_listed(not_finite)}."
        )
    if too_large and "litert" in formats and "float16" in quantizations:
        errors.append(
            f"Weights of a LiteRT file in float16 must be within {LARGEST_HALF:g}; leave out "
            f"'float16', or export it for 'onnx' alone. Received: {_listed(too_large)}."
        )
    return errors


def _numbers(weight: Any) -> np.ndarray:
    """Returns the numbers of a variable in float32, at least one row of them."""
    is_float32 = str(weight.dtype) == "float32" and hasattr(weight.value, "read_value")
    values = numbers_of(weight) if is_float32 else keras.ops.convert_to_numpy(weight)
    return np.atleast_1d(np.asarray(values).astype("float32", copy=False))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
