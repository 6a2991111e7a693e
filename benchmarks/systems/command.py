"""Runs a command of keras-seq2seq and watches its memory."""

import os
import signal
import subprocess
import sys
import time

from exports import proportional_bytes

IDLE = 9  # times as long as a look at the memory takes, which walks all of it


def command(*words: object, limit_gb: float = 6) -> int:
    """Runs a command and returns the peak of its memory in bytes; its output goes to stderr.

    Args:
        words: The command and its options.
        limit_gb: float > 0. A command that needs more memory is killed.
    Raises:
        MemoryError: If it was killed.
        RuntimeError: If its exit status is not 0.
    """
    line = [sys.executable, "-m", "keras_seq2seq.cli", *map(str, words)]
    # In a session of its own, so that what it starts is killed with it.
    process, peak = subprocess.Popen(line, stdout=sys.stderr, start_new_session=True), 0
    while process.poll() is None:
        started = time.perf_counter()
        peak = max(peak, proportional_bytes(process.pid))
        if peak > 1e9 * limit_gb:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise MemoryError(f"A command needed more than {limit_gb} GB and was killed: {line}.")
        time.sleep(max(0.1, IDLE * (time.perf_counter() - started)))
    if process.returncode:
        raise RuntimeError(f"A command ended with exit status {process.returncode}: {line}.")
    return peak
