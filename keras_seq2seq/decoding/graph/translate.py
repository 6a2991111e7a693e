"""Whole translations in keras.ops: reads sources with the encoder, then searches or scores."""

from typing import Any

import keras

from keras_seq2seq.decoding.graph.beam import BeamSizes, beam_search
from keras_seq2seq.decoding.graph.loop import Tensors
from keras_seq2seq.decoding.graph.single import single_search
from keras_seq2seq.decoding.strategy import GREEDY, BeamSearch, Strategy
from keras_seq2seq.models.contract import attends, source_names, state_names
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

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
    vocabulary_size: int | None = None,
    dynamic: bool = False,
) -> Tensors:
    """Reads sources and searches; a source without a real token gives an empty translation.

    Args:
        encoder: The encoder of a `Seq2Seq`, or that of `search_parts`, which is faster.
        decoder: Its decoder.
        source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        strategy: What to search for.
        uniforms: Of `Sampling.uniforms`, for that.
        sizes: Sizes of a beam as tensors; None takes the strategy's.
        vocabulary_size: int > 0. Number of target ids, for an encoder with `candidates`, which the
            decoder's logits are of.
        dynamic: As of `run_search`.
    Returns:
        What `single_search` or `beam_search` returns.
    Raises:
        ValueError: If a coverage penalty is asked for and the decoder does not attend.
    """
    encoded = encoder(source_ids)
    source = {name: encoded[name] for name in source_names(decoder)}
    if "candidates" in encoded:
        source["candidates"] = encoded["candidates"]
    names = state_names(decoder)
    state = {name: encoded[name] for name in names}
    takes_a_token = len(decoder.input["target_ids"].shape) == 1
    if attends(decoder):
        state["attention"] = ops.zeros_like(encoded["source_mask"], dtype="float32")

    def step(ids: Any, state: Tensors) -> tuple[Any, Tensors]:
        given = {name: state[name] for name in (*source_names(decoder), *names)}
        ids = ids if takes_a_token else ids[:, None]
        outputs = decoder({"target_ids": ids, **given})
        new = {name: outputs[name] for name in names}
        if "attention" in state:
            weights = ops.cast(outputs["attention"], "float32")
            if not takes_a_token:
                # A layer may have forgotten the batch size; a loop wants it to stay the same.
                weights = ops.reshape(weights[:, 0], ops.shape(state["attention"]))
            new["attention"] = weights
        return step_log_probs(outputs), new

    if not isinstance(strategy, BeamSearch):
        return single_search(
            step,
            state,
            source_ids,
            strategy,
            max_length=max_length,
            uniforms=uniforms,
            source=source,
            vocabulary_size=vocabulary_size,
            dynamic=dynamic,
        )
    strategy.check_attention(attends(decoder))
    return beam_search(
        step,
        state,
        source_ids,
        strategy,
        max_length=max_length,
        memory_mask=encoded.get("source_mask"),
        sizes=sizes,
        source=source,
        vocabulary_size=vocabulary_size,
        dynamic=dynamic,
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
    logits = outputs["logits"]
    return ops.log_softmax(ops.cast(logits if len(logits.shape) == 2 else logits[:, 0], "float32"))
