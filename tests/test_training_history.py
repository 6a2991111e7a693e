import sys

import pytest

from keras_seq2seq.training.history import draw_history, read_history


def test_no_history_is_empty(tmp_path):
    assert read_history(tmp_path / "none.csv") == {}
    (tmp_path / "empty.csv").write_text("")
    assert read_history(tmp_path / "empty.csv") == {}


def test_a_history_with_few_columns_is_drawn(tmp_path):
    draw_history({"epoch": [0, 1], "loss": [2, 1]}, tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 1000


def test_a_missing_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[train\]"'):
        draw_history({"epoch": [0]}, tmp_path / "history.png")
