"""What TensorFlow writes when it starts, and what of it comes through."""

import pytest
from conftest import run_python

from keras_seq2seq.cli.tensorflow_start import GREETINGS, LEVEL

# Stands for TensorFlow where the real one cannot be made to fail.
MODULE = """
import os
for line in {lines!r}:
    os.write(2, (line + "\\n").encode())
{end}
class config:
    list_physical_devices = staticmethod(lambda kind: [1])
"""
START = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
from keras_seq2seq.cli.tensorflow_start import quiet_start
with quiet_start():
    assert importlib.util.find_spec("tensorflow").origin.startswith(sys.argv[1])
    import tensorflow
print("still here", file=sys.stderr)
"""
FAILED = "E0000 00:00:1795843 cuda_dnn.cc:52] something is really wrong"


def told(folder, lines, end="", check=True, **environment):
    """Returns what comes through of lines that a module named tensorflow writes."""
    (folder / "tensorflow.py").write_text(MODULE.format(lines=lines, end=end), "utf-8")
    process = run_python(START, folder, check=check, **environment)
    return process.stderr.splitlines()


def test_greetings_are_left_out_and_errors_come_through(tmp_path):
    greetings = [f"I0000 00:00:1795841750 port.cc:153] {text} ..." for text in GREETINGS]
    found = told(tmp_path, [*greetings, FAILED, "caf\xe9"])
    assert found == [FAILED, "caf\xe9", "still here"]


def test_what_it_says_when_it_aborts_comes_through(tmp_path):
    found = told(tmp_path, [GREETINGS[1], FAILED], "os.abort()", check=False)
    assert found[0] == FAILED and "still here" not in found


def test_an_import_that_fails_says_so(tmp_path):
    found = told(tmp_path, [GREETINGS[1]], "raise ImportError('no such library')", check=False)
    assert found[-1] == "ImportError: no such library" and GREETINGS[1] not in found


def test_the_log_level_zero_leaves_nothing_out(tmp_path):
    assert told(tmp_path, [GREETINGS[1]], **{LEVEL: "0"}) == [GREETINGS[1], "still here"]


QUIET = """
import os
from keras_seq2seq.cli.tensorflow_start import quiet_start
with quiet_start():
    import tensorflow
    tensorflow.transpose([[True]])
    os.write(2, b"through\\n")
assert tensorflow.__spec__.loader is tensorflow.__loader__
"""


@pytest.mark.long
def test_the_real_tensorflow_starts_without_a_word():
    assert run_python(QUIET, **{LEVEL: ""}).stderr == "through\n"
