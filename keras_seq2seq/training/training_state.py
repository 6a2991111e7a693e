"""The complete state of a training at one step, in one file that is never incomplete."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_seq2seq.file_formats.npz_file import read_npz
from keras_seq2seq.training.callback_memory import (
    by_occurrence,
    check_claims,
    join_arrays,
    recall,
    remember,
    split_arrays,
)
from keras_seq2seq.training.devices import local_variables
from keras_seq2seq.training.state_error import StateError as StateError
from keras_seq2seq.whole_file import whole_file

FORMAT_VERSION = 2
# Version 1 has the memory of callbacks by their place in the list.
BY_PLACE = 1
META = "meta"
WEIGHTS_SUFFIX = ".weights.h5"  # of a file with the weights of one epoch


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
        callbacks: Remembered attributes of each callback, by its class and its occurrence.
        stopped: True if a callback ended the training.
        validation: Fingerprint of what each judge of the epochs looks at; earlier releases kept
            none.
    """

    epoch: int
    batch: int
    fingerprint: str
    backend: str
    names: tuple[str, ...]
    variables: tuple[np.ndarray, ...]
    metrics: tuple[np.ndarray, ...]
    callbacks: dict[str, dict[str, Any]]
    stopped: bool = False
    validation: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def save(self, path: pathlib.Path) -> None:
        """Writes the state to a file that is never incomplete."""
        values = dataclasses.asdict(self)
        arrays = {f"variable_{i}": v for i, v in enumerate(values.pop("variables"))}
        arrays |= {f"metric_{i}": v for i, v in enumerate(values.pop("metrics"))}
        values["callbacks"], remembered = split_arrays(self.callbacks)
        arrays |= {f"remembered_{i}": _storable(v) for i, v in enumerate(remembered)}
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
            remembered = _ordered(arrays, "remembered")
            values["callbacks"] = join_arrays(values["callbacks"], remembered)
            variables, metrics = _ordered(arrays, "variable"), _ordered(arrays, "metric")
            state = cls(variables=variables, metrics=metrics, **values)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
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
        validation: Mapping[str, str] | None = None,
    ) -> "TrainingState":
        """Returns the state of a compiled model between two batches.

        Args:
            model: Built and compiled.
            epoch: int >= 0. Epochs completed.
            batch: int >= 0. Batches completed in the current epoch.
            fingerprint: Fingerprint of the batches.
            callbacks: All callbacks; see `callback_memory` for what is kept of them.
            validation: What `validation_fingerprints` returned.
        """
        variables = _variables(model)
        with local_variables(model):
            values = tuple(_value(variable) for variable in variables)
            metrics = tuple(_value(v) for v in model.metrics_variables) if batch else ()
        return cls(
            epoch=epoch,
            batch=batch,
            fingerprint=fingerprint,
            backend=keras.backend.backend(),
            names=tuple(variable.path for variable in variables),
            variables=values,
            metrics=metrics,
            callbacks=remember(callbacks),
            stopped=bool(model.stop_training),
            validation=validation or {},
        )

    def __repr__(self) -> str:
        said = f"epoch={self.epoch}, batch={self.batch}, {len(self.variables)} variables"
        return f"TrainingState({said}, callbacks={sorted(self.callbacks)}, stopped={self.stopped})"

    def is_finite(self) -> bool:
        """Returns True if every number of the model and the optimizer is finite."""
        floats = (v for v in self.variables if v.dtype.kind not in "iub")
        return all(np.isfinite(v.astype("float32")).all() for v in floats)

    def remind(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Restores what callbacks remembered; a callback that the state lacks stays as it is."""
        recall(self.callbacks, callbacks)

    def check(
        self,
        model: keras.Model,
        fingerprint: str,
        callbacks: Sequence[keras.callbacks.Callback],
        validation: Mapping[str, str] | None = None,
    ) -> None:
        """Checks that a training can resume from this state; changes nothing.

        Raises:
            StateError: If the state belongs to another model, optimizer, backend, other data or
                other callbacks, or its epochs were judged on other pairs.
        """
        here = [(v.path, tuple(v.shape)) for v in _variables(model)]
        kept = [(n, v.shape) for n, v in zip(self.names, self.variables, strict=True)]
        faults = []
        if self.backend != keras.backend.backend():
            faults.append(f"the backend {self.backend}, not {keras.backend.backend()}")
        if self.fingerprint != fingerprint:
            faults.append("other pairs, tokenizers, batch sizes or seed")
        given = validation or {}
        other = [n for n, value in self.validation.items() if given.get(n, value) != value]
        if other:
            faults.append(f"other validation pairs ({', '.join(other)})")
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
        check_claims(self.callbacks, callbacks)

    def restore(self, model: keras.Model) -> None:
        """Sets model and optimizer to the values of this state, which `check` has accepted."""
        for variable, value in zip(_variables(model), self.variables, strict=True):
            variable.assign(value)


def validation_fingerprints(
    validation_data: Any,
    callbacks: Sequence[keras.callbacks.Callback],
    kept: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Returns the fingerprint of what decides which epoch is best, by its name.

    Args:
        validation_data: As for keras.Model.fit; what has no `fingerprint` is not known.
        callbacks: All callbacks; those with a `fingerprint` judge epochs.
        kept: Those of a state; of batches, fingerprints by the same rule are returned.
    """
    judges = {type(callback).__name__: callback for callback in callbacks}
    named = {"validation_data": validation_data, **judges}
    found = {name: getattr(judge, "fingerprint", None) for name, judge in named.items()}
    for name, value in (kept or {}).items():
        if (like := getattr(named.get(name), "fingerprint_like", None)) is not None:
            found[name] = like(value)
    return {name: value for name, value in found.items() if isinstance(value, str)}


@dataclasses.dataclass(frozen=True)
class StateSummary:
    """What the file of a state says of a run, read without the variables.

    Args:
        epoch: int >= 0. Epochs completed.
        epoch_files: Names of the files of weights that an average needs.
        knows_validation: True if it knows the validation pairs.
    """

    epoch: int
    epoch_files: tuple[str, ...]
    knows_validation: bool

    @classmethod
    def read(cls, path: pathlib.Path) -> "StateSummary":
        """Reads the file of a state.

        Raises:
            StateError: As for `TrainingState.load`.
        """
        meta = _meta(_read(path, [META]), path)
        remembered = meta["callbacks"].items()
        numbers = [n for k, v in remembered if "KeepEpochs" in k for n in v.get("values", ())]
        files = tuple(weights_file(int(number)) for number in numbers)
        return cls(int(meta["epoch"]), files, bool(meta.get("validation")))


def weights_file(epoch: int) -> str:
    """Returns the name of the file with the weights of an epoch, counted from 1."""
    return f"{epoch:04d}{WEIGHTS_SUFFIX}"


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
    if version not in (BY_PLACE, FORMAT_VERSION):
        raise StateError(
            f"A training state must have format version {BY_PLACE} or {FORMAT_VERSION}. "
            f"Received: {version!r} in {path}; start over with --force (force=True)."
        )
    if not isinstance(values.get("epoch"), int):
        raise _unreadable(path, f"the epoch is {values.get('epoch')!r}")
    if version == BY_PLACE:
        values["callbacks"] = by_occurrence(values["callbacks"])
    return values


def _unreadable(path: pathlib.Path, why: str) -> StateError:
    return StateError(
        f"The training state {path} cannot be read ({why}): it is damaged or cut off. Start "
        "over with --force (force=True)."
    )


def _variables(model: keras.Model) -> list[Any]:
    """Returns the variables of model and optimizer, each once, in a fixed order."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    unique = {id(v): v for v in (*model.variables, *model.optimizer.variables)}
    return list(unique.values())


def _value(variable: Any) -> np.ndarray:
    return _storable(keras.ops.convert_to_numpy(variable))


def _storable(value: np.ndarray) -> np.ndarray:
    # NumPy's files have no bfloat16; float32 holds it exactly.
    return value if value.dtype.kind in "fiub" else value.astype("float32")


def _ordered(arrays: dict[str, np.ndarray], kind: str) -> tuple[np.ndarray, ...]:
    count = sum(name.startswith(f"{kind}_") for name in arrays)
    return tuple(arrays[f"{kind}_{i}"] for i in range(count))
