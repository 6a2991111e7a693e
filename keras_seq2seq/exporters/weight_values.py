"""Checks that the numbers of a model's weights fit into the files of an export."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

LARGEST_HALF = float(np.finfo("float16").max)
LISTED = 10


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
        values = np.asarray(keras.ops.convert_to_numpy(weight)).astype("float32", copy=False)
        if not np.isfinite(values).all():
            not_finite.append(f"{weight.path} ({np.sum(~np.isfinite(values))} of {values.size})")
        elif np.abs(values).max(initial=0) > LARGEST_HALF:
            too_large.append(f"{weight.path} (to {np.abs(values).max():.3g})")
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


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
