"""What all pictures share: colours that the colour-blind can tell apart, fonts, the PNG."""

import io
import warnings
from typing import TYPE_CHECKING

from keras_seq2seq.installed import missing_package

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito 2008, without the yellow, which is too light for lines on white.
COLOURS = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "black": "#000000",
}
FONT = "DejaVu Sans"
# Draws the name of a script in place of a character that no font has; matplotlib brings it.
_LAST_RESORT = "Last Resort"


def new_figure(width: float, height: float) -> "Figure":
    """Returns a figure without a window.

    Args:
        width, height: Inches.
    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_package("Plots need matplotlib", "train") from None
    return Figure(figsize=(width, height), layout="constrained")


def png(figure: "Figure", dpi: int = 120) -> bytes:
    """Returns a figure as the bytes of a PNG picture."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # `fonts_for` says it once, with the remedy.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        figure.savefig(picture, dpi=dpi, format="png")
    return picture.getvalue()


def fonts_for(text: str) -> list[str]:
    """Returns names of installed fonts that together have the characters of a text.

    The first is matplotlib's own; others follow only where it lacks a character.

    Warns:
        UserWarning: If no installed font has a character; the picture shows a box for it.
    """
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    own = get_font(findfont(FontProperties(family=[FONT])))
    missing = {ord(character) for character in text if not character.isspace()}
    missing -= own.get_charmap().keys()
    found = [FONT]
    # Noto and others for reading come before what is made for a few symbols.
    for entry in sorted(fontManager.ttflist, key=lambda entry: "Noto Sans" not in entry.name):
        if not missing:
            break
        upright = entry.style == "normal" and entry.weight in (400, "normal", "regular")
        if not upright or entry.name in found or entry.name.startswith(_LAST_RESORT):
            continue
        has = missing & get_font(entry.fname).get_charmap().keys()
        if has:
            found.append(entry.name)
            missing -= has
    if missing:
        characters = "".join(map(chr, sorted(missing)[:10]))
        warnings.warn(
            f"No installed font has the characters {characters!r}, so the picture shows boxes for "
            "them. Install one that has, such as one of Noto (Debian: fonts-noto).",
            stacklevel=2,
        )
    return found
