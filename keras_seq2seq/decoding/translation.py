"""A whole translation in keras.ops: reads sources with the encoder and searches."""

from typing import Any

import keras

from keras_seq2seq.decoding.graph import greedy_search, is_empty_source
from keras_seq2seq.decoding.graph_beam import beam_search
from keras_seq2seq.decoding.strategy import GREEDY, Greedy, Strategy
from keras_seq2seq.models.contract import source_names, state_names


def translate(
    encoder: keras.Model,
    decoder: keras.Model,
    source_ids: Any,
    *,
    max_length: int,
    strategy: Strategy = GREEDY,
) -> dict[str, Any]:
    """Reads sources and searches; a source without a real token gives an empty translation.

    Args:
        encoder: The encoder of a `Seq2Seq`.
        decoder: Its decoder.
        source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        max_length: int > 0. Most tokens of a translation, end of sentence included.
        strategy: What to search for.
    Returns:
        What `greedy_search` or `beam_search` returns.
    """
    encoded = encoder(source_ids)
    source = {name: encoded[name] for name in source_names(decoder)}
    state = {name: encoded[name] for name in state_names(decoder)}
    is_empty = is_empty_source(source_ids)

    def step(ids: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        outputs = decoder({"target_ids": ids[:, None], **source, **state})
        return step_log_probs(outputs), {name: outputs[name] for name in state}

    if isinstance(strategy, Greedy):
        return greedy_search(step, state, is_empty, max_length=max_length)
    # A beam stays with its source: these are repeated once and never reordered.
    source = {n: keras.ops.repeat(v, strategy.beam_size, axis=0) for n, v in source.items()}
    return beam_search(step, state, is_empty, strategy, max_length=max_length)


def step_log_probs(outputs: dict[str, Any]) -> Any:
    """Returns the log-probabilities after one decoder step, float32, (batch, vocabulary)."""
    return keras.ops.log_softmax(keras.ops.cast(outputs["logits"][:, 0], "float32"))
