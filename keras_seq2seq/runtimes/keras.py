"""Runs a Seq2Seq model in Keras: the reference for every other runtime."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_seq2seq.decoding.graph.search_model import search_models
from keras_seq2seq.decoding.graph.translate import step_log_probs, translate
from keras_seq2seq.decoding.hypothesis import Arrays
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.models.contract import (
    TrainedModel,
    source_names,
    state_names,
    target_vocabulary_size,
)
from keras_seq2seq.runtimes.process import check_started_here, started
from keras_seq2seq.runtimes.runtime import Runtime

FORKED_BADLY = ("tensorflow", "jax")  # their threads are missed by every model in a forked process
_SOURCES = keras.KerasTensor((None, None), "int32")


class KerasRuntime(Runtime):
    """Runs the model itself, on any Keras backend, with any search in its graph.

    Args:
        model: The trained model.
        max_length: int > 0. Longest translation of `search` in tokens, eos included.
        shortlist: Candidates that `search` chooses from; with None it chooses from all ids.
    Raises:
        RuntimeError: If the process was forked after TensorFlow or JAX had run a model, here or in
            any later call.
    """

    name = "keras"
    compiles_searches = True

    def __init__(
        self, model: TrainedModel, max_length: int, shortlist: Shortlist | None = None
    ) -> None:
        self._check_process()
        started(keras.backend.backend())
        self.model = model
        self.max_length = max_length
        self.state_names = state_names(model.decoder)
        self.source_names = source_names(model.decoder)
        self._encode = _compiled(model, model.encoder, _SOURCES)
        self._step = _compiled(model, model.decoder_step, model.decoder_step.input)
        # JAX needs fixed shapes.
        self._dynamic = keras.backend.backend() != "jax"
        self._searching = search_models(
            model.encoder, model.decoder_step, dynamic=self._dynamic, shortlist=shortlist
        )
        self._searches: dict[Strategy, Callable[[Any], Any]] = {}

    def encode(self, source_ids: np.ndarray) -> Arrays:
        self._check_process()
        outputs = self._encode(keras.ops.convert_to_tensor(source_ids, "int32"))
        names = (*self.source_names, *self.state_names)
        return {name: keras.ops.convert_to_numpy(outputs[name]) for name in names}

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        self._check_process()
        inputs = {name: state[name] for name in (*self.source_names, *self.state_names)}
        inputs["target_ids"] = ids.astype("int32")
        outputs = self._step({k: keras.ops.convert_to_tensor(v) for k, v in inputs.items()})
        new = {name: keras.ops.convert_to_numpy(outputs[name]) for name in self.state_names}
        if "attention" in outputs:
            new["attention"] = keras.ops.convert_to_numpy(outputs["attention"])
        return keras.ops.convert_to_numpy(step_log_probs(outputs)), {**state, **new}

    def has(self, strategy: Strategy) -> bool:
        return True

    def _search(self, source_ids: np.ndarray, strategy: Strategy) -> Arrays:
        self._check_process()
        arrays = strategy.graph_inputs(source_ids, self.max_length)
        search = self._searches.get(strategy.graph_key)
        if search is None:
            inputs = {
                name: keras.KerasTensor((None, *array.shape[1:]), array.dtype)
                for name, array in arrays.items()
            }
            translated = functools.partial(self._translate, strategy.graph_key)
            search = _compiled(self.model, translated, {"source_ids": _SOURCES, **inputs})
            self._searches[strategy.graph_key] = search
        given = {"source_ids": source_ids, **arrays}
        found = search({k: keras.ops.convert_to_tensor(v) for k, v in given.items()})
        return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}

    def _check_process(self) -> None:
        if keras.backend.backend() in FORKED_BADLY:
            check_started_here(keras.backend.backend(), "A Keras model")

    def _translate(self, strategy: Strategy, given: dict[str, Any]) -> dict[str, Any]:
        return translate(
            *self._searching,
            **given,
            max_length=self.max_length,
            strategy=strategy,
            vocabulary_size=target_vocabulary_size(self.model.decoder),
            dynamic=self._dynamic,
        )


def _compiled(
    model: TrainedModel, function: Callable[[Any], Any], inputs: Any
) -> Callable[[Any], Any]:
    """Compiles a function on the current backend; it sees later changes of the weights.

    TensorFlow compiles one graph for all lengths, JAX one for each length.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), inputs)
        return tf.function(function, input_signature=[signature], autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        variables = model.variables

        @jax.jit
        def stateless(values: list[Any], given: Any) -> Any:
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(given)

        return lambda given: stateless([variable.value for variable in variables], given)
    return function
