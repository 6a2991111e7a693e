"""The curves of a run: reads them from history.csv and draws them to history.png."""

import csv
import math
import pathlib
from typing import TYPE_CHECKING, Any

from keras_seq2seq.pictures.figure import COLOURS, new_figure, png
from keras_seq2seq.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Columns of the history, each with its label, colour and marker.
TRAINING, VALIDATION = ("training", "blue", "o"), ("validation", "vermilion", "s")
PANELS = {
    "loss per token": {"loss": TRAINING, "val_loss": VALIDATION},
    "token accuracy": {"token_accuracy": TRAINING, "val_token_accuracy": VALIDATION},
    "quality on validation": {
        "val_bleu": ("BLEU", "blue", "o"),
        "val_chrf": ("chrF", "vermilion", "s"),
        "val_exact_match": ("exact match", "green", "^"),
    },
}

STYLES = ("-", "--", ":")
MOST_MARKED = 30  # epochs up to which each is a point on the curves


def read_history(path: pathlib.Path) -> dict[str, list[float]]:
    """Returns the columns of a `history.csv`, one value per epoch; {} if missing or empty."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}


def count_epochs(path: pathlib.Path) -> int:
    """Returns the number of whole rows of a `history.csv`, without its header."""
    if not path.exists():
        return 0
    with path.open(newline="", encoding="utf-8") as file:
        return max(0, sum(line.endswith("\n") for line in file) - 1)


def draw_history(history: dict[str, list[float]], path: pathlib.Path) -> None:
    """Draws `history_figure` into a file, which is never incomplete.

    Args:
        history: As for `history_figure`.
        path: The .png file to write.
    Raises:
        ImportError: If matplotlib is not installed.
    """
    picture = png(history_figure(history))
    with whole_file(path) as partial:
        partial.write_bytes(picture)


def history_figure(history: dict[str, list[float]]) -> "Figure":
    """Returns loss, accuracy and translation quality over the epochs as a figure.

    The first epochs, a tenth of them, are left out of the scale where they would squash the rest:
    the curves then leave the picture, and a line above says from which value.

    Args:
        history: What `read_history` returned.
    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = new_figure(12, 3.6)
    epochs = [epoch + 1 for epoch in history["epoch"]]
    for axes, (title, lines) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        drawn = {name: look for name, look in lines.items() if name in history}
        for style, (name, (label, colour, marker)) in zip(STYLES, drawn.items(), strict=False):
            look = {"color": COLOURS[colour], "marker": marker, "linestyle": style}
            size = 4 if len(epochs) <= MOST_MARKED else 0
            axes.plot(epochs, history[name], label=label, markersize=size, **look)
        axes.set_title(title, loc="left")
        axes.set(xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(color="0.9")
        _scale(axes, {lines[name][0]: history[name] for name in drawn})
        if drawn:
            axes.legend()
    return figure


def _scale(axes: Any, curves: dict[str, list[float]]) -> None:
    """Fits the scale to the later epochs if the first ones would squash them."""
    first = max(1, max(map(len, curves.values()), default=0) // 10)
    finite = {name: [v for v in row if math.isfinite(v)] for name, row in curves.items()}
    every = [value for row in finite.values() for value in row]
    later = [value for row in finite.values() for value in row[first:]]
    if min(map(len, finite.values()), default=0) <= first + 1:
        return
    height = max(later) - min(later)
    outside = max(max(every) - max(later), min(later) - min(every))
    if outside <= height:
        return
    margin = 0.08 * (height or abs(max(later)) or 1)
    axes.set_ylim(min(later) - margin, max(later) + margin)
    left = [f"{n} {row[0]:.3g}" for n, row in finite.items() if _is_out(row[0], later, margin)]
    axes.set_title(f"epoch 1: {', '.join(left)}", loc="right", fontsize=8)


def _is_out(value: float, later: list[float], margin: float) -> bool:
    return not min(later) - margin <= value <= max(later) + margin
