"""Runs a Seq2Seq model in Keras: the reference for every other runtime."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_seq2seq.decoding.graph import greedy_translate
from keras_seq2seq.decoding.host import Arrays, Hypothesis, hypotheses
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.models.seq2seq import Seq2Seq
from keras_seq2seq.runtimes.runtime import Runtime


class KerasRuntime(Runtime):
    """Runs the model itself, on any Keras backend.

    Args:
        model: The trained model.
        max_length: int > 0. Longest translation of `translate`, end of sentence included.
    """

    name = "keras"

    def __init__(self, model: Seq2Seq, max_length: int) -> None:
        self.model = model
        self.max_length = max_length
        self.state_names = state_names(model.decoder)
        self.source_names = source_names(model.decoder)
        self._encode = _compiled(model, model.encoder)
        self._step = _compiled(model, model.decoder_step)
        self._search = _compiled(model, self._translate)

    def encode(self, source_ids: np.ndarray) -> Arrays:
        outputs = self._encode(keras.ops.convert_to_tensor(source_ids, "int32"))
        names = (*self.source_names, *self.state_names)
        return {name: keras.ops.convert_to_numpy(outputs[name]) for name in names}

    def step(self, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
        inputs = {name: state[name] for name in (*self.source_names, *self.state_names)}
        inputs["target_ids"] = ids[:, None].astype("int32")
        outputs = self._step({k: keras.ops.convert_to_tensor(v) for k, v in inputs.items()})
        new = {name: keras.ops.convert_to_numpy(outputs[name]) for name in self.state_names}
        if "attention" in outputs:
            new["attention"] = keras.ops.convert_to_numpy(outputs["attention"])[:, 0]
        log_probs = keras.ops.log_softmax(outputs["logits"][:, 0])
        return keras.ops.convert_to_numpy(log_probs), {**state, **new}

    def translate(self, source_ids: np.ndarray) -> list[Hypothesis]:
        found = self._search(keras.ops.convert_to_tensor(source_ids, "int32"))
        names = ("target_ids", "scores", "finished")
        return hypotheses(*(keras.ops.convert_to_numpy(found[name]) for name in names))

    def _translate(self, source_ids: Any) -> dict[str, Any]:
        return greedy_translate(
            self.model.encoder, self.model.decoder, source_ids, max_length=self.max_length
        )


def _compiled(model: keras.Model, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function as a graph of the backend that follows the model's weights."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True)
    if keras.backend.backend() == "jax":
        import jax

        variables = model.variables

        @jax.jit
        def stateless(values: list[Any], *inputs: Any) -> Any:
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(*inputs)

        return lambda *inputs: stateless([v.value for v in variables], *inputs)
    return function
