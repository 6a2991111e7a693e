"""Averages the weights of several epochs of a run."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_seq2seq.seq2seq import load_model
from keras_seq2seq.training.callbacks import save_model
from keras_seq2seq.training.devices import local_variables
from keras_seq2seq.training.history import read_history
from keras_seq2seq.training.recipe import read_settings
from keras_seq2seq.training.recipe_sections import METRICS
from keras_seq2seq.training.run_folder import RunFolder
from keras_seq2seq.training.time_spent import SAVING, spent_on
from keras_seq2seq.training.training_state import WEIGHTS_SUFFIX, weights_file
from keras_seq2seq.whole_file import whole_file


class KeepEpochs(keras.callbacks.Callback):
    """Keeps the weights of the last or the best epochs as Keras weight files, to average them.

    Args:
        folder: Folder of the files; the seventh epoch is `0007.weights.h5`.
        count: int > 0. Number of epochs to keep.
        monitor: Name of the logged value that ranks the epochs; None keeps the last epochs.
        mode: "max" if a high value is good, "min" if a low one is.
        writes: False touches no file, in a process beside the one that does.
    """

    remembered = ("values",)

    def __init__(
        self,
        folder: pathlib.Path,
        count: int,
        monitor: str | None = None,
        mode: str = "max",
        *,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.writes = writes
        self.folder = folder
        self.count = count
        self.monitor = monitor
        self.sign = 1 if mode == "max" else -1
        self.values: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self.sign * (logs or {})[self.monitor] if self.monitor else epoch
        before = set(self.values)
        self.values = {**self.values, str(epoch + 1): float(value)}
        best = sorted(self.values, key=lambda name: (self.values[name], int(name)))[-self.count :]
        self.values = {name: self.values[name] for name in best}
        if not self.writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if str(epoch + 1) in best:
            path = self.folder / weights_file(epoch + 1)
            with spent_on(SAVING), whole_file(path) as partial, local_variables(self.model):
                self.model.save_weights(partial)
        # The state on the disk still needs those of `before`: after a kill it continues with them.
        self._keep_only(before | set(best))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._keep_only(set(self.values))

    def _keep_only(self, epochs: set[str]) -> None:
        for path in epoch_files(self.folder) if self.writes else ():
            if str(_epoch(path)) not in epochs:
                path.unlink()

    def paths(self) -> list[pathlib.Path]:
        """Returns the files of the kept epochs, in the order of the epochs."""
        return [self.folder / weights_file(int(name)) for name in sorted(self.values, key=int)]


def epoch_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the weight files of single epochs in a folder, in the order of the epochs."""
    return sorted(folder.glob(f"[0-9]*{WEIGHTS_SUFFIX}"), key=_epoch)


def choose_epochs(
    paths: Sequence[pathlib.Path], count: int, values: Sequence[float] | None, mode: str = "max"
) -> list[pathlib.Path]:
    """Returns the files of the last epochs, or of the best.

    Args:
        paths: What `epoch_files` returned.
        count: int > 0. Number of epochs.
        values: Metric of each epoch of the run, from the first one on; None takes the last epochs.
        mode: "max" if a high value is good, "min" if a low one is.
    Raises:
        ValueError: If `count` is not positive or there are fewer files.
    """
    if not 0 < count <= len(paths):
        raise ValueError(
            "An average needs at least one epoch, and at most as many as the run has kept. "
            f"Received: {count} of {len(paths)}; a run keeps as many epochs as "
            "training.average_last or training.average_best says."
        )
    if values is None:
        return list(paths[-count:])
    sign = 1 if mode == "max" else -1
    best = sorted(paths, key=lambda path: (sign * values[_epoch(path) - 1], _epoch(path)))[-count:]
    return sorted(best, key=_epoch)


def average(model: keras.Model, paths: Sequence[pathlib.Path]) -> None:
    """Sets the trainable weights of a model to their mean over files of weights.

    Args:
        model: A model with the configuration of the one that saved the weights.
        paths: Files that keras.Model.save_weights wrote; at least one.
    Reference:
        Vaswani et al. 2017, section 6.1.
    """
    sums: list[np.ndarray] = []
    for path in paths:
        model.load_weights(path)
        found = [keras.ops.convert_to_numpy(w).astype("float64") for w in model.trainable_weights]
        sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
    for weight, total in zip(model.trainable_weights, sums, strict=True):
        weight.assign((total / len(paths)).astype("float32"))


def average_run(
    run: RunFolder, path: pathlib.Path, count: int, *, by_metric: bool = False
) -> list[int]:
    """Averages epochs of a run, writes a `.keras` file and returns the numbers of the epochs.

    Args:
        run: The run, finished or not.
        path: The file to write.
        count: int > 0. Number of epochs.
        by_metric: True takes the best epochs by the recipe's metric; False takes the last.
    Raises:
        ValueError: If the run kept fewer epochs.
        FileNotFoundError: If the folder holds no run.
    """
    if not run.model.exists():
        raise FileNotFoundError(f"No model.keras in {run.path}; name the folder of a run.")
    metric = read_settings(run.recipe)["training.metric"]
    values = read_history(run.history)[f"val_{metric}"] if by_metric else None
    paths = choose_epochs(epoch_files(run.epochs), count, values, METRICS[metric])
    model = load_model(run.model, compile=False)
    average(model, paths)
    save_model(model, path)
    return [_epoch(path) for path in paths]


def _epoch(path: pathlib.Path) -> int:
    return int(path.name.removesuffix(WEIGHTS_SUFFIX))
