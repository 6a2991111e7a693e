"""Finds the layers of a .keras file that Keras quantized, gave LoRA, or has compute otherwise."""

from collections.abc import Iterator
from typing import Any, NamedTuple

EXACT = "float32"
WHOLE_MODEL = "(model)"


class LayerKinds(NamedTuple):
    """Names of layers, sorted, by what is special about them.

    Args:
        quantized: By mode of Keras' `quantize`, such as "int8".
        lora: By rank of the LoRA matrices, as text.
        precision: By dtype policy, such as "mixed_float16"; layers in float32 are left out. A
            policy of the whole model stands under "(model)".
    """

    quantized: dict[str, list[str]]
    lora: dict[str, list[str]]
    precision: dict[str, list[str]]

    def notes(self) -> Iterator[str]:
        """Yields a sentence on each kind that the file has."""
        if self.quantized:
            yield (
                f"Keras quantized layers to {', '.join(self.quantized)}. A model for export must "
                "be as it was before: its files are quantised by --quantization."
            )
        if self.lora:
            yield "Layers have LoRA matrices beside their weights. Exports hold the sum of both."
        if self.precision:
            yield f"Layers compute in {', '.join(self.precision)}. Exports compute in {EXACT}."


def layer_kinds(config: Any) -> LayerKinds:
    """Returns what a configuration says of its layers.

    Args:
        config: That of a model, of any shape; a `Seq2Seq` keeps changes by path under "layers".
    """
    kinds = LayerKinds({}, {}, {})
    for name, layer in _layers(config):
        policy, mode = _policy(layer.get("dtype"))
        if mode is not None:
            kinds.quantized.setdefault(mode, []).append(name)
        if policy not in (None, EXACT):
            kinds.precision.setdefault(str(policy), []).append(name)
        rank = layer.get("lora_rank")
        if isinstance(rank, int):
            kinds.lora.setdefault(str(rank), []).append(name)
    return LayerKinds(*({k: sorted(set(names)) for k, names in sorted(d.items())} for d in kinds))


def _layers(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields each object of a configuration that may be a layer's, with the name next to it."""
    waiting = [(WHOLE_MODEL, config)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, list):
            waiting.extend((name, inner) for inner in value)
        elif isinstance(value, dict):
            name = _name(value) or name
            # The dtype of an input is that of what it is given.
            if "batch_shape" not in value:
                yield name, value
            for key, inner in value.items():
                if key == "layers" and isinstance(inner, dict):
                    waiting.extend((path or WHOLE_MODEL, one) for path, one in inner.items())
                else:
                    waiting.append((name, inner))


def _name(value: dict[str, Any]) -> str | None:
    """Returns the name of a serialized layer."""
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None


def _policy(dtype: Any) -> tuple[str | None, str | None]:
    """Returns the policy in which a layer computes, and the mode in which it is quantized."""
    if isinstance(dtype, str) and "float" in dtype:  # from a Keras before 3.5
        quantized, _, name = dtype.rpartition("_from_")
        return name, quantized.split("/")[0] or None
    config = dtype.get("config") if isinstance(dtype, dict) else None
    if not isinstance(config, dict) or "DTypePolicy" not in str(dtype.get("class_name")):
        return None, None
    mode, source = config.get("mode"), config.get("source_name", config.get("name"))
    return (
        source if isinstance(source, str) else None,
        mode.split("/")[0] if isinstance(mode, str) else None,
    )
