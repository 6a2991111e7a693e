"""Which devices train a model, and what of it each of them holds."""

import contextlib
import math
import re
from collections.abc import Iterator
from typing import Any

import keras

BATCH, MODEL = "batch", "model"
# How `split_weights` splits weights; what is not listed is whole on every device. The kernels of
# recurrent cells are small beside embeddings and would be exchanged at every position.
LAYOUTS: dict[str, tuple[str | None, ...]] = {
    r".*embedding/embeddings": (MODEL, None),
    r"(.*/)?logits/kernel": (None, MODEL),
    r"(.*/)?(logits|logits_bias)/bias": (MODEL,),
    r".*attention/(query_key_value|query)/kernel": (None, MODEL),
    r".*attention/(query_key_value|query)/bias": (MODEL,),
    r".*source_keys_values_\d+/key_value/kernel": (None, MODEL),
    r".*source_keys_values_\d+/key_value/bias": (MODEL,),
    r".*attention/output/kernel": (MODEL, None),
    r".*feedforward_(inner|gate)/kernel": (None, MODEL),
    r".*feedforward_(inner|gate)/bias": (MODEL,),
    r".*feedforward_outer/kernel": (MODEL, None),
}


class SplitWeights(keras.distribution.ModelParallel):
    """keras.distribution.ModelParallel with the layouts of the layers of this package.

    Embeddings and the output layer are split over the vocabulary, attention over its heads, the
    feed-forward layers over their inner units, each with the state of the optimizer. A weight whose
    size the devices do not divide is whole on each of them.

    Args:
        device_mesh: keras.distribution.DeviceMesh with the axes "batch" and "model".
    Reference:
        Shoeybi et al. 2019, section 3.
    """

    def __init__(self, device_mesh: keras.distribution.DeviceMesh) -> None:
        layouts = keras.distribution.LayoutMap(device_mesh)
        for pattern, axes in LAYOUTS.items():
            layouts[pattern] = axes
        super().__init__(layout_map=layouts, batch_dim_name=BATCH, auto_shard_dataset=False)
        self._parts = device_mesh.shape[device_mesh.axis_names.index(MODEL)]

    def get_variable_layout(self, variable: Any) -> Any:
        axes = layout_axes(variable.path)
        sizes = zip(variable.shape, axes, strict=False)
        if len(axes) != len(variable.shape) or any(a and n % self._parts for n, a in sizes):
            axes = (None,) * len(variable.shape)
        return keras.distribution.TensorLayout(axes, self.device_mesh)


def layout_axes(path: str) -> tuple[str | None, ...]:
    """Returns the axes over which a variable is split, () for one that is not listed."""
    return next((axes for pattern, axes in LAYOUTS.items() if re.fullmatch(pattern, path)), ())


def data_parallel(devices: list[Any] | None = None) -> keras.distribution.DataParallel:
    """Returns keras.distribution.DataParallel over all devices of all processes.

    Each device computes its share of the rows of a batch and holds all weights.

    Args:
        devices: Devices of JAX; None takes all.
    """
    return keras.distribution.DataParallel(
        devices=_names(devices or _devices()), auto_shard_dataset=False
    )


