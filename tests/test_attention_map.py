"""The heat map: a picture with the size of its sentence, or a clear error."""

import numpy as np
import pytest

from keras_seq2seq.attention_map import draw_attention

PNG_START = b"\x89PNG"


def test_picture_is_written(tmp_path):
    weights = np.full((2, 3), 1 / 3, "float32")
    draw_attention(weights, ["They", "sleep", "</s>"], ["Ils", "dorment"], tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(PNG_START)


def test_names_must_fit(tmp_path):
    with pytest.raises(ValueError, match=r"shape \(2, 3\), tokens for \(1, 3\)"):
        draw_attention(np.ones((2, 3)), ["a", "b", "c"], ["x"], tmp_path / "map.png")
    assert not list(tmp_path.iterdir())
