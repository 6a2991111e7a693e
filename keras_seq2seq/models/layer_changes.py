"""What Keras calls changed in the layers of a model after it was built."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_seq2seq.models.config import MAX_UNITS

# By path: the values that a layer's configuration has now and did not have when it was built.
Changes = dict[str, dict[str, Any]]
_LORA = ("lora_rank", "lora_alpha")
_PRECISION = ("dtype", "quantization_config")
_CALIBRATED = ("gptq", "awq")


class LayerChanges:
    """Finds what changed in a model's layers since it was built, and changes another alike.

    Keras keeps this in the configuration of each layer: `trainable`, the dtype policy that
    `quantize` sets, the rank of `enable_lora`, a rate or an activation that was assigned. Layers
    inside layers are found too, which no configuration tells of.

    Args:
        model: A model that has just been built.
        custom: Names of parts whose own layers `model` keeps in its configuration. Of the layers
            inside these, everything that was changed before counts too.
    """

    def __init__(self, model: keras.Model, custom: Sequence[str] = ()) -> None:
        self._model = model
        self._built = {path: described(layer) for path, layer in layers_by_path(model).items()}
        for path, config in self._built.items():
            if path.split("/")[0] in custom and path.count("/") > 1:
                above = self._built[path.rpartition("/")[0]]
                config["trainable"] = True
                if "dtype" in above and "dtype" in config:
                    config["dtype"] = above["dtype"]
                for name in (*_LORA, "quantization_config"):
                    config.pop(name, None)

    def found(self) -> Changes:
        """Returns what differs now, plain values for JSON."""
        changes = {}
        for path, layer in layers_by_path(self._model).items():
            built = self._built.get(path, {})
            now = described(layer)
            if changed := {k: v for k, v in now.items() if k not in built or built[k] != v}:
                changes[path] = changed
        return changes

    def make(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Changes the layers of the model.

        Args:
            changes: What `found` returned for a model of the same configuration.
        Raises:
            ValueError: If there is no such layer or value, or a value is out of its range.
        """
        layers = layers_by_path(self._model)
        if unknown := sorted(set(changes) - set(layers)):
            raise ValueError(
                "Changed layers must be layers of the model. "
                f"Received: {unknown}; load the file with the release that wrote it."
            )
        # From the outside in, each of them: setting a layer sets the layers inside it too.
        for path, layer in layers.items():
            built = self._built[path].get("trainable", True)
            trainable = changes.get(path, {}).get("trainable", built)
            if layer.trainable is not trainable:
                layer.trainable = trainable
        # From the inside out: a recurrent layer shows the values of its cell.
        for path in reversed(list(layers)):
            _change(path, layers[path], dict(changes.get(path, {})))


