"""Refuses training on several replicas where it would be wrong, or where batches do not fit."""

import sys
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
            replicas, keras.distribution is set on a backend other than JAX, or torch.distributed
            has several processes.
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
    if backend == "torch" and (processes := _torch_processes()) > 1:
        raise ValueError(
            "A Seq2Seq model trains in one process of torch: several would each train a model of "
            "their own, or average the means of unequal numbers of tokens. Received: torch."
            f"distributed with {processes} processes; set KERAS_BACKEND=jax (docs/scale.md)."
        )
    distribution = keras.distribution.distribution()
    if distribution is not None and backend != "jax":
        raise ValueError(
            "keras.distribution must not be set, except on the JAX backend: it would have no "
            f"effect. Received: {type(distribution).__name__} on {backend}; call "
            "keras.distribution.set_distribution(None), or set KERAS_BACKEND=jax."
        )


def _torch_processes() -> int:
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 1
    return int(distributed.get_world_size())


def check_shares(data: Any) -> None:
    """Checks that what is read fits the devices and processes of keras.distribution.

    Args:
        data: What `fit` or `evaluate` reads; None is nothing. Other data than `PairBatches` are
            for one process, and Keras checks that they fit its devices.
    Raises:
        ValueError: If the rows of a batch do not divide over the devices, if each process would
            read whole batches, or if Keras would share them out once more.
    """
    batches = getattr(data, "batches", data)
    distribution = keras.distribution.distribution()
    if keras.backend.backend() != "jax" or data is None:
        return
    import jax

    index, count = jax.process_index(), jax.process_count()
    is_ours = hasattr(batches, "rows_multiple")
    if count > 1 and not is_ours:
        raise ValueError(
            "In several processes `fit` and `evaluate` read PairBatches, of which each process has "
            f"its share. Received: {type(data).__name__} in {count} processes, each of which might "
            "read all rows; pass PairBatches(...).share(index, count). Data that you have shared "
            "out yourself go through keras.Model.fit(model, data), without validation_data."
        )
    if is_ours and batches.part != (index, count):
        raise ValueError(
            "Each process must read its own share of the batches. Received: share "
            f"{batches.part[0]} of {batches.part[1]} in process {index} of {count}; pass "
            f"batches.share({index}, {count})."
        )
    if distribution is None:
        if count > 1:
            raise ValueError(
                "A training in several processes needs keras.distribution. Received: "
                f"{count} processes without one; set keras_seq2seq.data_parallel()."
            )
        return
    if not is_ours:
        return
    if count > 1 and distribution.auto_shard_dataset:
        raise ValueError(
            "Batches are shared out by PairBatches.share; Keras must not do it again. Received: "
            f"{type(distribution).__name__} with auto_shard_dataset=True; pass False."
        )
    shares = distribution.num_model_replicas
    rows = sorted({bucket.batch_size * batches.copies for bucket in batches.buckets})
    if odd := [size for size in rows if size % shares]:
        raise ValueError(
            "The rows of each batch must divide over the devices. Received: batches of "
            f"{', '.join(map(str, odd))} rows for {shares} shares; pass rows_multiple={shares} to "
            "PairBatches."
        )
