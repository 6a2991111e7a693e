"""Writes a SavedModel that TensorFlow Serving runs as it is: text in, text out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_seq2seq.decoding.hypothesis import FORBIDDEN, confidence
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.saved_model.input_checks import (
    IdLimits,
    checked_ids,
    checked_sizes,
    checked_texts,
    read_texts,
)
from keras_seq2seq.exporters.saved_model.warmup import write_warmup
from keras_seq2seq.exporters.signatures import Signatures, described
from keras_seq2seq.formats import check_quantizations
from keras_seq2seq.models.contract import TrainedModel, target_vocabulary_size
from keras_seq2seq.runtimes.silence import silence
from keras_seq2seq.text.vocabulary import PAD_ID, check_vocabulary_sizes

VERSION = "1"
SIZED = ("translate", "translate_ids")  # signatures that have inputs with defaults
# In tokens: more than any sentence has, few enough that a line of megabytes costs little.
LONGEST_TEXT = 1024


def write_saved_model(
    prepared: PreparedExport, folder: Path, quantizations: Sequence[str] = ("float32",)
) -> dict[str, Any]:
    """Writes version 1 of a SavedModel for any batch size and any source length.

    Signatures over text: `serving_default` (text to translation, score, confidence and finished,
    by the beam if there is one, else greedy), `translate` (n-best lists by a beam search) and
    `score` (of given translations). Over ids: `translate_greedy`, `translate_ids` (as
    `translate`), `encode` and `decode_step`. `translate` and `translate_ids` take `beam_size`,
    `num_hypotheses` and `alpha`, with defaults for gRPC requests; everything else of the beam
    search is fixed. Without tokenizers `serving_default` is `translate_greedy` and `score` takes
    ids. A text of more than `longest_text` tokens is cut, and `finished` or `scored` is False. The
    signatures over text and `score` give finite numbers only, because JSON has no others. Warm-up
    requests for a server are written next to the model.

    Args:
        prepared: What to write; without a beam `translate` uses `BeamSearch()`.
        folder: Where to write the folder "1".
        quantizations: Only "float32".
    Returns:
        {"files": {"float32": "1"}, "beam": the beam search, "longest_text": most tokens of a
        text or None, "signatures": {name: {"inputs", "outputs"}}}, each a list of {"name",
        "dtype", "shape"} with None for an open axis.
    Raises:
        ImportError: If there are tokenizers and tensorflow-text is not installed.
        ValueError: If a quantization is unknown, or the tokenizers have other ids than the model.
    """
    check_quantizations("saved_model", quantizations)
    model, tokenizers, signatures = prepared.model, prepared.tokenizers, prepared.growing
    limits = _limits(model)
    if tokenizers is not None:
        sizes = tuple(limit.size for limit in limits.values())
        check_vocabulary_sizes("The tokenizers", tokenizers.vocabulary_sizes, sizes)
    beam = prepared.beam or BeamSearch()
    longest, _ = longest_texts = _longest_texts(limits, prepared.max_length)
    module = tf.Module()
    # Only the variables: a Keras model would also save its layers and its training.
    module.variables_of_parts = [weight.value for weight in model.weights]
    with silence():
        functions = _id_functions(signatures, limits)
        functions["serving_default"] = functions["translate_greedy"]
        if tokenizers is not None:
            from keras_seq2seq.text.graph_tokenizer import GraphTokenizer

            module.tokenizer = GraphTokenizer(tokenizers)
            functions |= _text_functions(signatures, module.tokenizer, longest_texts)
        traced = {name: function.get_concrete_function() for name, function in functions.items()}
        # A traced function loses its default arguments, so these are passed untraced.
        sized = {name: functions[name] for name in SIZED if name in functions}
        tf.saved_model.save(module, str(folder / VERSION), signatures={**traced, **sized})
    write_warmup(folder / VERSION, tokenizers, beam, prepared.sentences)
    return {
        "files": {"float32": VERSION},
        "beam": beam.to_dict(),
        "longest_text": longest if tokenizers else None,
        "signatures": {name: described(function) for name, function in traced.items()},
    }


# Each signature traces its search anew. One function that all of them call would save a tenth of
# an export, but TensorFlow then takes 2 to 6 % longer for each translation.


def _id_functions(signatures: Signatures, limits: dict[str, IdLimits]) -> dict[str, Any]:
    beam_size_, num_hypotheses_, alpha_ = _default_sizes(signatures)

    def translate_ids(
        source_ids: tf.Tensor,
        beam_size: tf.Tensor = beam_size_,
        num_hypotheses: tf.Tensor = num_hypotheses_,
        alpha: tf.Tensor = alpha_,
    ) -> dict[str, tf.Tensor]:
        (source_ids,) = checked_ids(limits, source_ids=source_ids)
        found = checked_sizes(beam_size, num_hypotheses, alpha)
        return signatures.translate_beam(source_ids, found)

    def score(source_ids: tf.Tensor, target_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        source_ids, target_ids = checked_ids(limits, source_ids=source_ids, target_ids=target_ids)
        return signatures.score(source_ids, target_ids)

    ids = tf.TensorSpec((None, None), tf.int32, "source_ids")
    target_ids = tf.TensorSpec((None, None), tf.int32, "target_ids")
    named: dict[str, Callable[..., dict[str, tf.Tensor]]] = {
        "encode": signatures.encode,
        "decode_step": signatures.decode_step,
        "translate_greedy": signatures.translate_greedy,
    }
    return {
        **{name: _by_name(f, signatures.specs(name), limits) for name, f in named.items()},
        "translate_ids": _traceable(translate_ids, ids, *_SIZES),
        "score": _traceable(score, ids, target_ids),
    }


def _text_functions(
    signatures: Signatures, tokenizer: Any, longest_texts: tuple[int, int]
) -> dict[str, Any]:
    longest, longest_target = longest_texts
    beam_size_, num_hypotheses_, alpha_ = _default_sizes(signatures)

    def serving_default(text: tf.Tensor) -> dict[str, tf.Tensor]:
        (text,) = checked_texts(text=text)
        source_ids, too_long = read_texts(tokenizer.encode, text, longest)
        if signatures.beam is None:
            found = dict(signatures.translate_greedy(source_ids))
        else:
            found = {k: v[:, 0] for k, v in signatures.translate_beam(source_ids).items()}
        found |= _finite(found)
        return {
            "translation": tokenizer.decode(found["target_ids"]),
            "score": found["scores"],
            "confidence": _confidence(found),
            "finished": found["finished"] & ~too_long,
        }

    def translate(
        text: tf.Tensor,
        beam_size: tf.Tensor = beam_size_,
        num_hypotheses: tf.Tensor = num_hypotheses_,
        alpha: tf.Tensor = alpha_,
    ) -> dict[str, tf.Tensor]:
        (text,) = checked_texts(text=text)
        sizes = checked_sizes(beam_size, num_hypotheses, alpha)
        source_ids, too_long = read_texts(tokenizer.encode, text, longest)
        found = signatures.translate_beam(source_ids, sizes)
        found |= _finite(found)
        shape = tf.shape(found["target_ids"])
        flat = tokenizer.decode(tf.reshape(found["target_ids"], (-1, shape[2])))
        return {
            "translations": tf.reshape(flat, shape[:2]),
            "scores": found["scores"],
            "rankings": found["rankings"],
            "confidences": _confidence(found),
            "finished": found["finished"] & ~too_long[:, None],
        }

    def score(text: tf.Tensor, translation: tf.Tensor) -> dict[str, tf.Tensor]:
        text, translation = checked_texts(text=text, translation=translation)
        source_ids, source_cut = read_texts(tokenizer.encode, text, longest)
        target_ids, target_cut = read_texts(tokenizer.encode_target, translation, longest_target)
        return signatures.score(source_ids, target_ids, source_cut | target_cut)

    text, translation = (tf.TensorSpec((None,), tf.string, n) for n in ("text", "translation"))
    return {
        "serving_default": _traceable(serving_default, text),
        "translate": _traceable(translate, text, *_SIZES),
        "score": _traceable(score, text, translation),
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


def _by_name(
    function: Callable[..., Any], specs: dict[str, tf.TensorSpec], limits: dict[str, IdLimits]
) -> Any:
    """Returns a function that takes tensors by name as one that takes them in order."""

    def call(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        given = dict(zip(specs, tensors, strict=True))
        ids = {name: given[name] for name in limits if name in given}
        given.update(zip(ids, checked_ids(limits, **ids), strict=True))
        return function(**given)

    return _traceable(call, *specs.values())


def _traceable(function: Callable[..., Any], *specs: tf.TensorSpec) -> Any:
    """Returns a function to trace; no Python statement in it may depend on a tensor."""
    return tf.function(function, input_signature=specs, autograph=False)


def _finite(found: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns scores and flags without NaN, which a broken model gives and JSON cannot hold.

    Such a translation counts as none, as in a beam search, and as not finished.
    """
    is_number = tf.math.is_finite(found["scores"])
    names = [name for name in ("scores", "rankings") if name in found]
    numbers: dict[str, tf.Tensor] = {
        name: tf.where(is_number, found[name], FORBIDDEN) for name in names
    }
    return {**numbers, "finished": found["finished"] & is_number}


def _confidence(found: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns the confidence of each hypothesis; 0 if there is none."""
    lengths = tf.reduce_sum(tf.cast(found["target_ids"] != PAD_ID, tf.float32), -1)
    return confidence(found["scores"], lengths, tf)


def _limits(model: TrainedModel) -> dict[str, IdLimits]:
    config = model.config
    sources = (config.source_vocabulary_size, config.longest_source) if config else (None, None)
    longest = config.longest_scored if config else None
    return {
        "source_ids": IdLimits(*sources),
        "target_ids": IdLimits(target_vocabulary_size(model.decoder), longest),
    }


def _longest_texts(limits: dict[str, IdLimits], max_length: int) -> tuple[int, int]:
    """Returns the most tokens of a source and of a given translation."""
    most = max(LONGEST_TEXT, 4 * max_length)
    source, target = (limits[name].longest or most for name in ("source_ids", "target_ids"))
    return source, target