def layers_by_path(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns a model and all layers inside it by their path, an outer one before its inner ones.

    The names of a path are those of layers in a model, and of attributes in other layers: names
    that are equal in every process. A shared layer is found once.
    """
    found: dict[str, keras.layers.Layer] = {}
    seen: set[int] = set()

    def visit(path: str, layer: keras.layers.Layer) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        found[path] = layer
        for name, inner in _inner_layers(layer):
            visit(f"{path}/{name}" if path else name, inner)

    visit("", model)
    return found


def quantizations(model: keras.Model) -> list[str]:
    """Returns the modes in which Keras quantized layers of a model, such as "int8", sorted."""
    modes = (layer.quantization_mode for layer in layers_by_path(model).values())
    return sorted({mode for mode in modes if mode is not None})


def check_calibrated(model: keras.Model) -> None:
    """Checks that each layer has weights to save.

    Raises:
        ValueError: If `quantize` was called of layers whose new weights `Model.quantize` computes.
    """
    paths = [
        path
        for path, layer in layers_by_path(model).items()
        if layer.quantization_mode in _CALIBRATED
        and not getattr(layer, f"is_{layer.quantization_mode}_calibrated", False)
    ]
    if paths:
        raise ValueError(
            f"A layer quantized by {' or '.join(_CALIBRATED)} must be calibrated, by Keras' "
            f"Model.quantize: it has no weights to save before. Received: {paths}; "
            "'int8' and 'int4' need no calibration."
        )


def has_lora(model: keras.Model) -> bool:
    """Returns True if a layer of a model has LoRA matrices beside its weights."""
    return any(getattr(layer, "lora_enabled", False) for layer in layers_by_path(model).values())


def described(layer: keras.layers.Layer) -> dict[str, Any]:
    """Returns the configuration of a layer without that of other layers."""
    if isinstance(layer, keras.Model):
        return {"trainable": layer.trainable}
    try:
        config = keras.saving.serialize_keras_object(layer)["config"]
    except (NotImplementedError, TypeError, ValueError):
        # A custom layer that cannot be saved; `save` says so.
        config = {"dtype": keras.saving.serialize_keras_object(layer.dtype_policy)}
    config = {name: _unshared(value) for name, value in config.items() if not _is_layer(value)}
    if layer.quantization_mode is None:
        # `quantize` leaves its configuration also in a layer that it then refuses.
        config.pop("quantization_config", None)
    return {**config, "trainable": layer.trainable}


def _is_layer(config: Any) -> bool:
    """Returns True for the configuration of an inner layer, or of several."""
    if isinstance(config, list):
        return any(map(_is_layer, config))
    inner = config.get("config") if isinstance(config, dict) else None
    return isinstance(inner, dict) and "trainable" in inner


def _unshared(config: Any) -> Any:
    """Returns a configuration without the numbers that Keras gives to shared objects in a file."""
    if isinstance(config, dict):
        return {k: _unshared(v) for k, v in config.items() if k != "shared_object_id"}
    return [_unshared(value) for value in config] if isinstance(config, list) else config


def _inner_layers(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    if isinstance(layer, keras.Model):
        yield from ((inner.name, inner) for inner in layer.layers)
        return
    for name, value in sorted(vars(layer).items()):
        if name in _bookkeeping() or name.startswith("_self_"):  # TensorFlow's
            continue
        if isinstance(value, keras.layers.Layer):
            yield name, value
        elif isinstance(value, (list, tuple)):
            layers = [(i, v) for i, v in enumerate(value) if isinstance(v, keras.layers.Layer)]
            yield from ((f"{name}.{i}", inner) for i, inner in layers)
        elif isinstance(value, dict):
            layers = [(k, v) for k, v in value.items() if isinstance(v, keras.layers.Layer)]
            yield from ((f"{name}.{key}", inner) for key, inner in layers)


@functools.cache
def _bookkeeping() -> frozenset[str]:
    """Returns the attributes of every layer, in which Keras lists the inner layers again."""
    return frozenset(vars(keras.layers.Layer()))


def _change(path: str, layer: keras.layers.Layer, change: dict[str, Any]) -> None:
    """Brings a layer to the changed values of its configuration."""
    now = described(layer)
    change = {name: value for name, value in change.items() if now.get(name) != value}
    if unknown := sorted(set(change) - set(now) - {*_LORA, *_PRECISION}):
        raise ValueError(f"Layer {path!r} has no {unknown} to change.")
    if "dtype" in change:
        _set_policy(layer, change)
    if "lora_rank" in change:
        rank = change["lora_rank"]
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= MAX_UNITS:
            raise ValueError(f"`lora_rank` must be 1 to {MAX_UNITS:,}. Received: {rank!r}.")
        layer.enable_lora(rank, lora_alpha=change.get("lora_alpha"))
    plain = {k: v for k, v in change.items() if k not in (*_LORA, *_PRECISION, "trainable")}
    if plain:
        _set_values(path, layer, plain)


def _set_policy(layer: keras.layers.Layer, change: dict[str, Any]) -> None:
    policy = keras.dtype_policies.get(change["dtype"])
    if policy.quantization_mode is not None and layer.quantization_mode is None:
        # A quantized policy names the one that it came from, and `quantize` starts from that.
        layer.dtype_policy = policy.name.rpartition("_from_")[2]
        config = keras.saving.deserialize_keras_object(change.get("quantization_config"))
        given = {"mode": policy.quantization_mode} if config is None else {"config": config}
        layer.quantize(type_check=False, **given)
    layer.dtype_policy = policy


def _set_values(path: str, layer: keras.layers.Layer, values: dict[str, Any]) -> None:
    """Sets attributes to what a layer that is made from this configuration has there."""
    made = type(layer).from_config({**layer.get_config(), **values, "dtype": "float32"})
    for name in values:
        try:
            setattr(layer, name, getattr(made, name))
        except AttributeError:
            raise ValueError(
                f"`{name}` of layer {path!r} was changed after building, which a file of this "
                f"model cannot restore. Received: {values[name]!r}; save the model without it."
            ) from None
