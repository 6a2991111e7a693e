"""The heat map: a picture of words with the size of its sentence, or a clear error."""

import numpy as np
import pytest

from keras_seq2seq.attention_map import attention_png, draw_attention, word_attention

PNG_START = b"\x89PNG"
SOURCE = ["▁They", "▁sle", "ep", ".", "</s>"]
TARGET = ["▁Ils", "▁dor", "ment", ".", "</s>"]


def weights(rows, columns):
    if not columns:
        return np.zeros((rows, 0), "float32")
    return np.random.default_rng(0).dirichlet(np.ones(columns), rows).astype("float32")


def size_of(picture):
    return tuple(int.from_bytes(picture[start : start + 4], "big") for start in (16, 20))


def test_picture_is_written(tmp_path):
    draw_attention(weights(5, 5), SOURCE, TARGET, tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(PNG_START)


def test_names_must_fit(tmp_path):
    with pytest.raises(ValueError, match=r"shape \(2, 3\), tokens for \(1, 3\)"):
        draw_attention(np.ones((2, 3)), ["a", "b", "c"], ["x"], tmp_path / "map.png")
    assert not list(tmp_path.iterdir())


def test_the_attention_of_pieces_becomes_that_of_their_words():
    pieces = weights(5, 5)
    shares, sources, targets = word_attention(pieces, SOURCE, TARGET)
    assert (sources, targets) == (["They", "sleep.", "(end)"], ["Ils", "dorment.", "(end)"])
    np.testing.assert_allclose(shares.sum(axis=1), 100, rtol=1e-5)
    np.testing.assert_allclose(shares[0, 1], 100 * pieces[0, 1:4].sum(), rtol=1e-5)
    np.testing.assert_allclose(shares[1, 0], 100 * pieces[1:4, 0].mean(), rtol=1e-5)


def test_characters_that_nobody_sees_are_escaped():
    shares = np.full((1, 1), 1.0)
    assert word_attention(shares, ["▁red\x0f"], ["▁\u202erouge"])[1:] == (
        ["red\\x0f"],
        ["\\u202erouge"],
    )


def test_dollars_are_no_formula_and_a_small_picture_is_as_wide_as_asked():
    for names in (["▁$5", "▁and", "▁$6_x^"], [f"▁word{i}" for i in range(20)]):
        drawn = weights(len(names), len(names))
        assert attention_png(drawn, names, names).startswith(PNG_START)
        assert size_of(attention_png(drawn, names, names, width=4))[0] == 640


@pytest.mark.parametrize(("source", "target"), [(["</s>"], []), ([], []), (["</s>"], ["</s>"])])
def test_a_text_without_words_has_a_picture_too(source, target):
    assert attention_png(weights(len(target), len(source)), source, target).startswith(PNG_START)
