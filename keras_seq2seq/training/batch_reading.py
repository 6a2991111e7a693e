"""How `fit` and `evaluate` read batches: whole epochs, a number of steps, or the rest of one."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import keras

from keras_seq2seq.training.time_spent import BATCHES, spent_on

# Keras on TensorFlow reads so many batches before a `fit`, to see which axes vary.
LOOKS = 2


class Batches(Protocol):
    """What is read: `batches[i]` is batch i, counted from the start of epoch `epoch`."""

    position: int
    epoch: int
    workers: int
    use_multiprocessing: bool
    max_queue_size: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


class Reading(keras.utils.PyDataset):
    """Batches from number `first` of the current epoch on; reading them changes nothing.

    Args:
        batches: What is read.
        first: int >= 0. Number of the first batch, counted from the start of the epoch.
        count: int > 0. Number of batches; None goes on through the epochs without an end.
    Raises:
        ValueError: If the batches have several workers and the backend is not TensorFlow.
    """

    def __init__(self, batches: Batches, first: int = 0, count: int | None = None) -> None:
        workers = batches.workers
        if workers > 1 and keras.backend.backend() != "tensorflow":
            raise ValueError(
                "Batches must be read by one worker, except on the TensorFlow backend: Keras would "
                f"repeat some and leave out others. Received: workers={workers} on "
                f"{keras.backend.backend()}; set `workers = 1`."
            )
        super().__init__(workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches = batches
        self.first = first
        self.count = count
        looks = LOOKS if keras.backend.backend() == "tensorflow" and count != 1 else 0
        self._looks = looks if count is None else min(looks, count)

    @property
    def num_batches(self) -> int | None:
        return self.count

    def __repr__(self) -> str:
        return f"Reading({self.batches!r}, first={self.first}, count={self.count})"

    def __getitem__(self, index: int) -> Any:
        # The first two batches of an epoch differ in shape; the first two that are read may not.
        if self._looks:
            self._looks -= 1
        else:
            index += self.first
        with spent_on(BATCHES):
            return self.batches[index]


class _Epochs(keras.callbacks.Callback):
    """Moves the batches on with the epochs of a `fit`; an epoch cut short is not counted."""

    async_safe = True

    def __init__(self, batches: Batches, initial_epoch: int) -> None:
        super().__init__()
        self.batches = batches
        # A `fit` by steps may have left an epoch half read; no batch is read twice.
        self.offset = 0 if initial_epoch else -(-batches.position // len(batches))
        self.read = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.batches.epoch, self.read = self.offset + epoch, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras calls this in threads, in any order.
        self.read = max(self.read, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.batches.epoch += self.read >= len(self.batches)


class _Steps(keras.callbacks.Callback):
    """Counts the batches that a `fit` of `steps` batches an epoch has read."""

    async_safe = True

    def __init__(self, reading: Reading, initial_epoch: int, steps: int) -> None:
        super().__init__()
        self.reading = reading
        self.expected = initial_epoch
        self.steps = steps
        self.total = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Another callback may have moved the training on: BackupAndRestore does.
        skipped = (epoch - self.expected) * self.steps
        self.reading.first += skipped
        self.total += skipped
        self.begun = self.total
        self.expected = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.total = max(self.total, self.begun + batch + 1)


@contextlib.contextmanager
def read_by_fit(
    batches: Batches, initial_epoch: int, steps: int | None, steps_per_execution: int
) -> Iterator[tuple[Reading, keras.callbacks.Callback]]:
    """Yields what one `fit` reads, and a callback for it that keeps the position.

    Args:
        batches: What is read.
        initial_epoch: int >= 0. Above 0, epoch e of the `fit` reads epoch e of the batches; 0 goes
            on where the last `fit` ended.
        steps: int > 0. Batches in an epoch of the `fit`; None reads all.
        steps_per_execution: int > 0. As the model was compiled.
    """
    if steps is None:
        epochs = _Epochs(batches, initial_epoch)
        epochs.on_epoch_begin(initial_epoch)  # Keras looks at some batches before
        yield Reading(batches, 0, len(batches)), epochs
        return
    # Of data without an end, the last execution of an epoch is as long as the others.
    steps = -(-steps // steps_per_execution) * steps_per_execution
    start = initial_epoch * steps if initial_epoch else batches.position
    batches.epoch, first = divmod(start, len(batches))
    counter = _Steps(Reading(batches, first), initial_epoch, steps)
    try:
        yield counter.reading, counter
    finally:
        # Not earlier: Keras reads ahead in a thread of its own.
        batches.position = start + counter.total
