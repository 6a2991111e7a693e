"""Writes a SavedModel that TensorFlow Serving runs as it is: text in, text out."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_seq2seq.config import PAD_ID
from keras_seq2seq.decoding.graph_beam import BeamSizes
from keras_seq2seq.decoding.strategy import MAX_BEAM_SIZE, BeamSearch
from keras_seq2seq.exporters.description import described
from keras_seq2seq.exporters.quiet import quiet
from keras_seq2seq.exporters.signatures import Signatures
from keras_seq2seq.models.seq2seq import Seq2Seq
from keras_seq2seq.tokenizer import TokenizerPair

VERSION = "1"


def write_saved_model(
    model: Seq2Seq,
    tokenizers: TokenizerPair | None,
    folder: Path,
    *,
    max_length: int,
    beam: BeamSearch | None = None,
) -> dict[str, Any]:
    """Writes version 1 of a SavedModel for any batch size and any source length.

    Signatures over text: `serving_default` (text to translation, score, confidence and finished,
    by `beam` if given, else greedy), `translate` (by a beam search to n-best lists) and `score`
    (of given translations). Over ids: `translate_greedy`, `translate_ids` (as `translate`),
    `encode` and `decode_step`. `translate` and `translate_ids` take `beam_size`, `num_hypotheses`
    and `alpha`, with defaults for gRPC requests; everything else of the beam search is fixed.
    Without tokenizers `serving_default` is `translate_greedy` and `score` takes ids.

    Args:
        model: The trained model.
        tokenizers: Those that it was trained with, or None.
        folder: Where to write the folder "1".
        max_length: int > 0. Longest translation in tokens, end of sentence included.
        beam: The beam search and its default sizes; None takes `BeamSearch()`.
    Returns:
        {"files": {"float32": "1"}, "beam": the beam search, "signatures": {name: {"inputs",
        "outputs"}}}, each a list of {"name", "dtype", "shape"} with None for an open axis.
    Raises:
        ImportError: If tokenizers are given and tensorflow-text is not installed.
        ValueError: If the tokenizers have other ids than the model.
    """
    if tokenizers is not None:
        _check_vocabularies(model, tokenizers)
    signatures = Signatures(model.encoder, model.decoder_step, max_length, beam)
    module = tf.Module()
    # Variables alone: a Keras model would write its layers and its training beside them.
    module.variables_of_parts = [weight.value for weight in model.weights]
    with quiet():
        functions = _id_functions(signatures)
        functions["serving_default"] = functions["translate_greedy"]
        if tokenizers is not None:
            from keras_seq2seq.tokenizer_layer import GraphTokenizer

            module.tokenizer = GraphTokenizer(tokenizers)
            functions |= _text_functions(signatures, module.tokenizer)
        tf.saved_model.save(module, str(folder / VERSION), signatures=functions)
    traced = {name: function.get_concrete_function() for name, function in functions.items()}
    return {
        "files": {"float32": VERSION},
        "beam": dataclasses.asdict(beam or BeamSearch()),
        "signatures": {name: described(function) for name, function in traced.items()},
    }


def _id_functions(signatures: Signatures) -> dict[str, Any]:
    beam_size_, num_hypotheses_, alpha_ = _default_sizes(signatures)

    def translate_ids(
        source_ids: tf.Tensor,
        beam_size: tf.Tensor = beam_size_,
        num_hypotheses: tf.Tensor = num_hypotheses_,
        alpha: tf.Tensor = alpha_,
    ) -> dict[str, tf.Tensor]:
        sizes = _checked(beam_size, num_hypotheses, alpha)
        return signatures.translate_beam(source_ids, sizes)

    def score(source_ids: tf.Tensor, target_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return signatures.score(source_ids, target_ids)

    ids = tf.TensorSpec((None, None), tf.int32, "source_ids")
    target_ids = tf.TensorSpec((None, None), tf.int32, "target_ids")
    named = {
        name: _by_name(getattr(signatures, name), signatures.specs(name))
        for name in ("encode", "decode_step", "translate_greedy")
    }
    return {
        **named,
        "translate_ids": tf.function(translate_ids, input_signature=[ids, *_SIZES]),
        "score": tf.function(score, input_signature=[ids, target_ids]),
    }


def _text_functions(signatures: Signatures, tokenizer: Any) -> dict[str, Any]:
    beam_size_, num_hypotheses_, alpha_ = _default_sizes(signatures)

    def serving_default(text: tf.Tensor) -> dict[str, tf.Tensor]:
        source_ids = tokenizer.encode(text)
        if signatures.beam is None:
            found = signatures.translate_greedy(source_ids)
        else:
            found = {k: v[:, 0] for k, v in signatures.translate_beam(source_ids).items()}
        return {
            "translation": tokenizer.decode(found["target_ids"]),
            "score": found["scores"],
            "confidence": _confidence(found),
            "finished": found["finished"],
        }

    def translate(
        text: tf.Tensor,
        beam_size: tf.Tensor = beam_size_,
        num_hypotheses: tf.Tensor = num_hypotheses_,
        alpha: tf.Tensor = alpha_,
    ) -> dict[str, tf.Tensor]:
        sizes = _checked(beam_size, num_hypotheses, alpha)
        found = signatures.translate_beam(tokenizer.encode(text), sizes)
        shape = tf.shape(found["target_ids"])
        flat = tokenizer.decode(tf.reshape(found["target_ids"], (-1, shape[2])))
        return {
            "translations": tf.reshape(flat, shape[:2]),
            "scores": found["scores"],
            "rankings": found["rankings"],
            "confidences": _confidence(found),
            "finished": found["finished"],
        }

    def score(text: tf.Tensor, translation: tf.Tensor) -> dict[str, tf.Tensor]:
        return signatures.score(tokenizer.encode(text), tokenizer.encode_target(translation))

    text, translation = (tf.TensorSpec((None,), tf.string, n) for n in ("text", "translation"))
    return {
        "serving_default": tf.function(serving_default, input_signature=[text]),
        "translate": tf.function(translate, input_signature=[text, *_SIZES]),
        "score": tf.function(score, input_signature=[text, translation]),
    }


_SIZES = (
    tf.TensorSpec((), tf.int32, "beam_size"),
    tf.TensorSpec((), tf.int32, "num_hypotheses"),
    tf.TensorSpec((), tf.float32, "alpha"),
)


def _default_sizes(signatures: Signatures) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    beam = signatures.beam or BeamSearch()
    sizes = tf.constant(beam.beam_size), tf.constant(beam.num_hypotheses)
    return *sizes, tf.constant(beam.alpha, tf.float32)


def _by_name(function: Callable[..., Any], specs: dict[str, tf.TensorSpec]) -> Any:
    """Returns a function that takes tensors by name as one that takes them in order."""

    def call(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**dict(zip(specs, tensors, strict=True)))

    return tf.function(call, input_signature=list(specs.values()))


def _checked(beam_size: tf.Tensor, num_hypotheses: tf.Tensor, alpha: tf.Tensor) -> BeamSizes:
    rules = [
        (
            (beam_size >= 1) & (beam_size <= MAX_BEAM_SIZE),
            f"`beam_size` must be 1 to {MAX_BEAM_SIZE}. Received:",
            beam_size,
        ),
        (
            (num_hypotheses >= 1) & (num_hypotheses <= beam_size),
            "`num_hypotheses` must be 1 to `beam_size`. Received:",
            num_hypotheses,
        ),
        (
            (alpha >= 0) & tf.math.is_finite(alpha),
            "`alpha` must be finite and at least 0. Received:",
            alpha,
        ),
    ]
    checks = [tf.debugging.Assert(holds, [rule, value]) for holds, rule, value in rules]
    with tf.control_dependencies(checks):
        return BeamSizes(*map(tf.identity, (beam_size, num_hypotheses, alpha)))


def _confidence(found: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns the geometric mean of the probabilities of the tokens; 0 of no hypothesis."""
    lengths = tf.reduce_sum(tf.cast(found["target_ids"] != PAD_ID, tf.float32), -1)
    return tf.exp(found["scores"] / tf.maximum(lengths, 1.0))


def _check_vocabularies(model: Seq2Seq, tokenizers: TokenizerPair) -> None:
    sizes = {"target": (tokenizers.target, model.decoder.output["logits"].shape[-1])}
    if model.config is not None:
        sizes["source"] = (tokenizers.source, model.config.source_vocabulary_size)
    for side, (tokenizer, size) in sizes.items():
        if tokenizer.vocabulary_size != size:
            raise ValueError(
                f"The {side} tokenizer must have as many ids as the model, {size}. "
                f"Received: {tokenizer.vocabulary_size}."
            )
