"""Files that several tests read: one worker of a run writes them, the others take them over."""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

# Where the workers of one run meet; conftest.py sets it, and pytest clears it away.
FOLDER = "KERAS_SEQ2SEQ_TEST_FOLDER"


def written_once(name: str, write: Callable[[Path], object]) -> Path:
    """Returns a folder of this name that `write` has filled, here or in another worker."""
    folder = _room() / name
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(dir=folder.parent))
        write(partial)
        try:
            partial.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(partial)
    return folder


def _room() -> Path:
    given = os.environ.get(FOLDER)
    return Path(given) if given else Path(_of_this_process().name)


@functools.cache
def _of_this_process() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="keras_seq2seq_tests_")
