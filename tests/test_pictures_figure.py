"""What pictures share: fonts that have the characters, colours that can be told apart."""

import itertools

import numpy as np
import pytest

from keras_seq2seq.pictures.figure import COLOURS, FONT, fonts_for, new_figure, png

# Linear RGB as eyes without the long, middle and short cones see it (Viénot et al. 1999, Brettel).
BLIND = {
    "protan": [[0.112, 0.888, 0.0], [0.112, 0.888, 0.0], [0.004, -0.004, 1.0]],
    "deutan": [[0.292, 0.708, 0.0], [0.292, 0.708, 0.0], [-0.022, 0.022, 1.0]],
}

TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def seen(colour, matrix):
    """Returns a colour in CIE L*a*b* after a matrix on linear RGB."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.clip(to_xyz @ np.clip(matrix @ linear, 0, 1), 0, None) / [0.95, 1, 1.09])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("matrix", [np.eye(3), *map(np.array, BLIND.values())])
def test_the_colours_can_be_told_apart(matrix):
    used = [COLOURS[name] for name in ("black", "vermilion", "blue", "green")]
    for one, other in itertools.combinations(used, 2):
        assert np.linalg.norm(seen(one, matrix) - seen(other, matrix)) > 20


def test_the_font_of_matplotlib_is_enough_for_latin_cyrillic_and_greek():
    assert fonts_for("Über œuvre Привет γειά") == [FONT]


def test_a_character_that_no_font_has_is_told_once():
    unassigned = "\U000e1234"
    with pytest.warns(UserWarning, match="No installed font has the characters"):
        fonts = fonts_for(f"a {unassigned}")
    figure = new_figure(1, 1)
    figure.text(0, 0, unassigned, fontfamily=fonts)
    assert png(figure).startswith(b"\x89PNG")  # without another warning
