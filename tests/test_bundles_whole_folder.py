import os
import signal
import subprocess
import sys

import pytest

from keras_seq2seq.bundles import whole_folder as whole_folder_module
from keras_seq2seq.bundles.whole_folder import PREFIX, sweep, whole_folder

WRITE = """
import pathlib, sys, time
from keras_seq2seq.bundles.whole_folder import whole_folder
def write(path, text):
    with whole_folder(path, replace=True) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "text").write_text(text)
path = pathlib.Path(sys.argv[1])
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def written(path, text, **options):
    with whole_folder(path, **options) as partial:
        (partial / "text").write_text(text)


def test_a_folder_is_there_at_the_end_and_replaced_only_if_wanted(tmp_path):
    written(tmp_path / "a", "one")
    with pytest.raises(FileExistsError, match="in the meantime"):
        written(tmp_path / "a", "two")
    assert (tmp_path / "a" / "text").read_text() == "one"
    written(tmp_path / "a", "two", replace=True)
    assert (tmp_path / "a" / "text").read_text() == "two"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_error_leaves_the_old_folder(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(whole_folder_module, "_renameat2", lambda: None)
    written(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        written(tmp_path / "a", "half \udcff", replace=True)
    assert (tmp_path / "a" / "text").read_text() == "old"
    written(tmp_path / "a", "new", replace=True)
    assert (tmp_path / "a" / "text").read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="two names are exchanged on Linux only")
def test_a_reader_always_finds_a_whole_folder_also_when_writers_are_killed(tmp_path):
    loop = WRITE + "write(path, '')\nprint(flush=True)\nwhile True: write(path, '')"
    path = tmp_path / "a"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", loop, path], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"\n"
        for _ in range(2000):
            os.stat(path)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        os.stat(path / "inner" / "text")
    written(path, "last", replace=True)
    assert names(tmp_path) == ["a"]  # what the killed ones left is gone


def test_only_folders_of_dead_processes_are_swept(tmp_path):
    (tmp_path / f"{PREFIX}dead").mkdir()
    (tmp_path / ".partial-bundles").mkdir()
    (tmp_path / f"{PREFIX}file").write_text("")
    with whole_folder(tmp_path / "a") as partial:
        (partial / "text").write_text("")
        sweep(tmp_path)
        kept = {".partial-bundles", f"{PREFIX}file"}
        assert set(names(tmp_path)) == {partial.name, *kept}
    assert set(names(tmp_path)) == {"a", *kept}
