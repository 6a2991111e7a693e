"""Compares the functions of a file with what the manifest of its bundle says of them."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Signatures = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]


class Tensor(NamedTuple):
    """An input or output of a function: dtype, and shape with None for an axis of any length."""

    name: str
    dtype: str
    shape: Sequence[int | None] | None


def check_signature(
    path: pathlib.Path,
    function: str,
    signatures: Signatures,
    inputs: Iterable[Tensor],
    outputs: Iterable[Tensor],
) -> None:
    """Checks that a function takes and returns the tensors that a manifest states.

    Args:
        path: The file.
        function: Name of the function.
        signatures: Those of the manifest; one that it does not state is not checked.
        inputs, outputs: What the file says.
    Raises:
        ValueError: If a name, a dtype or a size differs; lists all.
    """
    if (stated := signatures.get(function)) is None:
        return
    lines = []
    for side, found in (("inputs", inputs), ("outputs", outputs)):
        held = {tensor.name: tensor for tensor in found}
        wanted = {
            one["name"]: Tensor(one["name"], one["dtype"], one["shape"]) for one in stated[side]
        }
        if set(held) != set(wanted):
            lines.append(f"the {side} {sorted(held)}, not {sorted(wanted)}")
        lines += [
            f"{_told(held[name])}, not {_told(tensor)}"
            for name, tensor in wanted.items()
            if name in held and not _agree(held[name], tensor)
        ]
    if lines:
        raise ValueError(
            f"`{function}` of {path} must have the tensors of the manifest. Received: "
            f"{'; '.join(lines)}. Export the bundle again."
        )


def _agree(found: Tensor, wanted: Tensor) -> bool:
    if found.dtype != wanted.dtype:
        return False
    # A converter may lose a size, and LiteRT states no shape for some outputs.
    if not found.shape or wanted.shape is None:
        return True
    same_rank = len(found.shape) == len(wanted.shape)
    pairs = zip(found.shape, wanted.shape, strict=False)
    return same_rank and all(a == b for a, b in pairs if a is not None and b is not None)


def _told(tensor: Tensor) -> str:
    shape = "of any shape" if tensor.shape is None else list(tensor.shape)
    return f"{tensor.name} {tensor.dtype} {shape}"
