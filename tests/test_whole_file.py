import pytest

from keras_seq2seq.whole_file import whole_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_there_at_the_end_and_the_temporary_one_is_not(tmp_path):
    path = tmp_path / "words.txt"
    with whole_file(str(path)) as partial:
        partial.write_text("new", "utf-8")
        assert names(tmp_path) == [partial.name]
        assert (partial.parent, partial.suffix) == (tmp_path, ".txt")
    assert names(tmp_path) == ["words.txt"]
    assert path.read_text("utf-8") == "new"


def stop_half_way(path, text):
    with whole_file(path) as partial:
        if text:
            partial.write_text(text, "utf-8")
        raise KeyboardInterrupt


@pytest.mark.parametrize("text", ["", "half of the n"])
def test_an_error_inside_leaves_the_old_file_and_no_temporary_one(tmp_path, text):
    path = tmp_path / "words.txt"
    path.write_text("old", "utf-8")
    with pytest.raises(KeyboardInterrupt):
        stop_half_way(path, text)
    assert names(tmp_path) == ["words.txt"]
    assert path.read_text("utf-8") == "old"


def test_what_a_killed_process_left_is_written_over(tmp_path):
    path = tmp_path / "words.txt"
    with whole_file(path) as partial:
        name = partial.name
        partial.write_text("", "utf-8")
    (tmp_path / name).write_text("much more than what comes now", "utf-8")
    with whole_file(path) as partial:
        partial.write_text("new", "utf-8")
    assert names(tmp_path) == ["words.txt"]
    assert path.read_text("utf-8") == "new"


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("old", "utf-8")
    with pytest.raises(FileNotFoundError, match="words.txt"), whole_file(path):
        pass
    assert path.read_text("utf-8") == "old"
