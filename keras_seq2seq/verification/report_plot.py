"""The picture of a report: size against latency, a colour for each format, the quality as label."""

from collections.abc import Sequence
from typing import Any

from keras_seq2seq.pictures.figure import COLOURS, new_figure, png
from keras_seq2seq.verification.report_rows import ReportRow

FORMAT_COLOURS = {
    "keras": "black",
    "saved_model": "vermilion",
    "litert": "blue",
    "onnx": "green",
}
MARKERS = {"float32": "o", "float16": "s", "dynamic_int8": "^", "int8": "D"}
OTHER = "purple", "P"  # of another format, of another quantization
POINT = 9  # points across
# Where a label may stand beside its point: dx and dy in points, and which end of it is there.
SIDES, ROWS = ((9, "left"), (-9, "right")), (0, 13, -13, 26, -26, 39, -39)
PLACES = [(x, y, align) for y in ROWS for x, align in SIDES]


def plot_png(rows: Sequence[ReportRow], metric: str | None) -> bytes:
    """Returns a PNG picture with one point for each artefact that was timed.

    Args:
        rows: The artefacts.
        metric: Name of their score, or None if they have none.
    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = new_figure(8.5, 5.5)
    axes = figure.subplots()
    _set_axes(axes)
    timed = [row for row in rows if row.latency_ms is not None]
    for row in timed:
        colour, marker = _look(row)
        face = "white" if row.refused else colour
        place = row.bytes / 1e6, row.latency_ms or 0.0
        axes.plot(*place, marker, markersize=POINT, markerfacecolor=face, markeredgecolor=colour)
    if timed:
        _legends(figure, axes, timed)
    if any(row.score is not None for row in timed):
        axes.set_title(f"number at a point: {metric}", loc="left", fontsize=9)
    _label(figure, axes, timed)
    return png(figure, dpi=100)


def _look(row: ReportRow) -> tuple[str, str]:
    colour = FORMAT_COLOURS.get(row.runtime, OTHER[0])
    return COLOURS[colour], MARKERS.get(row.quantization, OTHER[1])


def _set_axes(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set(xscale="log", yscale="log", xlabel="size, MB", ylabel="median ms a sentence")
    axes.margins(0.15)
    axes.grid(which="major", color="0.9")
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _legends(figure: Any, axes: Any, rows: Sequence[ReportRow]) -> None:
    """Tells, beside the axes, what the colours, the shapes and an empty point mean."""
    from matplotlib.lines import Line2D

    def handle(label: str, colour: str, marker: str, face: str = "") -> Any:
        look: dict[str, Any] = {"markerfacecolor": face or colour, "markeredgecolor": colour}
        return Line2D([], [], linestyle="", marker=marker, markersize=POINT, label=label, **look)

    grey = "0.35"
    formats = {row.runtime: handle(row.runtime, _look(row)[0], "o") for row in rows}
    shapes = {row.quantization: handle(row.quantization, grey, _look(row)[1]) for row in rows}
    handles = [*formats.values(), *shapes.values()]
    if any(row.refused for row in rows):
        handles.append(handle("refused", grey, "o", "white"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False)


def _label(figure: Any, axes: Any, rows: Sequence[ReportRow]) -> None:
    """Writes weights and score beside each point, where no other label or point is."""
    figure.draw_without_rendering()
    inside = axes.get_window_extent()
    half = POINT * figure.dpi / 72 / 2
    points = [axes.transData.transform((row.bytes / 1e6, row.latency_ms or 0)) for row in rows]
    taken = [_box(x - half, y - half, x + half, y + half) for x, y in points]
    for row, own in zip(rows, list(taken), strict=True):
        text = row.quantization if row.score is None else f"{row.quantization} {row.score:.1f}"
        place = row.bytes / 1e6, row.latency_ms
        label = axes.annotate(text, place, PLACES[0][:2], textcoords="offset points", va="center")
        label.set(fontsize=9, color=_look(row)[0])
        others = [box for box in taken if box is not own]
        for x, y, align in PLACES:
            label.set(position=(x, y), ha=align)
            extent = label.get_window_extent()
            within = inside.x0 <= extent.x0 and extent.x1 <= inside.x1
            if within and not any(extent.overlaps(box) for box in others):
                break
        taken.append(label.get_window_extent())


def _box(x0: float, y0: float, x1: float, y1: float) -> Any:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(x0, y0, x1, y1)
