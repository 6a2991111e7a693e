"""What callbacks remember when a training resumes: their counts, best values and best weights."""

import json
import pathlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_seq2seq.training.state_error import StateError

Memory = dict[str, dict[str, Any]]

# The attributes of Keras' callbacks that must outlive the process.
OF_KERAS = {
    keras.callbacks.EarlyStopping: (
        *("wait", "best", "best_epoch", "stopped_epoch", "best_weights"),
    ),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: (
        *("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    ),
    keras.callbacks.OrbaxCheckpoint: (
        *("best", "_batches_seen_since_last_saving", "_last_batch_seen", "_total_batches_seen"),
    ),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.TensorBoard: ("_global_train_batch", "_global_test_batch"),
}
# What Keras sets anew in each process.
PASSING = {
    *("params", "_model", "monitor_op", "validation_data", "history", "epoch"),
    *("csv_file", "writer", "keys", "append_header"),
}
FILE_SIZE = "file size"
ARRAYS = "__arrays__"


def check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Checks that what the callbacks do can resume.

    Raises:
        ValueError: If one resumes trainings of its own accord, or would empty its file.
    """
    faults = []
    for callback in callbacks:
        name = type(callback).__name__
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            faults.append(f"Leave out {name}: `resumable_fit` does what it does, step by step.")
        if isinstance(callback, keras.callbacks.CSVLogger) and not callback.append:
            faults.append(
                f"{name} must have append=True, or each start would empty its file. "
                f"Received: append=False for {callback.filename}."
            )
    if faults:
        raise ValueError("\n".join(faults))


def remember(callbacks: Sequence[keras.callbacks.Callback]) -> Memory:
    """Returns the remembered attributes of each callback, by its class and its occurrence.

    Raises:
        TypeError: If a value is neither plain (for JSON) nor an array or a list of arrays.
    """
    memory: Memory = {}
    for key, callback in _keyed(callbacks):
        values = {name: _plain(key, name, getattr(callback, name)) for name in _names(callback)}
        if isinstance(callback, keras.callbacks.CSVLogger):
            path = pathlib.Path(callback.filename)
            values[FILE_SIZE] = path.stat().st_size if path.exists() else 0
        if values:
            memory[key] = values
    return memory


def check_claims(memory: Mapping[str, Any], callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Checks that each memory has its callback.

    Raises:
        StateError: If a class in the state has more or fewer callbacks here.
    """
    kept = Counter(_class_of(key) for key in memory)
    here = Counter(type(callback).__name__ for callback in callbacks)
    odd = [
        f"{n} {name} in the state, {here[name]} here" for name, n in kept.items() if n != here[name]
    ]
    if odd:
        raise StateError(
            "A training resumes with as many callbacks of each class as it had. Received: "
            f"{'; '.join(odd)}. Pass the same callbacks, or start over with another state_path."
        )


def recall(
    memory: Mapping[str, Mapping[str, Any]], callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    """Gives callbacks what they remembered; one that the memory lacks stays as it is."""
    for key, callback in _keyed(callbacks):
        for name, value in memory.get(key, {}).items():
            if name == FILE_SIZE:
                _cut(callback, value)
            else:
                setattr(callback, name, value)


def by_occurrence(by_place: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a memory whose keys were "place class", as release 0.1.0 wrote them."""
    seen: Counter[str] = Counter()
    memory = {}
    for key in sorted(by_place, key=lambda key: int(key.split()[0])):
        memory[_key(key.split()[1], seen)] = by_place[key]
    return memory


def split_arrays(memory: Memory) -> tuple[Memory, list[np.ndarray]]:
    """Returns the memory with numbers in place of arrays, and the arrays."""
    arrays: list[np.ndarray] = []
    plain: Memory = {}
    for key, values in memory.items():
        plain[key] = {}
        for name, value in values.items():
            many = [value] if isinstance(value, np.ndarray) else value
            if _are_arrays(many):
                value = {ARRAYS: len(many), "first": len(arrays), "list": many is value}
                arrays += many
            plain[key][name] = value
    return plain, arrays


def join_arrays(plain: Memory, arrays: Sequence[np.ndarray]) -> Memory:
    """Undoes `split_arrays`."""
    memory: Memory = {}
    for key, values in plain.items():
        memory[key] = dict(values)
        for name, value in values.items():
            if isinstance(value, dict) and ARRAYS in value:
                many = list(arrays[value["first"] : value["first"] + value[ARRAYS]])
                memory[key][name] = many if value["list"] else many[0]
    return memory


class ForgottenState:
    """Finds callbacks that change attributes which no state keeps, and warns once of each.

    Args:
        callbacks: Callbacks at the start of a training. Those with an attribute `remembered`, be
            it empty, and Keras' own are known.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        unknown = [c for c in callbacks if not _is_known(c)]
        self.before = [(callback, _outline(callback)) for callback in unknown]

    def warn(self) -> None:
        """Warns of the callbacks that have changed by now."""
        for callback, before in list(self.before):
            now = _outline(callback)
            if changed := sorted(n for n in now if now[n] != before.get(n)):
                self.before = [(c, b) for c, b in self.before if c is not callback]
                name = type(callback).__name__
                warnings.warn(
                    f"The callback {name} has changed {changed}, which a resumed training would "
                    f"not know. Name them in its class (remembered = {tuple(changed)!r}), or say "
                    "that there is nothing to keep (remembered = ()).",
                    stacklevel=2,
                )


def _keyed(callbacks: Sequence[keras.callbacks.Callback]) -> list[tuple[str, Any]]:
    seen: Counter[str] = Counter()
    return [(_key(type(callback).__name__, seen), callback) for callback in callbacks]


def _key(name: str, seen: Counter[str]) -> str:
    """Returns "Class" for the first callback of a class, then "Class 2"."""
    seen[name] += 1
    return name if seen[name] == 1 else f"{name} {seen[name]}"


def _class_of(key: str) -> str:
    return key.split()[0]


def _names(callback: keras.callbacks.Callback) -> list[str]:
    """Returns the attributes to remember, those of Keras' class and those that it names."""
    of_keras = [n for kind, names in OF_KERAS.items() if isinstance(callback, kind) for n in names]
    of_keras = [name for name in of_keras if hasattr(callback, name)]
    return list(dict.fromkeys([*of_keras, *getattr(callback, "remembered", ())]))


def _is_known(callback: keras.callbacks.Callback) -> bool:
    of_keras = getattr(keras.callbacks, type(callback).__name__, None) is type(callback)
    return of_keras or hasattr(callback, "remembered")


def _plain(key: str, name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return np.array(value)
    if _are_arrays(value):
        return [np.array(array) for array in value]
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise TypeError(
            "A remembered attribute must be plain values for JSON, an array or a list of arrays. "
            f"Received: {name} of {key}, a {type(value).__name__}."
        ) from None
    return value


def _are_arrays(value: Any) -> bool:
    some = isinstance(value, list | tuple) and bool(value)
    return some and all(isinstance(item, np.ndarray) for item in value)


def _cut(logger: keras.callbacks.CSVLogger, size: int) -> None:
    """Removes the rows that a killed process wrote after its last state."""
    path = pathlib.Path(logger.filename)
    if path.exists() and path.stat().st_size > size:
        with path.open("r+b") as file:
            file.truncate(size)
        logger.append_header = size == 0


def _outline(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Returns a value for each attribute that differs if the attribute has changed."""
    of_keras = any(isinstance(callback, kind) for kind in OF_KERAS)
    hidden = {*PASSING, *_names(callback)}
    return {
        name: _print(value)
        for name, value in vars(callback).items()
        if name not in hidden and not (of_keras and name.startswith("_"))
    }


def _print(value: Any) -> Any:
    try:
        return json.dumps(value, default=id)
    except (TypeError, ValueError):
        return id(value)
