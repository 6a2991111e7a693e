"""The curves of a run: reads them from history.csv and draws them to history.png."""

import csv
import pathlib

from keras_seq2seq.installed import missing_package

PANELS = {
    "loss per token": ("loss", "val_loss"),
    "token accuracy": ("token_accuracy", "val_token_accuracy"),
    "translation quality": ("val_bleu", "val_chrf", "val_exact_match"),
}


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
    """Draws loss, accuracy and translation quality over the epochs.

    Args:
        history: What `read_history` returned.
        path: The .png file to write.
    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_package("Plots need matplotlib", "train") from None
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    epochs = [epoch + 1 for epoch in history["epoch"]]
    for axes, (title, names) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for name in names:
            if name in history:
                axes.plot(epochs, history[name], marker=".", label=name)
        axes.set(title=title, xlabel="epoch")
        if axes.lines:
            axes.legend()
    figure.savefig(path, dpi=120)
