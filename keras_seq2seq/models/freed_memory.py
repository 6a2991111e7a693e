"""Freed memory stays with the process, where it would go back to the kernel within each step."""

from typing import Any

import keras

from keras_seq2seq.models.malloc import MMAP_THRESHOLD, TOP_PAD, TRIM_THRESHOLD, set_malloc

KEPT = {
    TRIM_THRESHOLD: 2**31 - 1,
    TOP_PAD: 128 << 20,  # more than one of the heaps of 64 MiB that glibc would unmap
    MMAP_THRESHOLD: 2**31 - 1,
}


class FreedMemory(keras.callbacks.Callback):
    """Has glibc's malloc keep what a step frees for the next one, for the rest of the process.

    TensorFlow sets malloc's threshold for maps of their own to 128 KiB, in Python 3.11 and newer,
    as soon as it reads from a generator, as `fit` does with a `PyDataset`: then each tensor above
    that is mapped in each step, and the kernel clears its pages. This callback raises the threshold
    whenever reading has begun. Nothing changes on other C libraries, or where the environment sets
    these values of malloc, see `models.malloc.glibc`.
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
        if self._due:
            set_malloc(KEPT)
        self._due = False
