import sys

import pytest

from keras_seq2seq.training.history import draw_history, history_figure, read_history


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


def panels(losses):
    figure = history_figure({"epoch": list(range(len(losses))), "loss": losses})
    return figure.axes[0]


def test_the_first_epoch_does_not_squash_the_rest():
    axes = panels([8.0, 0.5, 0.4, 0.3])
    bottom, top = axes.get_ylim()
    assert 0.2 < bottom < 0.3 and 0.5 < top < 0.6
    assert axes.get_title("right") == "epoch 1: training 8"


@pytest.mark.parametrize("losses", [[0.6, 0.5, 0.4, 0.3], [8.0], [8.0, 1.0], [float("nan")] * 4])
def test_elsewhere_every_epoch_is_on_the_scale(losses):
    axes = panels(losses)
    assert axes.get_title("right") == ""
    if losses[0] == losses[0]:
        bottom, top = axes.get_ylim()
        assert bottom <= min(losses) and max(losses) <= top


def test_epochs_are_whole():
    assert all(tick == int(tick) for tick in panels([3.0, 2.0, 1.0]).get_xticks())
