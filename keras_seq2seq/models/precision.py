"""Dtype policies: what layers compute in."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

EXACT_POLICY = "float32"


@contextlib.contextmanager
def dtype_policy(policy: Any) -> Iterator[None]:
    """Sets the dtype policy of Keras for a block, then restores the former one.

    Args:
        policy: A policy, or its name or configuration.
    """
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)


def in_float32(config: Any) -> Any:
    """Returns a copy of a configuration in which every layer computes in float32, without LoRA.

    Args:
        config: Configuration of a model or of a part of one, as Keras serializes it.
    """
    if isinstance(config, list):
        return [in_float32(value) for value in config]
    if not isinstance(config, dict):
        return config
    copy = {name: in_float32(value) for name, value in config.items()}
    for name in ("dtype", "reverse_dtype"):
        if _is_policy(copy.get(name)):
            copy[name] = EXACT_POLICY
    return {name: value for name, value in copy.items() if name not in ("lora_rank", "lora_alpha")}


def _is_policy(value: Any) -> bool:
    """Returns True for a policy, not for the dtype of ids or masks."""
    if isinstance(value, dict):
        return "DTypePolicy" in str(value.get("class_name"))
    return isinstance(value, str) and "float" in value
