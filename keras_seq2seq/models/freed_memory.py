"""Freed memory stays with the process, where it would go back to the kernel within each step."""

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

import keras

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # names of mallopt, as in malloc.h
_VALUES = {
    _TRIM_THRESHOLD: 2**31 - 1,
    _TOP_PAD: 128 << 20,  # more than one of the heaps of 64 MiB that glibc would unmap
    _MMAP_THRESHOLD: 2**31 - 1,
}
OF_USERS = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
)


class FreedMemory(keras.callbacks.Callback):
    """Has glibc's malloc keep what a step frees for the next one, for the rest of the process.

    TensorFlow sets malloc's threshold for maps of their own to 128 KiB, in Python 3.11 and newer,
    as soon as it reads from a generator, as `fit` does with a `PyDataset`: then each tensor above
    that is mapped in each step, and the kernel clears its pages. This callback raises the threshold
    whenever reading has begun. Nothing changes on other C libraries, or where the environment sets
    these values of malloc (`OF_USERS`, `glibc.malloc.` in `GLIBC_TUNABLES`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._due = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._due = True

    def on_test_begin(self, logs: Any = None) -> None:
        self._due = True

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._keep()

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._keep()

    def _keep(self) -> None:
        if self._due and (set_value := _mallopt()):
            for name, value in _VALUES.items():
                set_value(name, value)
        self._due = False


@functools.cache
def _mallopt() -> Callable[[int, int], int] | None:
    """Returns glibc's function, or None where there is none or the user has chosen values."""
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc." in tunables or any(name in os.environ for name in OF_USERS):
        return None
    try:
        library = ctypes.CDLL(None)
    except TypeError:  # Windows
        return None
    return library.mallopt if hasattr(library, "gnu_get_libc_version") else None
