"""Refuses training on several replicas, whose losses are means over unequal numbers of tokens."""

from typing import Any

import keras


def check_one_replica(model: Any) -> None:
    """Checks that a model trains and is evaluated on one replica.

    A tf.distribute strategy averages the means of its replicas, which weighs their tokens unequally
    and halves what Keras reports; keras.distribution has no effect outside JAX.

    Args:
        model: A keras.Model.
    Raises:
        ValueError: If it was made, or this is called, under a tf.distribute strategy of several
            replicas, or keras.distribution is set on a backend other than JAX.
    """
    backend = keras.backend.backend()
    strategy = model.distribute_strategy if backend == "tensorflow" else None
    replicas = getattr(strategy, "num_replicas_in_sync", 1)
    if replicas > 1:
        raise ValueError(
            "A Seq2Seq model trains and is evaluated on one replica: several would report another "
            f"loss and train other weights. Received: {type(strategy).__name__} with {replicas} "
            "replicas; leave out its scope or give it one device. To load a model for translation "
            "alone, pass compile=False."
        )
    distribution = keras.distribution.distribution()
    if distribution is not None and backend != "jax":
        raise ValueError(
            "keras.distribution must not be set, except on the JAX backend: it would have no "
            f"effect. Received: {type(distribution).__name__} on {backend}; call "
            "keras.distribution.set_distribution(None), or set KERAS_BACKEND=jax."
        )