def split_weights(model_devices: int) -> SplitWeights:
    """Returns `SplitWeights` over all devices of all processes.

    Args:
        model_devices: int > 0. Devices that hold the weights together; the devices of each process
            are a multiple of it. Each such group computes its share of the rows of a batch.
    Raises:
        ValueError: If it does not divide the devices of a process.
    """
    import jax

    devices, here = _devices(), jax.local_device_count()
    if model_devices < 1 or here % model_devices:
        raise ValueError(
            "`model_devices` must divide the number of devices of each process, so that each holds "
            f"all weights. Received: {model_devices}, and {here} devices in this process."
        )
    shape = (len(devices) // model_devices, model_devices)
    return SplitWeights(keras.distribution.DeviceMesh(shape, [BATCH, MODEL], _names(devices)))


def choose_devices(kind: str, model_devices: int, rows_multiple: int) -> tuple[Any, int, str]:
    """Returns what a recipe's [distribution] means here, after the processes have met.

    Args:
        kind: "auto", "none", "data" or "model".
        model_devices: As for `split_weights`.
        rows_multiple: int >= 0. What the pairs of each batch are a multiple of; 0 takes the number
            of shares of a batch.
    Returns:
        distribution: Of keras.distribution; None for one device.
        rows_multiple: int > 0.
        notice: What the user should know, or "".
    Raises:
        ValueError: If the devices or the backend do not allow it.
    """
    if keras.backend.backend() != "jax":
        if kind in ("data", "model"):
            raise ValueError(
                f'distribution.kind = "{kind}" needs the JAX backend. Received: '
                f"{keras.backend.backend()}; set KERAS_BACKEND=jax."
            )
        return None, rows_multiple or 1, ""
    import jax

    devices = _devices()
    if kind == "none" and jax.process_count() > 1:
        raise ValueError(
            'distribution.kind must be "auto", "data" or "model" in several processes. '
            f'Received: "none" in {jax.process_count()}.'
        )
    if kind == "none":
        return None, rows_multiple or 1, ""
    spread = split_weights(model_devices) if kind == "model" else None
    shares = len(devices) // (model_devices if spread else 1)
    rows = rows_multiple or shares
    notice = ""
    if rows % shares:
        if kind != "auto" or jax.process_count() > 1:
            raise ValueError(
                "The rows of a batch must divide over the devices. Received: batches of a multiple "
                f"of {rows} pairs (distribution.rows_multiple, kept by a run from its start) for "
                f"{shares} shares; use a number of devices that divides {rows}, or begin a new run."
            )
        notice = f"Training on {math.gcd(rows, shares)} of {shares} devices: "
        notice += f"the batches of this run are multiples of {rows} pairs."
        shares = math.gcd(rows, shares)
    if spread is not None:
        return spread, rows, notice
    return (data_parallel(devices[:shares]) if shares > 1 else None), rows, notice


@contextlib.contextmanager
def local_variables(model: Any) -> Iterator[None]:
    """Lets the variables of a model be seen, within the block, on the devices of this process.

    So it can be saved, read and asked by one process alone; nothing is copied. Nothing may be
    trained or assigned within the block.

    Args:
        model: A keras.Model; its optimizer and metrics are included.
    Raises:
        ValueError: If this process does not hold all of a variable.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    optimizer = getattr(model, "optimizer", None)
    variables = (*model.variables, *(optimizer.variables if optimizer else ()))
    unique = {id(v): v for v in (*variables, *getattr(model, "metrics_variables", ()))}
    spread = [v for v in unique.values() if not v.value.is_fully_addressable]
    if not spread:
        yield
        return
    former = [(variable, variable.value) for variable in spread]
    here = [(variable, _local(variable.path, value)) for variable, value in former]
    distribution = keras.distribution.distribution()
    try:
        # What is made within the block, such as the model of a file, is of this process too.
        keras.distribution.set_distribution(None)
        for variable, value in here:
            variable._value = value
        yield
    finally:
        for variable, value in former:
            variable._value = value
        keras.distribution.set_distribution(distribution)


def _local(path: str, array: Any) -> Any:
    """Returns an array over the devices of this process, made of the shards that they hold."""
    import jax

    spread = array.sharding
    here = jax.sharding.NamedSharding(spread.mesh.local_mesh, spread.spec)
    if here.shard_shape(array.shape) != spread.shard_shape(array.shape):
        raise ValueError(
            "Each process must hold all weights among its devices, to save and to translate. "
            f"Received: {path}, which is split over several processes; make the axis of the mesh "
            "that splits it as long as the devices of one process, as split_weights does."
        )
    if len(spread.addressable_devices) == 1:  # JAX takes the only shard for the whole array
        return array.addressable_data(0)
    shards = [shard.data for shard in array.addressable_shards]
    return jax.make_array_from_single_device_arrays(array.shape, here, shards)


def _devices() -> list[Any]:
    """Returns all devices of JAX, those of each process one after the other."""
    import jax

    return sorted(jax.devices(), key=lambda device: (device.process_index, device.id))


def _names(devices: list[Any]) -> list[str]:
    return [f"{device.platform}:{device.id}" for device in devices]
