"""What `fit` and `evaluate` of a model do beside those of Keras."""

import contextlib
import inspect
import reprlib
from collections.abc import Iterator
from functools import wraps
from typing import Any

import keras

from keras_seq2seq.models.freed_memory import FreedMemory
from keras_seq2seq.models.replicas import check_one_replica, check_shares


class Fit:
    """`fit` and `evaluate` over data that knows its epochs, on one replica.

    Such data (`PairBatches`) has `read_by_fit` and `read_by_evaluate`. What a step frees stays for
    the next one (`FreedMemory`). Put this class before keras.Model among the bases.
    """

    steps_per_execution: int

    @wraps(keras.Model.fit, assigned=())
    def fit(self, *arguments: Any, **options: Any) -> Any:
        """Trains as keras.Model.fit does, and lets the data go on through its epochs.

        Raises:
            ValueError: If options of `fit` contradict the data, or there are several replicas.
        """
        original = super().fit  # type: ignore[misc]
        check_one_replica(self)
        given = inspect.signature(original).bind(*arguments, **options).arguments
        check_learning_rate(self, given.get("callbacks"))
        for data in (given.get("x"), given.get("validation_data")):
            check_shares(data)
        given["validation_data"] = _still(given.get("validation_data"))
        batches: Any = given.get("x")
        if isinstance(batches, list | tuple) and batches and _holds_text(batches[0]):
            raise ValueError(
                "`fit` takes batches of ids, not texts. Received: a "
                f"{type(batches).__name__} of {len(batches)} with {reprlib.repr(batches[0])}; "
                "make batches of pairs with PairBatches(pairs, tokenizers)."
            )
        added: list[keras.callbacks.Callback] = [FreedMemory()]
        with contextlib.ExitStack() as held:
            if hasattr(batches, "read_by_fit"):
                _check_habits(given)
                steps = given.get("steps_per_epoch")
                executed = self.steps_per_execution if getattr(self, "compiled", False) else 1
                reading = batches.read_by_fit(given.get("initial_epoch", 0), steps, executed)
                data, keeper = held.enter_context(reading)
                given |= {"x": data, "shuffle": False}
                added.append(keeper)
            _build_optimizer(self)
            given["callbacks"] = held.enter_context(_added(given.get("callbacks"), added))
            return original(**given)

    @wraps(keras.Model.evaluate, assigned=())
    def evaluate(self, x: Any = None, *arguments: Any, **options: Any) -> Any:
        """Evaluates as keras.Model.evaluate does; the epoch of the data stays.

        Raises:
            ValueError: If there are several replicas that a strategy of TensorFlow would train, or
                the batches do not fit the devices.
        """
        original = super().evaluate  # type: ignore[misc]
        check_one_replica(self)
        check_shares(x)
        bound = inspect.signature(original).bind(_still(x), *arguments, **options)
        with _added(bound.arguments.get("callbacks"), [FreedMemory()]) as callbacks:
            bound.arguments["callbacks"] = callbacks
            return original(*bound.args, **bound.kwargs)

    @wraps(keras.Model.train_on_batch, assigned=())
    def train_on_batch(self, *arguments: Any, **options: Any) -> Any:
        """Trains on one batch: keras.Model.train_on_batch.

        Raises:
            ValueError: If there are several replicas.
        """
        check_one_replica(self)
        return super().train_on_batch(*arguments, **options)  # type: ignore[misc]

    @wraps(keras.Model.test_on_batch, assigned=())
    def test_on_batch(self, *arguments: Any, **options: Any) -> Any:
        """Evaluates one batch: keras.Model.test_on_batch.

        Raises:
            ValueError: If there are several replicas.
        """
        check_one_replica(self)
        return super().test_on_batch(*arguments, **options)  # type: ignore[misc]


def _build_optimizer(model: Any) -> None:
    """Makes the optimizer's variables now: TensorFlow traces a step that makes them twice."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built and model.built:
        optimizer.build(model.trainable_variables)


def check_learning_rate(model: Any, callbacks: Any) -> None:
    """Checks that no callback wants to set a learning rate that a schedule sets.

    Raises:
        ValueError: If one does; Keras would stop the training when that callback first acts.
    """
    optimizer = getattr(model, "optimizer", None)
    schedule = getattr(optimizer, "_learning_rate", None)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return
    kinds = keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler
    listed = keras.tree.flatten(getattr(callbacks, "callbacks", callbacks))
    if odd := [type(callback).__name__ for callback in listed if isinstance(callback, kinds)]:
        raise ValueError(
            "A callback can change the learning rate only if the optimizer has a number, not a "
            f"schedule. Received: {', '.join(odd)} and {type(schedule).__name__}; leave out one."
        )


def _check_habits(given: dict[str, Any]) -> None:
    """Refuses options of `fit` that Keras would leave unsaid or explain by other data."""
    faults = []
    if given.get("batch_size") is not None:
        faults.append(
            "`batch_size` must be left out: the batches are made already; their size is "
            f"`tokens_per_batch`. Received: {given['batch_size']}."
        )
    if given.get("validation_split"):
        faults.append(
            "`validation_split` must be left out: pass other batches as `validation_data`. "
            f"Received: {given['validation_split']}."
        )
    if (steps := given.get("steps_per_epoch")) is not None and steps < 1:
        faults.append(f"`steps_per_epoch` must be at least 1. Received: {steps}.")
    if faults:
        raise ValueError("\n".join(faults))


def _holds_text(row: Any) -> bool:
    parts = row.values() if isinstance(row, dict) else row
    return isinstance(row, str) or (
        isinstance(row, list | tuple | dict) and all(isinstance(part, str) for part in parts)
    )


def _still(data: Any) -> Any:
    """Returns data that reading leaves as it is."""
    return data.read_by_evaluate() if hasattr(data, "read_by_evaluate") else data


@contextlib.contextmanager
def _added(callbacks: Any, more: list[keras.callbacks.Callback]) -> Iterator[Any]:
    """Yields callbacks of `fit` or `evaluate` with more, first."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        yield [*more, *(keras.tree.flatten(callbacks) if callbacks else [])]
        return
    callbacks.callbacks[:0] = more
    try:
        yield callbacks
    finally:
        for one in more:
            callbacks.callbacks.remove(one)
