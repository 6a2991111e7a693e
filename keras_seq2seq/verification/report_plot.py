"""The picture of a report: size against latency, the quality as label and colour."""

import io
from collections.abc import Sequence
from typing import Any

from keras_seq2seq.installed import missing_package
from keras_seq2seq.verification.report_rows import ReportRow

NOT_MEASURED = "0.6"  # grey
LINE = 15  # points between two labels that would overlap


def plot_png(rows: Sequence[ReportRow], metric: str | None) -> bytes:
    """Returns a PNG picture with one point for each artefact that was timed.

    Args:
        rows: The artefacts.
        metric: Name of their score, or None if they have none.
    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_package("Plots need matplotlib", "train") from None
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    _set_axes(axes)
    timed = [row for row in rows if row.latency_ms is not None]
    scores = [row.score for row in timed if row.score is not None]
    # With a single score the colours still need a range.
    norm = Normalize(min(scores, default=0) - 0.1, max(scores, default=0) + 0.1)
    colours = colormaps["viridis"]
    for row in timed:
        colour = NOT_MEASURED if row.score is None else colours(norm(row.score))
        marker = "X" if row.refused else "o"
        place = row.bytes / 1e6, row.latency_ms or 0.0
        axes.scatter(*place, s=70, color=[colour], marker=marker)
    if scores:
        shown = ScalarMappable(norm, colours)
        figure.colorbar(shown, ax=axes, label=f"{metric} (grey: not measured; cross: refused)")
    _label(figure, axes, timed, metric)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100, format="png")
    return picture.getvalue()


def _set_axes(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set(xscale="log", yscale="log", xlabel="size, MB", ylabel="median ms a sentence")
    axes.margins(0.3)
    axes.grid(which="major", color="0.9")
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _label(figure: Any, axes: Any, rows: Sequence[ReportRow], metric: str | None) -> None:
    """Writes a name next to each point, from the lowest up; one that would overlap moves up."""
    figure.draw_without_rendering()
    right = axes.get_window_extent().x1
    drawn: list[Any] = []
    for row in sorted(rows, key=lambda row: row.latency_ms or 0):
        text = f"{row.runtime} {row.quantization}"
        if row.score is not None:
            text += f", {row.score:.1f} {metric}"
        label = axes.annotate(
            text,
            (row.bytes / 1e6, row.latency_ms),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
        if label.get_window_extent().x1 > right:
            label.set(position=(-8, 0), ha="right")
        while any(label.get_window_extent().overlaps(other) for other in drawn):
            x, y = label.get_position()
            label.set_position((x, y + LINE))
        drawn.append(label.get_window_extent())
