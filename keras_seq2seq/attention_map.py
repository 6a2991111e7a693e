"""Draws a heat map of which source words each word of a translation attends to."""

import math
import pathlib
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_seq2seq.pictures.figure import fonts_for, new_figure, png
from keras_seq2seq.text.pieces import END_NAME, readable_words
from keras_seq2seq.text.printable import printable
from keras_seq2seq.whole_file import whole_file

# Shares below it are left out of the cells, which the colour tells well enough.
LEAST_WRITTEN = 5  # per cent
# Columns up to which a cell has room for its number.
MOST_WRITTEN = 24
# Columns up to which a small picture has room for turned names.
MOST_SMALL = 12
CELL = 0.5, 0.36  # inches


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
    weights: np.ndarray,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    *,
    width: float | None = None,
) -> bytes:
    """Draws attention weights as a heat map and returns it as the bytes of a PNG picture.

    Pieces of a tokenizer are joined to words: a cell shows the share of the attention of a word,
    the mean over its pieces, that goes to all pieces of a source word.

    Args:
        weights: float, shape (target tokens, source tokens), 0 to 1; each row sums to 1.
        source_tokens: Names of the columns.
        target_tokens: Names of the rows.
        width: Inches of a small picture, without title and scale; None takes what the words need.
    Raises:
        ValueError: If the number of names does not match the shape of the weights.
        ImportError: If matplotlib is not installed.
    Warns:
        UserWarning: If no installed font has a character of the words.
    """
    shape = (len(target_tokens), len(source_tokens))
    if weights.shape != shape:
        raise ValueError(
            "`weights` must have a row for each target token and a column for each source token. "
            f"Received: weights of shape {weights.shape}, tokens for {shape}."
        )
    shares, sources, targets = word_attention(weights, source_tokens, target_tokens)
    if not shares.size:
        figure = new_figure(width or 5, 1)
        figure.text(0.5, 0.5, "There is no word to draw.", ha="center", va="center")
        return png(figure)
    size = _size(sources, targets, width)
    figure = new_figure(*size)
    fonts = fonts_for("".join([*sources, *targets]))
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=_top(shares), aspect="auto")
    _name(axes, sources, targets, fonts, narrow=width is not None and len(sources) > MOST_SMALL)
    _separate(axes, shares.shape)
    if width is None:
        axes.set(xlabel="source", ylabel="translation")
        _title(axes, sources, targets, size[0], fonts)
        figure.colorbar(image, label="share of the attention, %", pad=0.02)
        if len(sources) <= MOST_WRITTEN:
            _write_shares(axes, shares)
    return png(figure, dpi=100 if width is None else 160)


def word_attention(
    weights: np.ndarray, source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> tuple[np.ndarray, list[str], list[str]]:
    """Returns the attention between words in per cent, and the words of both sides.

    Args:
        weights, source_tokens, target_tokens: As for `attention_png`.
    Returns:
        float, shape (target words, source words), 0 to 100; the words of the source, and of the
        target.
    """
    sources, targets = readable_words(source_tokens), readable_words(target_tokens)
    columns = [weights[:, group].sum(axis=1) for _, group in sources]
    by_word = np.stack(columns, axis=1) if columns else weights
    rows = [by_word[group].mean(axis=0) for _, group in targets]
    shares = 100 * (np.stack(rows) if rows else by_word)
    return shares, [printable(word) for word, _ in sources], [printable(w) for w, _ in targets]


def _size(
    sources: Sequence[str], targets: Sequence[str], width: float | None
) -> tuple[float, float]:
    longest = max(map(len, (*sources, *targets)), default=0)
    margin = 1 + 0.08 * min(longest, 20)
    if width is not None:
        return width, min(1.2 * width, margin + 0.3 * len(targets))
    cell_width, cell_height = CELL
    return max(5, 1.3 + margin + cell_width * len(sources)), (
        margin + 0.8 + cell_height * len(targets)
    )


def _top(shares: np.ndarray) -> int:
    """Returns the end of the scale: the largest share, rounded up to a multiple of 20."""
    largest = float(shares.max()) if shares.size else 0.0
    return min(100, max(20, 20 * math.ceil(largest / 20)))


def _name(
    axes: Any, sources: Sequence[str], targets: Sequence[str], fonts: list[str], *, narrow: bool
) -> None:
    """Writes the words beside their columns and rows; upright if the columns are narrow."""
    turned = {"rotation": 90} if narrow else {"rotation": 45, "rotation_mode": "anchor"}
    ha = "center" if narrow else "right"
    axes.set_xticks(range(len(sources)), sources, ha=ha, **turned)
    axes.set_yticks(range(len(targets)), targets)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(fontfamily=fonts, fontsize=9 if narrow else 11, parse_math=False)
    axes.tick_params(length=0)


def _separate(axes: Any, shape: tuple[int, ...]) -> None:
    """Draws thin lines between cells, so that an eye finds the row and the column."""
    axes.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _title(
    axes: Any, sources: Sequence[str], targets: Sequence[str], width: float, fonts: list[str]
) -> None:
    lines = []
    for words in (sources, targets):
        sentence = " ".join(word for word in words if word != END_NAME)
        lines.append(textwrap.fill(sentence, width=max(30, int(9 * width))))
    title = "\n".join(lines)
    axes.set_title(title, fontfamily=fonts, fontsize=12, loc="left", parse_math=False)


def _write_shares(axes: Any, shares: np.ndarray) -> None:
    """Writes the share into each cell that has a noticeable one."""
    light = 0.55 * _top(shares)
    for (row, column), share in np.ndenumerate(shares):
        if share >= LEAST_WRITTEN:
            colour = "black" if share > light else "white"
            axes.text(
                column, row, f"{share:.0f}", ha="center", va="center", color=colour, fontsize=9
            )
