"""The contract that joins any encoder to any decoder, checked before a model is built."""

from typing import Any, Protocol

import keras

from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.text.tokenizer import TokenizerPair

STATE_PREFIX = "state_"


class TrainedModel(Protocol):
    """The part of a model that runtimes and translators use; `Seq2Seq` has it.

    Args:
        config: Describes its parts, or None.
        encoder: Its encoder, which keeps the contract.
        decoder: Its decoder over a whole target, which keeps the contract.
        decoder_step: The same for one token, over the same weights.
        variables: Variables of both parts, dropout seeds included.
        weights: The variables without the dropout seeds.
        tokenizers: Text to ids and back, or None.
    """

    config: Seq2SeqConfig | None
    encoder: keras.Model
    decoder: keras.Model
    variables: list[Any]
    weights: list[Any]

    @property
    def decoder_step(self) -> keras.Model:
        """The decoder for one token, over the weights of `decoder`."""

    @property
    def tokenizers(self) -> TokenizerPair | None:
        """Text to ids and back, or None."""

    def check_max_length(self, max_length: int) -> None:
        """Checks that the decoder can take `max_length` tokens."""

    def save(self, filepath: Any, *, include_optimizer: bool = True) -> None:
        """Writes the model to a `.keras` file, with what `compile` and `fit` added or without."""


def state_names(decoder: keras.Model) -> list[str]:
    """Returns the names of the decoder's states, `state_0`, `state_1`, ... in order."""
    names = [name for name in decoder.input if name.startswith(STATE_PREFIX)]
    return sorted(names, key=lambda name: int(name.removeprefix(STATE_PREFIX)))


def source_names(decoder: keras.Model) -> list[str]:
    """Returns the sorted names of decoder inputs that come from the source and never change."""
    states = {"target_ids", *state_names(decoder)}
    return sorted(name for name in decoder.input if name not in states)


def target_vocabulary_size(decoder: keras.Model) -> int:
    """Returns the number of target ids: the last axis of the logits."""
    return decoder.output["logits"].shape[-1]


def attends(decoder: keras.Model) -> bool:
    """Returns True if the decoder returns attention over the positions of a `source_mask`."""
    return "attention" in decoder.output and "source_mask" in decoder.input


def check_contract(encoder: keras.Model, decoder: keras.Model) -> None:
    """Checks that the decoder can be fed by the encoder and steps through its own states.

    Args:
        encoder: A functional model from `source_ids` to named tensors, which include every decoder
            input except `target_ids`.
        decoder: A functional model from `target_ids` and named tensors to `logits`, the same
            `state_i` and, optionally, `attention`.
    Raises:
        ValueError: If the parts do not fit; lists every error, one per line.
    """
    if not isinstance(encoder.output, dict) or not isinstance(decoder.output, dict):
        raise ValueError(
            "The encoder and the decoder must return dicts of named tensors. Received: "
            f"{type(encoder.output).__name__} and {type(decoder.output).__name__}."
        )
    if not isinstance(decoder.input, dict):
        raise ValueError(
            "The decoder must take a dict of named tensors. "
            f"Received: {type(decoder.input).__name__}."
        )
    faults = []
    if len(encoder.inputs) != 1 or encoder.inputs[0].name != "source_ids":
        received = [tensor.name for tensor in encoder.inputs]
        faults.append(f"The encoder must have the one input 'source_ids'. Received: {received}.")
    elif isinstance(encoder.input, (dict, list, tuple)):
        faults.append(
            "The encoder must take 'source_ids' as one tensor: keras.Model(source_ids, ...). "
            f"Received: a {type(encoder.input).__name__}."
        )
    wanted = {"target_ids", *encoder.output}
    if "target_ids" not in decoder.input:
        faults.append(
            f"The decoder must have the input 'target_ids'. Received: {sorted(decoder.input)}."
        )
    if unfed := sorted(set(decoder.input) - wanted):
        faults.append(
            "Every decoder input but 'target_ids' must be an encoder output "
            f"{sorted(encoder.output)}. Received: {unfed}."
        )
    if "logits" not in decoder.output:
        faults.append(f"The decoder must return 'logits'. Received: {sorted(decoder.output)}.")
    given = {name for name in decoder.output if name.startswith(STATE_PREFIX)}
    taken = {name for name in decoder.input if name.startswith(STATE_PREFIX)}
    if given != taken:
        faults.append(
            "The decoder must return the states that it takes. "
            f"Received: takes {sorted(taken)}, returns {sorted(given)}."
        )
    if bad := sorted(name for name in taken if not name.removeprefix(STATE_PREFIX).isdigit()):
        faults.append(f"States must be named 'state_0', 'state_1', ... Received: {bad}.")
    if faults:
        raise ValueError("Encoder and decoder do not fit:\n- " + "\n- ".join(faults))
