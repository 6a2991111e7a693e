"""Whole translations in keras.ops: reads sources with the encoder, then searches or scores."""

from typing import Any

import keras

from keras_seq2seq.config import BOS_ID, PAD_ID
from keras_seq2seq.decoding.graph import single_search
from keras_seq2seq.decoding.graph_beam import BeamSizes, beam_search
from keras_seq2seq.decoding.strategy import GREEDY, BeamSearch, Strategy
from keras_seq2seq.models.contract import attends, source_names, state_names

ops = keras.ops


def translate(
    encoder: keras.Model,
    decoder: keras.Model,
    source_ids: Any,
    *,
    max_length: int,
    strategy: Strategy = GREEDY,
    uniforms: Any = None,
    sizes: BeamSizes | None = None,
) -> dict[str, Any]:
    """Reads sources and searches; a source without a real token gives an empty translation.

    Args:
        encoder: The encoder of a `Seq2Seq`.
        decoder: Its decoder.
        source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        strategy: What to search for.
        uniforms: Of `Sampling.uniforms`, for that.
        sizes: Sizes of a beam as tensors; None takes the strategy's.
    Returns:
        What `single_search` or `beam_search` returns.
    Raises:
        ValueError: If a coverage penalty is asked for and the decoder does not attend.
    """
    encoded = encoder(source_ids)
    source = {name: encoded[name] for name in source_names(decoder)}
    names = state_names(decoder)
    state = {name: encoded[name] for name in names}
    if attends(decoder):
        state["attention"] = ops.zeros_like(encoded["source_mask"], dtype="float32")

    def step(ids: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        given = {name: state[name] for name in names}
        outputs = decoder({"target_ids": ids[:, None], **source, **given})
        new = {name: outputs[name] for name in names}
        if "attention" in state:
            weights = ops.cast(outputs["attention"][:, 0], "float32")
            # A layer may have forgotten the batch size, which a loop wants to be the same always.
            new["attention"] = ops.reshape(weights, ops.shape(state["attention"]))
        return step_log_probs(outputs), new

    if not isinstance(strategy, BeamSearch):
        return single_search(
            step, state, source_ids, strategy, max_length=max_length, uniforms=uniforms
        )
    strategy.check_attention(attends(decoder))
    sizes = sizes or BeamSizes.of(strategy)
    # A beam stays with its source: these are repeated once and never reordered.
    source = {name: ops.repeat(value, sizes.beam_size, axis=0) for name, value in source.items()}
    return beam_search(
        step,
        state,
        source_ids,
        strategy,
        max_length=max_length,
        memory_mask=encoded.get("source_mask"),
        sizes=sizes,
    )


def forced_log_probs(
    encoder: keras.Model, decoder: keras.Model, source_ids: Any, target_ids: Any
) -> Any:
    """Returns log P(y_t | y_<t, x) of each token of given translations.

    Args:
        encoder: The encoder of a `Seq2Seq`.
        decoder: Its decoder.
        source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        target_ids: int32, shape (batch, length), ended by eos, padded with 0.
    Returns:
        float32, shape (batch, length), 0 for padding.
    """
    encoded = encoder(source_ids)
    names = [*source_names(decoder), *state_names(decoder)]
    before = ops.concatenate([ops.zeros_like(target_ids[:, :1]) + BOS_ID, target_ids[:, :-1]], 1)
    outputs = decoder({"target_ids": before, **{name: encoded[name] for name in names}})
    log_probs = ops.log_softmax(ops.cast(outputs["logits"], "float32"))
    forced = ops.take_along_axis(log_probs, target_ids[:, :, None], axis=-1)[:, :, 0]
    return ops.where(target_ids == PAD_ID, 0.0, forced)


def step_log_probs(outputs: dict[str, Any]) -> Any:
    """Returns the log-probabilities after one decoder step, float32, (batch, vocabulary)."""
    return ops.log_softmax(ops.cast(outputs["logits"][:, 0], "float32"))
