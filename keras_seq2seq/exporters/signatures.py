"""The functions that every artefact holds, written once over a model's two parts."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_seq2seq.decoding.graph.beam import BeamSizes
from keras_seq2seq.decoding.graph.translate import forced_log_probs, step_log_probs, translate
from keras_seq2seq.decoding.strategy import GREEDY, BeamSearch, Strategy
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.text.vocabulary import PAD_ID


class Signatures:
    """`encode`, `decode_step`, `translate_greedy` and, with a beam, `translate_beam`.

    Args:
        encoder: Maps `source_ids` to what the decoder needs of the source.
        decoder: The decoder that was trained, or that of `search_parts`.
        max_length: int > 0. Longest translation in tokens, eos included.
        beam: What `translate_beam` searches for; None leaves it out of `functions`.
        searching: Encoder and decoder of the translations, see `search_parts`.
        dynamic: Whether shapes may change in a loop.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        max_length: int,
        beam: BeamSearch | None = None,
        *,
        searching: tuple[keras.Model, keras.Model],
        dynamic: bool = True,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.searching = searching
        self.dynamic = dynamic
        self.max_length = max_length
        self.beam = beam
        self.state_names = state_names(decoder)
        self.source_names = source_names(decoder)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions."""
        names = ("encode", "decode_step", "translate_greedy")
        return names if self.beam is None else (*names, "translate_beam")

    def encode(self, source_ids: Any) -> dict[str, Any]:
        """Returns by name what `decode_step` takes: source tensors and first states."""
        outputs = self.encoder(source_ids)
        # Two names may hold one tensor (keys and memory): a file needs two outputs.
        result = {n: tf.identity(outputs[n]) for n in (*self.source_names, *self.state_names)}
        for name, tensor in result.items():
            # A Dense over an open length forgets the batch size.
            tensor.set_shape((source_ids.shape[0], *self.decoder.input[name].shape[1:]))
        return result

    def decode_step(self, target_ids: Any, **state: Any) -> dict[str, Any]:
        """Returns `log_probs` (batch, vocabulary), the new states, and `attention` if any."""
        takes_a_token = len(self.decoder.input["target_ids"].shape) == 1
        ids = target_ids[:, 0] if takes_a_token else target_ids
        outputs = self.decoder({"target_ids": ids, **state})
        result = {name: tf.identity(outputs[name]) for name in self.state_names}
        if "attention" in outputs:
            weights = outputs["attention"]
            result["attention"] = weights if takes_a_token else weights[:, 0]
        return {"log_probs": step_log_probs(outputs), **result}

    def translate_greedy(self, source_ids: Any) -> dict[str, Any]:
        """Returns what `single_search` of `keras_seq2seq.decoding.graph.single` returns."""
        return self._translate(source_ids, GREEDY)

    def translate_beam(self, source_ids: Any, sizes: BeamSizes | None = None) -> dict[str, Any]:
        """Returns what `beam_search` of `keras_seq2seq.decoding.graph.beam` returns.

        Args:
            source_ids: int32, shape (batch, source_length).
            sizes: In place of those of `beam`.
        """
        return self._translate(source_ids, self.beam or BeamSearch(), sizes)

    def score(self, source_ids: Any, target_ids: Any) -> dict[str, Any]:
        """Returns how probable `target_ids` (batch, length), ended by eos, are.

        `token_log_probs` (batch, length), their sum `scores` (batch,) and `perplexities` (batch,).
        """
        log_probs = forced_log_probs(self.encoder, self.decoder, source_ids, target_ids)
        scores = tf.reduce_sum(log_probs, 1)
        lengths = tf.reduce_sum(tf.cast(target_ids != PAD_ID, tf.float32), 1)
        perplexities = tf.exp(-scores / tf.maximum(lengths, 1.0))
        return {"token_log_probs": log_probs, "scores": scores, "perplexities": perplexities}

    def _translate(
        self, source_ids: Any, strategy: Strategy, sizes: BeamSizes | None = None
    ) -> dict[str, Any]:
        return translate(
            self.searching[0],
            self.searching[1],
            source_ids,
            max_length=self.max_length,
            strategy=strategy,
            sizes=sizes,
            vocabulary_size=self.decoder.output["logits"].shape[-1],
            dynamic=self.dynamic,
        )

    def specs(self, function: str, batch_size: int | None = None) -> dict[str, tf.TensorSpec]:
        """Returns the inputs of a function by name.

        Args:
            function: One of `functions`.
            batch_size: Fixed number of rows; None leaves it open. Lengths are always open.
        """
        if function != "decode_step":
            return {"source_ids": tf.TensorSpec((batch_size, None), tf.int32, "source_ids")}
        specs = {"target_ids": tf.TensorSpec((batch_size, 1), tf.int32, "target_ids")}
        for name in (*self.source_names, *self.state_names):
            tensor = self.decoder.input[name]
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
