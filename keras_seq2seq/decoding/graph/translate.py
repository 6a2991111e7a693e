"""Whole translations in keras.ops: reads sources with the encoder, then searches or scores."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_seq2seq.decoding.graph.staged_step import StagedStep
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.models.contract import attends, source_names, state_names
from keras_seq2seq.models.tensor import Tensor, Tensors
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

ops = keras.ops


def translate(
    encoder: keras.Model,
    decoder_step: keras.Model,
    source_ids: Tensor,
    *,
    max_length: int,
    strategy: Strategy = GREEDY,
    vocabulary_size: int | None = None,
    dynamic: bool = False,
    short_steps: Mapping[int, keras.Model] | None = None,
    **inputs: Any,
) -> Tensors:
    """Reads sources and searches; a source without a real token gives an empty translation.

    Args:
        encoder: The encoder of a `Seq2Seq`, or that of `search_models`, which is faster.
        decoder_step: The decoder for one token that belongs to it.
        source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        strategy: What to search for.
        vocabulary_size: int > 0. Number of target ids, needed for an encoder with `candidates`: the
            logits of the decoder are then only of these.
        dynamic: See `run_search`.
        short_steps: Decoders over shorter caches (`short_step`) by how many tokens these hold; each
            takes the steps that it can, in a loop of its own, if the search is not dynamic.
        **inputs: What the strategy's `graph_inputs` returned; `sizes`, a `BeamSizes` of tensors,
            overrides those of a beam search.
    Returns:
        What the strategy's `search_graph` returns.
    Raises:
        ValueError: If the strategy needs attention and the decoder does not attend.
    """
    strategy.check_attention(attends(decoder_step))
    encoded = encoder(source_ids)
    source = {name: encoded[name] for name in source_names(decoder_step)}
    if "candidates" in encoded:
        source["candidates"] = encoded["candidates"]
    names = state_names(decoder_step)
    state = {name: encoded[name] for name in names}
    if attends(decoder_step):
        state["attention"] = ops.zeros_like(encoded["source_mask"], dtype="float32")

    def take(model: keras.Model, ids: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        given = {name: state[name] for name in (*source_names(decoder_step), *names)}
        outputs = model({"target_ids": ids, **given})
        new = {name: outputs[name] for name in names}
        if "attention" in state:
            new["attention"] = ops.cast(outputs["attention"], "float32")
        return step_log_probs(outputs), new

    return strategy.search_graph(
        StagedStep({**(short_steps or {}), max_length: decoder_step}, take),
        state,
        source_ids,
        max_length=max_length,
        source=source,
        vocabulary_size=vocabulary_size,
        dynamic=dynamic,
        **inputs,
    )


def forced_log_probs(
    encoder: keras.Model, decoder: keras.Model, source_ids: Tensor, target_ids: Tensor
) -> Tensor:
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


def step_log_probs(outputs: Tensors) -> Tensor:
    """Returns the log-probabilities after one decoder step, float32, (batch, vocabulary)."""
    return ops.log_softmax(ops.cast(outputs["logits"], "float32"))
