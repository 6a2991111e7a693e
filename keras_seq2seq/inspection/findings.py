"""The results of an inspection, as plain values."""

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

# Bits of one stored number, by dtype. A string has no fixed size.
BITS = {
    **{"bool": 8, "int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4e2m1": 4},
    **{"int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32},
    **{"int64": 64, "uint64": 64, "float16": 16, "bfloat16": 16, "float32": 32, "float64": 64},
    **{"complex64": 64, "complex128": 128, "float8e4m3fn": 8, "float8e4m3fnuz": 8},
    **{"float8e5m2": 8, "float8e5m2fnuz": 8, "float8e8m0": 8},
}
SMALL_INTEGERS = ("int2", "uint2", "int4", "uint4", "int8", "uint8")
# Parts of a name that converters insert between a layer and its weight.
SCOPES = {"while", "native", "Tensordot", "StatefulPartitionedCall", "PartitionedCall"}
INPUT = re.compile(r"input_\d+(_quantized|_scale|_zero_point)?")
NO_LAYER = "(other)"
NO_WEIGHTS = "(constants)"
REPORT_VERSION = 1
COUNTED = ("signatures", "operators", "tensors", "problems", "notes", "parts")


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input or an output: name, dtype, and shape with None for an axis of any size.

    The shape is None if the file does not state it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function that the file offers, with its inputs and outputs."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclasses.dataclass(frozen=True)
class Operator:
    """An operator and the number of nodes that use it; its version is None if it has none."""

    domain: str
    name: str
    version: int | None
    count: int


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor that the file stores.

    Args:
        name: Its name in the file.
        layer: The layer it belongs to, taken from its name, or "(other)".
        dtype: The dtype as NumPy spells it, or "string".
        shape: Its shape.
        parameters: How many of its numbers are weights: all of them if the dtype is floating-point
            or an integer of at most 8 bits, or if the tensor has scales; otherwise 0.
        bytes: Its size in the file.
        scales: Number of quantization scales that the file holds for it; 0 if there are none.
        not_finite: How many of its numbers are NaN or infinite, or have such a scale. Not counted
            are those that `inspect` does not read: variables of a SavedModel, external weights.
    """

    name: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    parameters: int
    bytes: int
    scales: int = 0
    not_finite: int = 0


@dataclasses.dataclass(frozen=True)
class Group:
    """Stored tensors counted together, by layer or by dtype."""

    name: str
    tensors: int
    parameters: int
    bytes: int
    dtypes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Requirement:
    """The oldest release of a runtime that loads the file; None if it is not known."""

    runtime: str
    oldest: str | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Caller:
    """Whether programs that use a certain API can use the file.

    Args:
        name: The API.
        takes: True if it loads and runs the file.
        runtime: Whose release `oldest` is.
        oldest: The oldest release that does; None if it does not, or if that is not known.
        reason: Why it does not; else what there is to know about it, or "".
    """

    name: str
    takes: bool
    runtime: str
    oldest: str | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Problem:
    """A reason why the stock runtime cannot load or use the file, and the remedy."""

    operator: str | None
    message: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Findings:
    """The values of an `Inspection`.

    Args:
        path: Path of the file or folder; for a part of a bundle, relative to the bundle.
        format: "bundle", "litert", "onnx", "saved_model" or "keras".
        bytes: Total size of all its files.
        facts: Other facts that the file states about itself, as plain values for JSON.
        signatures: Its functions.
        operators: Its operators, counted over all graphs, sorted by domain and name.
        tensors: Its stored tensors; each is listed once, even if several functions read it.
        requirements: The runtimes it is made for, with the oldest release that loads it.
        callers: Which APIs of phones and browsers take it, for a LiteRT file.
        problems: Why stock runtimes cannot load or use it; empty if they can.
        notes: Other remarks for the reader.
        parts: Findings of each artefact of a bundle.
    """

    path: str
    format: str
    bytes: int
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    signatures: tuple[Signature, ...] = ()
    operators: tuple[Operator, ...] = ()
    tensors: tuple[StoredTensor, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    callers: tuple[Caller, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    parts: tuple["Findings", ...] = ()

    def __repr__(self) -> str:
        counts = [f"{len(getattr(self, name))} {name}" for name in COUNTED if getattr(self, name)]
        said = [f"path={self.path!r}", f"format={self.format!r}", f"bytes={self.bytes}", *counts]
        return f"{type(self).__name__}({', '.join(said)})"

    @property
    def parameters(self) -> int:
        """Number of weights in all stored tensors."""
        return sum(tensor.parameters for tensor in self.tensors)

    @property
    def layers(self) -> tuple[Group, ...]:
        """The tensors of each layer, largest first; those without weights are "(constants)"."""
        return _grouped(self.tensors, lambda t: t.layer if t.parameters else NO_WEIGHTS)

    @property
    def dtypes(self) -> tuple[Group, ...]:
        """The tensors of each dtype, largest first."""
        return _grouped(self.tensors, lambda tensor: tensor.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; docs/inspect.md describes every key."""
        return {"report_version": REPORT_VERSION, **self._values()}

    def _values(self) -> dict[str, Any]:
        values = dataclasses.asdict(dataclasses.replace(self, parts=()))
        return {
            **values,
            "parameters": self.parameters,
            "layers": [dataclasses.asdict(group) for group in self.layers],
            "dtypes": [dataclasses.asdict(group) for group in self.dtypes],
            "parts": [part._values() for part in self.parts],
        }


def layer_of(name: str) -> str:
    """Returns the layer from which a tensor or value of a converted graph has its name.

    Example:
        >>> layer_of("encoder/encoder_rnn_0/native/GRU/input_1")
        'encoder/encoder_rnn_0'
        >>> layer_of("Add_2/input_1")
        '(other)'
    """
    parts = name.split(";")[0].split("/")
    if INPUT.fullmatch(parts[-1]):
        parts.pop()
    kept = [part for part in parts[:-1] if ":" not in part and part not in SCOPES]
    return "/".join(kept) or NO_LAYER


def weights(dtype: str, size: int, scales: int = 0) -> int:
    """Returns how many of `size` stored numbers are weights."""
    return size if scales or "float" in dtype or dtype in SMALL_INTEGERS else 0


def stored_bytes(dtype: str, size: int) -> int | None:
    """Returns the bytes that `size` numbers take; None for a dtype without a fixed size."""
    bits = BITS.get(dtype)
    return None if bits is None else -(-size * bits // 8)


def counted(counts: dict[tuple[str, str, int | None], int]) -> tuple[Operator, ...]:
    """Returns operators sorted by domain, name and version.

    Args:
        counts: Number of nodes by (domain, name, version).
    """
    found = sorted(counts.items(), key=lambda item: (*item[0][:2], item[0][2] or 0))
    return tuple(Operator(*key, count) for key, count in found)


def _grouped(
    tensors: Iterable[StoredTensor], key: Callable[[StoredTensor], str]
) -> tuple[Group, ...]:
    groups: dict[str, list[StoredTensor]] = {}
    for tensor in tensors:
        groups.setdefault(key(tensor), []).append(tensor)
    found = [
        Group(
            name,
            len(group),
            sum(tensor.parameters for tensor in group),
            sum(tensor.bytes for tensor in group),
            tuple(sorted({tensor.dtype for tensor in group})),
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda group: (-group.bytes, group.name)))
