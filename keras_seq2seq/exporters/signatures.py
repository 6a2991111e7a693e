"""The functions of every artefact, written once over the two parts of a model."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_seq2seq.decoding.graph.beam import BeamSizes
from keras_seq2seq.decoding.graph.search_model import for_source_length, search_models, short_step
from keras_seq2seq.decoding.graph.translate import forced_log_probs, step_log_probs, translate
from keras_seq2seq.decoding.hypothesis import FORBIDDEN
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.models.contract import (
    TrainedModel,
    source_names,
    state_names,
    target_vocabulary_size,
)
from keras_seq2seq.text.vocabulary import PAD_ID

LARGEST = tf.float32.max


@dataclasses.dataclass(frozen=True)
class ExportedModels:
    """The models behind the functions of an artefact.

    Args:
        encoder: Maps `source_ids` to what the decoder needs from the source.
        decoder: The decoder over a whole target.
        decoder_step: The decoder for one token.
        search_encoder: The encoder of the searches, see `search_models`.
        search_step: The decoder for one token of the searches.
    """

    encoder: keras.Model
    decoder: keras.Model
    decoder_step: keras.Model
    search_encoder: keras.Model
    search_step: keras.Model

    @classmethod
    def of(
        cls, model: TrainedModel, *, dynamic: bool, shortlist: Shortlist | None = None
    ) -> "ExportedModels":
        """Prepares a trained model; every weight is shared.

        Args:
            model: The trained model.
            dynamic: Whether shapes may change in the loop of a search.
            shortlist: Candidates of the searches; with None they choose from all ids.
        """
        searching = search_models(
            model.encoder, model.decoder_step, dynamic=dynamic, shortlist=shortlist
        )
        return cls(model.encoder, model.decoder, model.decoder_step, *searching)

    def replaced(self, **replacements: Callable[[keras.Model], keras.Model]) -> "ExportedModels":
        """Returns a copy with models replaced by field name; an equal model is replaced once."""
        made: dict[tuple[int, int], keras.Model] = {}
        changed = {}
        for name, replace in replacements.items():
            model = getattr(self, name)
            key = id(model), id(replace)
            if key not in made:
                made[key] = replace(model)
            changed[name] = made[key]
        return dataclasses.replace(self, **changed)


class Signatures:
    """`encode`, `decode_step`, `translate_greedy` and, with a beam, `translate_beam`.

    Args:
        models: The models that the functions call.
        max_length: int > 0. Longest translation in tokens, eos included.
        beam: The beam search of `translate_beam`; None leaves it out of `functions`.
        dynamic: Whether shapes may change in the loop of a search.
        short_steps: See `translate`.
    """

    def __init__(
        self,
        models: ExportedModels,
        max_length: int,
        beam: BeamSearch | None = None,
        *,
        dynamic: bool = True,
        short_steps: Mapping[int, keras.Model] | None = None,
    ) -> None:
        self.models = models
        self.short_steps = short_steps
        self.dynamic = dynamic
        self.max_length = max_length
        self.beam = beam
        self.state_names = state_names(models.decoder_step)
        self.source_names = source_names(models.decoder_step)

    def over(self, models: ExportedModels) -> "Signatures":
        """Returns the same functions over other models."""
        return Signatures(models, self.max_length, self.beam, dynamic=self.dynamic)

    def with_short_caches(self, *lengths: int, source_length: int | None = None) -> "Signatures":
        """Returns the same functions, searching for their first tokens over shorter caches.

        Args:
            *lengths: How many tokens these hold.
            source_length: int > 0. Tokens to which sources are padded for the last tokens, where
                all functions then have the same loop; None leaves them as they are.
        """
        given = self.models.search_encoder, self.models.search_step
        steps = {n: short_step(*given, n) for n in lengths if n < self.max_length}
        found = {length: step for length, step in steps.items() if step is not None}
        options: dict[str, Any] = {"dynamic": self.dynamic, "short_steps": found}
        models = self.models
        if found and source_length is not None:
            last = for_source_length(models.search_step, source_length)
            models = dataclasses.replace(models, search_step=last)
        return Signatures(models, self.max_length, self.beam, **options)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions."""
        names = ("encode", "decode_step", "translate_greedy")
        return names if self.beam is None else (*names, "translate_beam")

    def encode(self, source_ids: tf.Tensor) -> dict[str, Any]:
        """Returns by name what `decode_step` takes: source tensors and first states."""
        outputs = self.models.encoder(source_ids)
        # Two names may hold one tensor (keys and memory): a file needs two outputs.
        result = {n: tf.identity(outputs[n]) for n in (*self.source_names, *self.state_names)}
        for name, tensor in result.items():
            # A Dense over an open length loses the static batch size.
            shape = self.models.decoder_step.input[name].shape
            tensor.set_shape((source_ids.shape[0], *shape[1:]))
        return result

    def decode_step(self, target_ids: tf.Tensor, **state: tf.Tensor) -> dict[str, Any]:
        """Returns `log_probs` (batch, vocabulary), the new states, and `attention` if any."""
        outputs = self.models.decoder_step({"target_ids": target_ids[:, 0], **state})
        result = {name: tf.identity(outputs[name]) for name in self.state_names}
        if "attention" in outputs:
            result["attention"] = outputs["attention"]
        return {"log_probs": step_log_probs(outputs), **result}

    def translate_greedy(self, source_ids: tf.Tensor) -> dict[str, Any]:
        """Returns what the search of `Greedy` returns."""
        return self._translate(source_ids, GREEDY)

    def translate_beam(
        self, source_ids: tf.Tensor, sizes: BeamSizes | None = None
    ) -> dict[str, Any]:
        """Returns what the search of `BeamSearch` returns.

        Args:
            source_ids: int32, shape (batch, source_length).
            sizes: Sizes that override those of `beam`.
        """
        return self._translate(source_ids, self.beam or BeamSearch(), sizes)

    def score(
        self, source_ids: tf.Tensor, target_ids: tf.Tensor, is_cut: tf.Tensor | None = None
    ) -> dict[str, Any]:
        """Returns the log-probabilities of `target_ids` (batch, length), ended by eos.

        All numbers are finite, because JSON has no others.

        Args:
            source_ids: int32, shape (batch, source_length).
            target_ids: int32, shape (batch, length).
            is_cut: bool, shape (batch,). True at a row of which a part is missing; None means none.
        Returns:
            scored: bool, shape (batch,). False at a row without a score: it is cut, or the model
                gives NaN or a probability of 0. Such a row is filled with values that no threshold
                lets pass: -1e9, and the largest perplexity.
            token_log_probs: float32, shape (batch, length), 0 for padding.
            scores: float32, shape (batch,), their sum.
            perplexities: float32, shape (batch,), at most the largest float32.
        """
        log_probs = forced_log_probs(
            self.models.encoder, self.models.decoder, source_ids, target_ids
        )
        scores = tf.reduce_sum(log_probs, 1)
        scored = tf.math.is_finite(scores)
        if is_cut is not None:
            scored = scored & ~is_cut
        scores = tf.where(scored, scores, FORBIDDEN)
        lengths = tf.reduce_sum(tf.cast(target_ids != PAD_ID, tf.float32), 1)
        perplexities = tf.exp(-scores / tf.maximum(lengths, 1.0))
        return {
            "scored": scored,
            "token_log_probs": tf.where(scored[:, None], log_probs, FORBIDDEN),
            "scores": scores,
            "perplexities": tf.where(scored, tf.minimum(perplexities, LARGEST), LARGEST),
        }

    def _translate(
        self, source_ids: tf.Tensor, strategy: Strategy, sizes: BeamSizes | None = None
    ) -> dict[str, Any]:
        inputs = {} if sizes is None else {"sizes": sizes}
        return translate(
            self.models.search_encoder,
            self.models.search_step,
            source_ids,
            max_length=self.max_length,
            strategy=strategy,
            vocabulary_size=target_vocabulary_size(self.models.decoder),
            dynamic=self.dynamic,
            short_steps=self.short_steps,
            **inputs,
        )

    def specs(
        self, function: str, batch_size: int | None = None, source_length: int | None = None
    ) -> dict[str, tf.TensorSpec]:
        """Returns the inputs of a function by name.

        Args:
            function: One of `functions`.
            batch_size: Fixed number of rows; None leaves the number open.
            source_length: Fixed length of `source_ids`; None leaves it open.
        """
        if function != "decode_step":
            shape = (batch_size, source_length)
            return {"source_ids": tf.TensorSpec(shape, tf.int32, "source_ids")}
        specs = {"target_ids": tf.TensorSpec((batch_size, 1), tf.int32, "target_ids")}
        for name in (*self.source_names, *self.state_names):
            tensor = self.models.decoder_step.input[name]
            specs[name] = tf.TensorSpec((batch_size, *tensor.shape[1:]), tensor.dtype, name)
        return specs


Tensors = list[dict[str, Any]]


def described(function: Any) -> dict[str, Tensors]:
    """Returns the inputs and outputs of a concrete function, sorted by name.

    Args:
        function: A concrete function that takes named specs and returns a dict.
    Returns:
        {"inputs", "outputs"}, each a list of {"name", "dtype", "shape"}, with None in a shape for
        an axis of any length.
    """
    arguments, named_arguments = function.structured_input_signature
    inputs = ((spec.name, spec) for spec in (*arguments, *named_arguments.values()))
    return {
        "inputs": _tensors(inputs),
        "outputs": _tensors(function.structured_outputs.items()),
    }


def _tensors(tensors: Iterable[tuple[str, tf.TensorSpec]]) -> Tensors:
    return [
        {"name": name, "dtype": tensor.dtype.name, "shape": tensor.shape.as_list()}
        for name, tensor in sorted(tensors)
    ]
