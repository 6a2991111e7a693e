"""What an inspection found, as plain values."""

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
# Parts of a name that converters put between a layer and its weight.
SCOPES = {"while", "native", "Tensordot", "StatefulPartitionedCall", "PartitionedCall"}
INPUT = re.compile(r"input_\d+(_quantized|_scale|_zero_point)?")
NO_LAYER = "(other)"
NO_WEIGHTS = "(constants)"
REPORT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input or an output: name, dtype, and shape with None for an open axis.

    The shape is None where the file does not tell it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of the file."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclasses.dataclass(frozen=True)
class Operator:
    """An operator and how many nodes use it; the version is None where operators have none."""

    domain: str
    name: str
    version: int | None
    count: int


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """Numbers that the file stores.

    Args:
        name: As the file names them.
        layer: The part of the name that says where they belong, or "(other)".
        dtype: As NumPy spells it, or "string".
        shape: Of the tensor.
        parameters: How many are weights: all of a floating-point dtype, of 8 bits and less, or
            with a scale; none of other integers, bool and string.
        bytes: What they take in the file.
        scales: Number of quantization scales that the file holds beside them; 0 if it holds none.
    """

    name: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    parameters: int
    bytes: int
    scales: int = 0


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
    """The oldest release of a runtime that loads the file, None if that cannot be told."""

    runtime: str
    oldest: str | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why the stock runtime would not load the file, and what to do."""

    operator: str | None
    message: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Findings:
    """What an `Inspection` holds.

    Args:
        path: Of the file or folder; of a part, below the bundle.
        format: "bundle", "litert", "onnx", "saved_model" or "keras".
        bytes: Size of all its files.
        facts: What else the file says of itself, plain values for JSON.
        signatures: Its functions.
        operators: Counted over all graphs, sorted by domain and name.
        tensors: What it stores, each once however many functions read it.
        requirements: The runtimes that it is for.
        problems: Why stock runtimes would not load it; empty if they would.
        notes: What a reader should know besides.
        parts: The artefacts of a bundle.
    """

    path: str
    format: str
    bytes: int
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    signatures: tuple[Signature, ...] = ()
    operators: tuple[Operator, ...] = ()
    tensors: tuple[StoredTensor, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    parts: tuple["Findings", ...] = ()

    @property
    def parameters(self) -> int:
        """Stored numbers that are weights."""
        return sum(tensor.parameters for tensor in self.tensors)

    @property
    def layers(self) -> tuple[Group, ...]:
        """What each layer stores, the largest first; what is no weight is under "(constants)"."""
        return _grouped(self.tensors, lambda t: t.layer if t.parameters else NO_WEIGHTS)

    @property
    def dtypes(self) -> tuple[Group, ...]:
        """What is stored in each dtype, the largest first."""
        return _grouped(self.tensors, lambda tensor: tensor.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; docs/inspect.md tells every key."""
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
    """Returns the layer that a tensor or a value of a converted graph is named after.

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
    """Returns the bytes that so many numbers take, None for a dtype without a fixed size."""
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
