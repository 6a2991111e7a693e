"""A picture of which source token each target token looked at."""

import io
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_seq2seq.whole_file import whole_file


def draw_attention(
    weights: np.ndarray,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    path: str | pathlib.Path,
) -> None:
    """Draws attention weights as a heat map to a file, never half of it.

    Args:
        path: The .png file to write.
        The others are those of `attention_png`.
    Raises:
        As `attention_png`.
    """
    picture = attention_png(weights, source_tokens, target_tokens)
    with whole_file(path) as partial:
        partial.write_bytes(picture)


def attention_png(
    weights: np.ndarray, source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> bytes:
    """Returns attention weights as a heat map, a PNG picture.

    Args:
        weights: float, shape (target tokens, source tokens), 0 to 1; each row sums to 1.
        source_tokens: Names of the columns.
        target_tokens: Names of the rows.
    Raises:
        ValueError: If the names do not fit the weights.
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
        raise ImportError('Plots need matplotlib: pip install "keras_seq2seq[train]".') from None
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
