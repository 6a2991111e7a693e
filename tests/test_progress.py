import pytest

from keras_seq2seq.progress import progress


def test_a_bar_counts_on_standard_error(capsys):
    with progress(3, "texts", verbose=True) as advance:
        advance(1)
        advance(2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3/3 texts" in printed.err


def test_a_total_need_not_be_known(capsys):
    with progress(None, "lines", verbose=True) as advance:
        advance(5)
    assert "5/? lines" in capsys.readouterr().err


@pytest.mark.parametrize("verbose", [False, None])
def test_nothing_is_shown_unless_on_a_terminal(capsys, verbose):
    with progress(3, "texts", verbose) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
