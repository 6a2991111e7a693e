"""Writes a SavedModel that TensorFlow Serving runs as it is: text in, text out."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_seq2seq.decoding.strategy import BeamSearch
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

    Signatures: `encode`, `decode_step`, `translate_ids` (source_ids to target_ids, scores and
    finished) and `serving_default` (text to translation, score and finished; a batch of none gives
    none). Without tokenizers `serving_default` is `translate_ids`.

    Args:
        model: The trained model.
        tokenizers: Those that it was trained with, or None.
        folder: Where to write the folder "1".
        max_length: int > 0. Longest translation in tokens, end of sentence included.
        beam: What the signature `translate_beam` searches for; None leaves it out.
    Returns:
        {"files": {"float32": "1"}, "signatures": {name: {"inputs", "outputs"}}}, each a list of
        {"name", "dtype", "shape"} with None for an open axis.
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
        functions = _functions(signatures)
        functions["serving_default"] = functions["translate_ids"]
        if tokenizers is not None:
            module.tokenizer, functions["serving_default"] = _from_text(signatures, tokenizers)
        tf.saved_model.save(module, str(folder / VERSION), signatures=functions)
    return {
        "files": {"float32": VERSION},
        "signatures": {name: described(function) for name, function in functions.items()},
    }


def _functions(signatures: Signatures) -> dict[str, Any]:
    # `translate` without text is `translate_ids` here.
    return {
        "translate_ids" if name == "translate" else name: tf.function(
            getattr(signatures, name)
        ).get_concrete_function(**signatures.specs(name))
        for name in signatures.functions
    }


def _from_text(signatures: Signatures, tokenizers: TokenizerPair) -> tuple[tf.Module, Any]:
    """Returns what holds the tokenizers, and the function from text to translation."""
    from keras_seq2seq.tokenizer_layer import GraphTokenizer

    tokenizer = GraphTokenizer(tokenizers)

    def translate_text(text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = signatures.translate(tokenizer.encode(text))
        return {
            "translation": tokenizer.decode(found["target_ids"]),
            "score": found["scores"],
            "finished": found["finished"],
        }

    spec = tf.TensorSpec((None,), tf.string, "text")
    return tokenizer, tf.function(translate_text).get_concrete_function(text=spec)


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
