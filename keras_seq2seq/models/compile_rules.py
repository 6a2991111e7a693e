"""Losses and metrics of Keras that would be wrong for tokens, found when a model is compiled."""

from typing import Any

import keras

# What `compile` of Keras resolves by itself, looking at the shapes.
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


def loss_faults(loss: Any) -> list[str]:
    """Returns the errors of a loss that takes logits for probabilities, or learns padding.

    Args:
        loss: What `compile` takes as `loss`.
    """
    if not (wrong := [one for one in keras.tree.flatten(loss) if _is_wrong_loss(one)]):
        return []
    return [
        "`loss` must take logits and leave out padding: leave it out, or pass MaskedCrossentropy() "
        "or keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0). "
        f"Received: {_named(wrong)}."
    ]


def metric_faults(name: str, metrics: Any) -> list[str]:
    """Returns the errors of metrics of Keras, which count padding.

    Args:
        name: "metrics" or "weighted_metrics".
        metrics: What `compile` takes under this name.
    """
    if not (wrong := [one for one in keras.tree.flatten(metrics) if _is_wrong_metric(one)]):
        return []
    return [
        f"`{name}` must leave out padding, which metrics of Keras count: leave them out, or pass "
        f"TokenAccuracy() and Perplexity(). Received: {_named(wrong)}."
    ]


def _is_wrong_loss(loss: Any) -> bool:
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if type(loss) is keras.losses.SparseCategoricalCrossentropy:
        config = loss.get_config()
        return not config["from_logits"] or config["ignore_class"] != 0
    return _is_of_keras(loss)


def _is_wrong_metric(metric: Any) -> bool:
    if isinstance(metric, str):
        if metric in _BY_SHAPE:
            return True
        metric = keras.metrics.get(metric)
    # A wrapper around a function of the user's.
    return type(metric) is not keras.metrics.MeanMetricWrapper and _is_of_keras(metric)


def _is_of_keras(given: Any) -> bool:
    """Returns True for a class, a function or an object of Keras."""
    module = getattr(given, "__module__", None) or type(given).__module__
    return str(module).split(".")[0] == "keras"


def _named(wrong: list[Any]) -> str:
    return ", ".join(
        repr(one) if isinstance(one, str) else getattr(one, "__name__", type(one).__name__)
        for one in wrong
    )
