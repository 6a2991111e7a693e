"""Draws a heat map of which source tokens each target token attends to."""

import io
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_seq2seq.installed import missing_package
from keras_seq2seq.whole_file import whole_file


def draw_attention(
    weights: np.ndarray,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    path: str | pathlib.Path,
) -> None:
    """Draws attention weights as a heat map into a file, which is never incomplete.

    Args:
        weights, source_tokens, target_tokens: As for `attention_png`.
        path: The .png file to write.
    Raises:
        As `attention_png`.
    """
    picture = attention_png(weights, source_tokens, target_tokens)
    with whole_file(path) as partial:
        partial.write_bytes(picture)


def attention_png(
    weights: np.ndarray, source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> bytes:
    """Draws attention weights as a heat map and returns it as the bytes of a PNG picture.

    Args:
        weights: float, shape (target tokens, source tokens), 0 to 1; each row sums to 1.
        source_tokens: Names of the columns.
        target_tokens: Names of the rows.
    Raises:
        ValueError: If the number of names does not match the shape of the weights.
        ImportError: If matplotlib is not installed.
    """
    shape = (len(target_tokens), len(source_tokens))
    if weights.shape != shape:
        raise ValueError(
            "`weights` must have a row for each target token and a column for each source token. "
            f"Received: weights of shape {weights.shape}, tokens for {shape}."
        )
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_package("Plots need matplotlib", "train") from None
    figure = Figure(figsize=(2 + 0.5 * shape[1], 1.5 + 0.4 * shape[0]), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(shape[1]), source_tokens, rotation=45, ha="right")
    axes.set_yticks(range(shape[0]), target_tokens)
    axes.set(xlabel="source", ylabel="translation")
    figure.colorbar(image, label="attention weight")
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, format="png")
    return picture.getvalue()
