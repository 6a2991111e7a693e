"""A `fit` that resumes where it was killed and gives the same weights, bit by bit."""

import contextlib
import hashlib
import math
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_seq2seq.models.fit import check_learning_rate
from keras_seq2seq.models.replicas import check_shares
from keras_seq2seq.training.agreed_stop import AgreedStop
from keras_seq2seq.training.batch_reading import Reading
from keras_seq2seq.training.batches import PairBatches
from keras_seq2seq.training.callback_memory import ForgottenState, check_callbacks
from keras_seq2seq.training.folder_lock import locked
from keras_seq2seq.training.interruption import Interruption
from keras_seq2seq.training.processes import Processes, current_processes
from keras_seq2seq.training.time_spent import SAVING, VALIDATION, current_time_spent, spent_on
from keras_seq2seq.training.training_state import TrainingState, validation_fingerprints

LONGEST_NAME = 255  # bytes of a file name


class TrainingDiverged(ArithmeticError):
    """The loss or a weight is no longer finite; the last good state is kept."""


def resumable_fit(
    model: keras.Model,
    batches: PairBatches,
    *,
    epochs: int,
    state_path: str | pathlib.Path,
    save_every: int = 500,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Fits a compiled model; if it is killed at any step, the next call resumes from its state.

    On a CPU the result is the same, bit by bit, as without the kill: the state holds the weights,
    optimizer, schedule, dropout seeds and the position in the data. Keras' callbacks resume too
    (BackupAndRestore is refused, CSVLogger must append). One of your own resumes if its class names
    in `remembered` the attributes to keep: plain values for JSON, arrays or lists of arrays; with
    `remembered = ()` it says that there are none. A warning tells of what would be forgotten.

    In several processes (`initialize_processes`) all call it alike, and process 0 alone writes the
    state, which all read: name a place on a file system that they share. A signal to one of them
    stops all after the same step. Callbacks of yours that write files should do so in process 0.

    Args:
        model: Compiled. If there is a state, the model gets its weights.
        batches: The training data.
        epochs: int > 0. Total number of epochs, including those before the kill.
        state_path: The file of the state; each new state replaces the whole file. A lock file
            beside it keeps a second process away.
        save_every: int > 0. Steps between two states within an epoch; each epoch ends with one,
            and one more comes before its last step: no step is lost with its evaluation.
        validation_data: As for keras.Model.fit. `PairBatches` must hold the same pairs after a
            kill.
        callbacks: As for keras.Model.fit.
        verbose: As for keras.Model.fit, but "auto" is one line per epoch where standard output is
            neither a terminal nor a notebook.
    Returns:
        The history of the epochs that this call completed.
    Raises:
        BlockingIOError: If another process trains with this state.
        ProcessError: If the processes of the training do not do the same.
        StateError: If the state is damaged, belongs to another training, or remembers a callback
            that is not passed.
        ValueError: If a number is not positive or a callback cannot be resumed.
        TrainingDiverged: If the loss or a weight becomes NaN or infinite; the last good state is
            kept.
        KeyboardInterrupt: After Ctrl-C, as soon as a step has ended and its state is saved, or at
            once in the evaluation of an epoch; `Terminated`, a subclass, after SIGTERM.
    """
    if save_every < 1 or epochs < 1:
        raise ValueError(
            f"`epochs` and `save_every` must be at least 1. Received: {epochs} and {save_every}."
        )
    check_callbacks(callbacks)
    check_learning_rate(model, callbacks)
    path = pathlib.Path(state_path)
    processes = current_processes()
    check_shares(batches)
    with contextlib.ExitStack() as held:
        if processes.several and not processes.watching:
            held.enter_context(processes.at_work())
        if processes.writes:
            held.enter_context(locked(_lock(path), f"the training state {path}"))
        return _resumed_fit(
            model, batches, epochs, path, save_every, validation_data, callbacks, verbose
        )


def _resumed_fit(
    model: keras.Model,
    batches: PairBatches,
    epochs: int,
    path: pathlib.Path,
    save_every: int,
    validation_data: Any,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: str | int,
) -> keras.callbacks.History:
    processes = current_processes()
    state = TrainingState.load(path) if path.exists() else None
    kept = state.validation if state else None
    validation = validation_fingerprints(validation_data, callbacks, kept)
    processes.agree(
        "training",
        {
            "state": (state.epoch, state.batch, state.fingerprint) if state else None,
            "batches": batches.fingerprint,
            "validation": validation,
            "epochs": epochs,
            "save_every": save_every,
        },
    )
    interruption = Interruption()
    keeper = _StateKeeper(
        path, save_every, batches, callbacks, state, interruption, validation, processes
    )
    if state is not None:
        state.check(model, batches.fingerprint_like(state.fingerprint), callbacks, validation)
        state.restore(model)
        if state.metrics:
            model.test_on_batch(*batches.batch(0, 0))  # creates the variables of the metrics
    epoch, first = (state.epoch, state.batch) if state else (0, 0)
    listed = _LastingCallbacks(
        [keeper.watch, *callbacks, keeper],
        add_history=True,
        add_progbar=verbose != 0 and processes.writes,
        model=model,
        verbose=_verbose() if verbose == "auto" else verbose,
        epochs=epochs,
        steps=len(batches),
    )
    if isinstance(validation_data, PairBatches):
        validation_data = validation_data.read_by_evaluate()
    # `batches` sets the order; Keras would shuffle it again with Python's random generator.
    options = {"validation_data": validation_data, "callbacks": listed, "shuffle": False}
    if state is not None and state.stopped:
        epoch, first = epochs, 0
    with interruption:
        return _fit(model, batches, listed, epoch, first, epochs, options)


def _fit(
    model: keras.Model,
    batches: PairBatches,
    listed: "_LastingCallbacks",
    epoch: int,
    first: int,
    epochs: int,
    options: dict[str, Any],
) -> keras.callbacks.History:
    """Fits from batch `first` of an epoch; takes two calls of `fit` if `first` is not 0."""
    batches.epoch = epoch
    if first:
        listed.first_batch = first
        with _without_final_average(model.optimizer):
            rest = Reading(batches, first, len(batches) - first)
            model.fit(rest, initial_epoch=epoch, epochs=epoch + 1, **options)
        listed.first_batch = 0
        epoch = epochs if model.stop_training else epoch + 1
    if epoch < epochs:
        whole = Reading(batches, 0, len(batches))
        model.fit(whole, initial_epoch=epoch, epochs=epochs, **options)
    elif first:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    else:
        listed.on_train_begin()
    listed.finish()
    return listed.get_history()


class _LastingCallbacks(keras.callbacks.CallbackList):
    """Callbacks that see several calls of `fit` as a single one.

    Args:
        As for keras.callbacks.CallbackList.
    """

    first_batch = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._spent = current_time_spent()
        self._begun = False
        self._last_logs: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        if not self._begun:
            self._begun = True
            super().on_train_begin(logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_begin(self.first_batch + batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(self.first_batch + batch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._spent.begin(VALIDATION)
        super().on_test_begin(logs)

    def on_test_end(self, logs: Any = None) -> None:
        super().on_test_end(logs)
        self._spent.end()

    def on_train_end(self, logs: Any = None) -> None:
        self._last_logs = logs

    def finish(self) -> None:
        """Tells the callbacks that the training has ended."""
        if self._begun:
            super().on_train_end(self._last_logs)

    def get_history(self) -> keras.callbacks.History:
        """Returns the losses and metrics of the epochs."""
        return next(c for c in self.callbacks if isinstance(c, keras.callbacks.History))


class _Watch(keras.callbacks.Callback):
    """Stops the training at the first loss that is not finite, before other callbacks see it."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise _diverged(f"the loss is {loss}", self.epoch, batch)


class _StateKeeper(keras.callbacks.Callback):
    """Saves the state every few steps and after each epoch; restores that of the callbacks."""

    def __init__(
        self,
        path: pathlib.Path,
        every: int,
        batches: PairBatches,
        callbacks: Sequence[keras.callbacks.Callback],
        state: TrainingState | None,
        interruption: Interruption,
        validation: dict[str, str],
        processes: Processes,
    ) -> None:
        super().__init__()
        self.processes = processes
        self.stop = AgreedStop(interruption, processes)
        self.path = path
        self.every = every
        self.batches = batches
        self.callbacks = callbacks
        self.state = state
        self.validation = validation
        self.watch = _Watch()
        self.epoch = 0
        self.saved = state.batch if state else 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Called after the other callbacks, which reset themselves in this method.
        if self.state is not None:
            self.state.remind(self.callbacks)
        self.forgotten = ForgottenState(self.callbacks)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = self.batches.epoch = epoch
        if self.state is not None and self.state.batch:
            # Callbacks have just begun this epoch a second time; LearningRateScheduler acts then.
            self.state.restore(self.model)
            self.state.remind(self.callbacks)
            # `fit` has just reset them.
            for variable, value in zip(
                self.model.metrics_variables, self.state.metrics, strict=True
            ):
                variable.assign(value)
        self.state = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        done = batch + 1
        left = len(self.batches) - done
        is_last = left <= self.model.steps_per_execution
        is_due = done // self.every > self.saved // self.every or is_last
        stops = self.stop.comes()
        if left > 0 and (is_due or stops):
            self._save(self.epoch, done)
            self.stop.check()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.processes.several:
            float((logs or {}).get("loss", 0.0))  # no process runs ahead of the others
        self.stop.comes()
        self.stop.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.batches.epoch = epoch + 1
        self._save(epoch + 1, 0)
        self.stop.comes()
        self.stop.check()

    def _save(self, epoch: int, batch: int) -> None:
        self.forgotten.warn()
        with spent_on(SAVING):
            if self.processes.writes:
                self._write(epoch, batch)
            self.processes.wait("the saved state")
        self.saved = batch

    def _write(self, epoch: int, batch: int) -> None:
        fingerprint = self.batches.fingerprint
        state = TrainingState.of(
            self.model, epoch, batch, fingerprint, self.callbacks, self.validation
        )
        if not state.is_finite():
            last = (batch or len(self.batches)) - 1
            raise _diverged("some weights are not finite", self.epoch, last)
        state.save(self.path)


def _lock(path: pathlib.Path) -> pathlib.Path:
    """Returns the lock file of a state, whose name may be as long as names can be."""
    name = f".lock-{path.name}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".lock-{hashlib.sha256(os.fsencode(path.name)).hexdigest()}"
    return path.with_name(name)


def _verbose() -> int:
    """Returns 1, a bar, where one can be drawn; else 2, a line per epoch."""
    is_terminal = getattr(sys.stdout, "isatty", bool)()
    drawn = is_terminal or "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ
    return 1 if drawn else 2


def _diverged(what: str, epoch: int, batch: int) -> TrainingDiverged:
    """Returns the error for a training that diverged; `epoch` and `batch` count from 0."""
    return TrainingDiverged(
        f"Training diverged: {what} at epoch {epoch + 1}, step {batch + 1}; the state and the "
        "model saved before it are kept. Train in another folder with a lower learning_rate or "
        "clip_norm or more warmup_steps, from the kept model (--fine-tune) or from the start."
    )


@contextlib.contextmanager
def _without_final_average(optimizer: Any) -> Iterator[None]:
    """Stops `fit` from replacing the weights with their moving average before the end."""
    original = optimizer.finalize_variable_values
    optimizer.finalize_variable_values = lambda *arguments: None
    try:
        yield
    finally:
        optimizer.finalize_variable_values = original
