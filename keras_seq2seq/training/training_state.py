"""The complete state of a training at one step, in one file that is never incomplete."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_seq2seq.file_formats.npz_file import read_npz
from keras_seq2seq.whole_file import whole_file

FORMAT_VERSION = 1
META = "meta"


class StateError(ValueError):
    """A state that cannot be read, or belongs to another training."""


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """The state of a training between two batches.

    Args:
        epoch: int >= 0. Epochs completed.
        batch: int >= 0. Batches completed in the current epoch.
        fingerprint: Identifies the data and the order of the batches.
        backend: Keras backend that trained.
        names: Name of each variable of model and optimizer, in order.
        variables: Value of each variable; the dropout seeds are among them.
        metrics: Values of the metric variables in the middle of an epoch; empty at its start.
        callbacks: Remembered attributes of each callback, by its position and its class.
        stopped: True if a callback ended the training.
    """

    epoch: int
    batch: int
    fingerprint: str
    backend: str
    names: tuple[str, ...]
    variables: tuple[np.ndarray, ...]
    metrics: tuple[np.ndarray, ...]
    callbacks: Mapping[str, Mapping[str, Any]]
    stopped: bool = False

    def save(self, path: pathlib.Path) -> None:
        """Writes the state to a file that is never incomplete."""
        values = dataclasses.asdict(self)
        arrays = {f"variable_{i}": v for i, v in enumerate(values.pop("variables"))}
        arrays |= {f"metric_{i}": v for i, v in enumerate(values.pop("metrics"))}
        meta = json.dumps({"format_version": FORMAT_VERSION, **values}).encode()
        arrays[META] = np.frombuffer(meta, "uint8")
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: pathlib.Path) -> "TrainingState":
        """Reads what `save` wrote.

        Raises:
            StateError: If the file is damaged or has another format.
        """
        arrays = _read(path)
        values = _meta(arrays, path)
        try:
            values["names"] = tuple(values["names"])
            variables, metrics = _ordered(arrays, "variable"), _ordered(arrays, "metric")
            state = cls(variables=variables, metrics=metrics, **values)
        except (KeyError, TypeError) as error:
            raise _unreadable(path, f"a part is missing or unknown: {error}") from None
        if len(state.names) != len(variables):
            raise _unreadable(path, f"{len(state.names)} names, {len(variables)} variables")
        return state

    @classmethod
    def of(
        cls,
        model: keras.Model,
        epoch: int,
        batch: int,
        fingerprint: str,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> "TrainingState":
        """Returns the state of a compiled model between two batches.

        Args:
            model: Built and compiled.
            epoch: int >= 0. Epochs completed.
            batch: int >= 0. Batches completed in the current epoch.
            fingerprint: Fingerprint of the batches.
            callbacks: All callbacks; the attributes that they name in `remembered` are kept.
        """
        variables = _variables(model)
        return cls(
            epoch=epoch,
            batch=batch,
            fingerprint=fingerprint,
            backend=keras.backend.backend(),
            names=tuple(variable.path for variable in variables),
            variables=tuple(_value(variable) for variable in variables),
            metrics=tuple(_value(v) for v in model.metrics_variables) if batch else (),
            callbacks={
                key: {name: getattr(callback, name) for name in callback.remembered}
                for key, callback in _keyed(callbacks)
            },
            stopped=bool(model.stop_training),
        )

    def is_finite(self) -> bool:
        """Returns True if every number of the model and the optimizer is finite."""
        floats = (v for v in self.variables if v.dtype.kind not in "iub")
        return all(np.isfinite(v.astype("float32")).all() for v in floats)

    def remind(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Restores what callbacks remembered; a callback that the state lacks stays as it is."""
        for key, callback in _keyed(callbacks):
            for name, value in self.callbacks.get(key, {}).items():
                setattr(callback, name, value)

    def restore(self, model: keras.Model, fingerprint: str) -> None:
        """Sets model and optimizer to the values of this state.

        Raises:
            StateError: If the state belongs to another model, optimizer, backend or other data;
                then nothing is changed.
        """
        variables = _variables(model)
        here = [(v.path, tuple(v.shape)) for v in variables]
        kept = [(n, v.shape) for n, v in zip(self.names, self.variables, strict=True)]
        faults = []
        if self.backend != keras.backend.backend():
            faults.append(f"the backend {self.backend}, not {keras.backend.backend()}")
        if self.fingerprint != fingerprint:
            faults.append("other pairs, tokenizers, batch sizes or seed")
        if [shape for _, shape in here] != [shape for _, shape in kept]:
            both = zip(kept, here, strict=False)
            odd = [f"{a} in the state, {b} here" for a, b in both if a != b]
            counts = f"{len(kept)} variables in the state, {len(here)} here"
            faults.append(f"another model or optimizer ({odd[0] if odd else counts})")
        if faults:
            raise StateError(
                "A training can resume only from its own state. Received: the state of a training "
                f"with {'; '.join(faults)}. Use another folder, or start over with --force "
                "(force=True)."
            )
        for variable, value in zip(variables, self.variables, strict=True):
            variable.assign(value)


def completed_epochs(path: pathlib.Path) -> int:
    """Returns the number of completed epochs in the file of a state.

    Raises:
        StateError: As for `TrainingState.load`.
    """
    return int(_meta(_read(path, [META]), path)["epoch"])


def _read(path: pathlib.Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    try:
        return read_npz(path, names)
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from None


def _meta(arrays: Mapping[str, np.ndarray], path: pathlib.Path) -> dict[str, Any]:
    try:
        values = json.loads(arrays[META].tobytes())
        version = values.pop("format_version", None)
    except (KeyError, ValueError, AttributeError, RecursionError) as error:
        raise _unreadable(path, repr(error)) from None
    if version != FORMAT_VERSION:
        raise StateError(
            f"A training state must have format version {FORMAT_VERSION}. "
            f"Received: {version!r} in {path}; start over with --force (force=True)."
        )
    if not isinstance(values.get("epoch"), int):
        raise _unreadable(path, f"the epoch is {values.get('epoch')!r}")
    return values


def _unreadable(path: pathlib.Path, why: str) -> StateError:
    return StateError(
        f"The training state {path} cannot be read ({why}): it is damaged or cut off. Start "
        "over with --force (force=True)."
    )


def _keyed(callbacks: Sequence[keras.callbacks.Callback]) -> list[tuple[str, Any]]:
    """Returns the callbacks that have something to remember, each with its key."""
    keyed = [(f"{i} {type(c).__name__}", c) for i, c in enumerate(callbacks)]
    return [(key, c) for key, c in keyed if getattr(c, "remembered", ())]


def _variables(model: keras.Model) -> list[Any]:
    """Returns the variables of model and optimizer, each once, in a fixed order."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    unique = {id(v): v for v in (*model.variables, *model.optimizer.variables)}
    return list(unique.values())


def _value(variable: Any) -> np.ndarray:
    # NumPy's files have no bfloat16; float32 holds it exactly.
    value = keras.ops.convert_to_numpy(variable)
    return value if value.dtype.kind in "fiub" else value.astype("float32")


def _ordered(arrays: dict[str, np.ndarray], kind: str) -> tuple[np.ndarray, ...]:
    count = sum(name.startswith(f"{kind}_") for name in arrays)
    return tuple(arrays[f"{kind}_{i}"] for i in range(count))
