"""Which process of how many this is, as its environment says."""

import json
import os

import keras

ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
COUNT = "KERAS_DISTRIBUTION_NUM_PROCESSES"
INDEX = "KERAS_DISTRIBUTION_PROCESS_ID"
# What launchers of other libraries set in each of their processes, and the number of these in it.
OTHER_LAUNCHERS = {"torch": ("WORLD_SIZE", "torchrun (torch.distributed)")}


def process_environment() -> tuple[int, int, tuple[str, int] | None]:
    """Returns the number of processes, that of this one, and host and port of process 0.

    Raises:
        ValueError: If a variable is missing or wrong, or the backend is not JAX.
    """
    backend = keras.backend.backend()
    variable, launcher = OTHER_LAUNCHERS.get(backend, ("", ""))
    if os.environ.get(variable, "1") not in ("", "1"):
        raise ValueError(
            "A training in several processes runs on the JAX backend; on torch each process would "
            f"train a model of its own. Received: {variable}={os.environ[variable]} of {launcher}; "
            f"set KERAS_BACKEND=jax and {COUNT}, or start one process."
        )
    if backend == "tensorflow" and (workers := _tf_workers()) > 1:
        raise ValueError(
            "A training in several processes runs on the JAX backend; on TensorFlow each process "
            f"would train a model of its own. Received: TF_CONFIG with {workers} workers; set "
            f"KERAS_BACKEND=jax and {COUNT}, or start one process without TF_CONFIG."
        )
    given = {name: os.environ[name] for name in (ADDRESSES, COUNT, INDEX) if os.environ.get(name)}
    if not given:
        return 1, 0, None
    faults = [f"{name} is not set" for name in (COUNT, INDEX) if name not in given]
    count, index = (_number(given.get(name, "")) for name in (COUNT, INDEX))
    if COUNT in given and (count is None or count < 1):
        faults.append(f"{COUNT}={given[COUNT]!r} is no number above 0")
    if INDEX in given and (index is None or (count and index >= count)):
        faults.append(f"{INDEX}={given[INDEX]!r} is no number from 0 to {(count or 1) - 1}")
    first, *others = given.get(ADDRESSES, "").split(",")
    host, _, port = first.strip().rpartition(":")
    if (count or 2) > 1:
        if not host or not 0 < (_number(port) or 0) < 2**16:
            faults.append(f"{ADDRESSES}={given.get(ADDRESSES, '')!r} does not begin with HOST:PORT")
        elif others and len(others) + 1 != count:
            faults.append(f"{ADDRESSES} names {len(others) + 1} processes, {COUNT} {count}")
        if backend != "jax":
            faults.append(f"the Keras backend {backend}, where each would train a model of its own")
    if faults or count is None or index is None:
        raise ValueError(
            "A training in several processes needs KERAS_BACKEND=jax and, in each process, "
            f"{ADDRESSES} (HOST:PORT of process 0), {COUNT} and {INDEX}. "
            f"Received: {'; '.join(faults)}."
        )
    return count, index, (host.strip("[]"), _number(port) or 0) if count > 1 else None


def _tf_workers() -> int:
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "master", "worker"))
    except (ValueError, AttributeError, TypeError):
        return 1


def _number(text: str) -> int | None:
    return int(text) if text.strip().isascii() and text.strip().isdigit() else None
