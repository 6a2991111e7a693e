"""Opens a .tflite file through its schema; bounds are checked and nothing is run."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_seq2seq.file_formats.float_bits import count_not_finite
from keras_seq2seq.file_formats.litert_schema import IDENTIFIER, litert_schema
from keras_seq2seq.inspection.findings import (
    NO_LAYER,
    Signature,
    StoredTensor,
    TensorSpec,
    layer_of,
    stored_bytes,
    weights,
)

BUILTIN, CUSTOM, FLEX, UNKNOWN = "builtin", "custom", "flex", "unknown"
VERSION_METADATA = "min_runtime_version"
# Name prefixes that a converter gives to constants whose own name is lost.
NAMELESS = ("tfl.", "arith.", "std.", "")
DAMAGE = (struct.error, IndexError, KeyError, TypeError, ValueError, OverflowError)

OperatorKey = tuple[str, str, int | None]


class LiteRTModel:
    """The tables of a .tflite file.

    Args:
        path: The file.
    Raises:
        ImportError: If neither ai-edge-litert nor tensorflow is installed.
        ValueError: If the file is not a LiteRT model, or is cut short or damaged.
    """

    def __init__(self, path: Path) -> None:
        content = Path(path).read_bytes()
        if content[4:8] != IDENTIFIER:
            raise ValueError(f"A LiteRT file must have {IDENTIFIER!r} at byte 4. Received: {path}.")
        self.size, self._content = len(content), memoryview(content)
        self._schema = litert_schema()
        try:
            self._read(self._schema.Model.GetRootAs(content))
        except DAMAGE as error:
            raise ValueError(
                "A LiteRT file must be complete, with sizes that agree. "
                f"Received: {path}: {error!r}; export or copy it again."
            ) from None

    def _read(self, model: Any) -> None:
        self._model = model
        self._dtypes = _names(self._schema.TensorType)
        self.schema_version = model.Version()
        self.description = (model.Description() or b"").decode("utf-8", "replace")
        self.metadata = {
            _text(entry.Name()): self._buffer(entry.Buffer())
            for entry in self._each(model.Metadata, model.MetadataLength())
        }
        self._codes = [
            self._code(code)
            for code in self._each(model.OperatorCodes, model.OperatorCodesLength())
        ]
        self._graphs = list(self._each(model.Subgraphs, model.SubgraphsLength()))
        self.operators = [
            [
                self._codes[operator.OpcodeIndex()]
                for operator in self._each(graph.Operators, graph.OperatorsLength())
            ]
            for graph in self._graphs
        ]
        definitions = self._each(model.SignatureDefs, model.SignatureDefsLength())
        self.signatures = [self._signature(definition) for definition in definitions]
        self.main = self._main()
        self.tensors = tuple(self._stored())
        buffers = self._each(model.Buffers, model.BuffersLength())
        # Constants are stored after the flatbuffer, as beyond 2 GB.
        self.has_data_after = any(buffer.Offset() > 1 for buffer in buffers)
        operators = [
            (graph, operator)
            for graph in self._graphs
            for operator in self._each(graph.Operators, graph.OperatorsLength())
        ]
        self.has_shifted_factors = any(self._has_shifted_factor(*one) for one in operators)
        self.has_rounded_vectors = any(self._reads_rounded_vector(*one) for one in operators)

    def _has_shifted_factor(self, graph: Any, operator: Any) -> bool:
        """Returns True for a product of int8 matrices whose second one does not have 0 at 0."""
        tensor = self._input(graph, operator, "BATCH_MATMUL", 1)
        quantization = None if tensor is None else tensor.Quantization()
        if quantization is None or self._dtypes.get(tensor.Type()) != "INT8":
            return False
        return any(self._each(quantization.ZeroPoint, quantization.ZeroPointLength()))

    def _reads_rounded_vector(self, graph: Any, operator: Any) -> bool:
        """Returns True for numbers looked up in a vector that is stored in 8 bits."""
        tensor = self._input(graph, operator, "GATHER", 0)
        if tensor is None or tensor.ShapeLength() != 1:
            return False
        return self._dtypes.get(tensor.Type()) == "INT8" and tensor.Quantization() is not None

    def _input(self, graph: Any, operator: Any, name: str, index: int) -> Any:
        """Returns an input of an operator of this name; None of others, or if it lacks one."""
        if self._codes[operator.OpcodeIndex()][1] != name or operator.InputsLength() <= index:
            return None
        if not 0 <= (place := operator.Inputs(index)) < graph.TensorsLength():
            raise ValueError(f"input {place} of an operator is no tensor")
        return graph.Tensors(place)

    def _main(self) -> Signature:
        """Returns the inputs and outputs of the first graph, for a file without signatures."""
        graph = self._graphs[0]

        def specs(indices: Iterator[int]) -> tuple[TensorSpec, ...]:
            tensors = (graph.Tensors(i) for i in indices)
            return tuple(self._spec(_text(tensor.Name()), tensor) for tensor in tensors)

        inputs = specs(self._each(graph.Inputs, graph.InputsLength()))
        return Signature("main", inputs, specs(self._each(graph.Outputs, graph.OutputsLength())))

    def _each(self, get: Any, length: int) -> Iterator[Any]:
        # Each entry of a vector takes at least one byte, so a longer vector cannot be real.
        if length > self.size:
            raise ValueError(f"a vector of {length} entries in {self.size} bytes")
        return map(get, range(length))

    def _buffer(self, index: int) -> bytes:
        """Returns the content of a buffer inside the file."""
        buffer = self._model.Buffers(index)
        if buffer.Offset() > 1:
            return bytes(self._content[buffer.Offset() :][: self._buffer_size(index)])
        if not (length := buffer.DataLength()):
            return b""
        field = buffer._tab.Offset(4)
        start = buffer._tab.Vector(field)
        content = bytes(buffer._tab.Bytes[start : start + length])
        if len(content) != length:
            raise ValueError(f"buffer {index} of {length} bytes goes past the end")
        return content

    def _buffer_size(self, index: int) -> int:
        """Returns the size of a buffer in bytes; in a large file it may follow the tables."""
        buffer = self._model.Buffers(index)
        if buffer.Offset() > 1:
            if buffer.Offset() + buffer.Size() > self.size:
                raise ValueError(f"buffer {index} goes past the end")
            return buffer.Size()
        length = buffer.DataLength()
        if length and buffer._tab.Vector(buffer._tab.Offset(4)) + length > self.size:
            raise ValueError(f"buffer {index} of {length} bytes goes past the end")
        return length

    def _code(self, code: Any) -> OperatorKey:
        # Rule of the schema: small codes may be stored only in the deprecated byte.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _names(self._schema.BuiltinOperator).get(number)
        if name is None:
            return UNKNOWN, f"operator {number}", code.Version()
        if name == "CUSTOM":
            custom = _text(code.CustomCode()) or name
            return FLEX if custom.startswith("Flex") else CUSTOM, custom, code.Version()
        return BUILTIN, name, code.Version()

    def _signature(self, definition: Any) -> tuple[Signature, int]:
        graph = self._graphs[definition.SubgraphIndex()]

        def specs(get: Any, length: int) -> tuple[TensorSpec, ...]:
            found = self._each(get, length)
            named = [(_text(entry.Name()), graph.Tensors(entry.TensorIndex())) for entry in found]
            return tuple(self._spec(name, tensor) for name, tensor in sorted(named, key=_first))

        inputs = specs(definition.Inputs, definition.InputsLength())
        outputs = specs(definition.Outputs, definition.OutputsLength())
        signature = Signature(_text(definition.SignatureKey()), inputs, outputs)
        return signature, definition.SubgraphIndex()

    def _spec(self, name: str, tensor: Any) -> TensorSpec:
        if open_shape := list(self._each(tensor.ShapeSignature, tensor.ShapeSignatureLength())):
            shape = tuple(None if size < 0 else int(size) for size in open_shape)
        else:
            shape = tuple(map(int, self._each(tensor.Shape, tensor.ShapeLength())))
        return TensorSpec(name, self._dtypes[tensor.Type()].lower(), shape)

    def _stored(self) -> Iterator[StoredTensor]:
        """Yields each buffer that tensors read, once, under the clearest of their names."""
        users: dict[int, list[Any]] = {}
        for graph in self._graphs:
            for tensor in self._each(graph.Tensors, graph.TensorsLength()):
                if self._buffer_size(tensor.Buffer()):
                    users.setdefault(tensor.Buffer(), []).append(tensor)
        for index, tensors in users.items():
            names = [_text(tensor.Name()) for tensor in tensors]
            spec = self._spec(min(names, key=_vagueness), tensors[0])
            shape = tuple(map(int, self._each(tensors[0].Shape, tensors[0].ShapeLength())))
            size, stored = math.prod(shape), self._buffer_size(index)
            expected = stored_bytes(spec.dtype, size)
            if expected not in (None, stored) and tensors[0].Sparsity() is None:
                raise ValueError(f"{spec.name} has {stored} bytes for shape {shape} {spec.dtype}")
            quantization = tensors[0].Quantization()
            scales = quantization.ScaleLength() if quantization else 0
            count = weights(spec.dtype, size, scales)
            layer = layer_of(spec.name) if _vagueness(spec.name)[0] == 0 else NO_LAYER
            bad = count_not_finite(spec.dtype, self._buffer(index))
            bad += size * _not_finite_scales(quantization) // max(1, scales)
            yield StoredTensor(spec.name, layer, spec.dtype, shape, count, stored, scales, bad)


def _not_finite_scales(quantization: Any) -> int:
    if not quantization or not quantization.ScaleLength():
        return 0
    return count_not_finite("float32", quantization.ScaleAsNumpy().tobytes())


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _vagueness(name: str) -> tuple[int, int, str]:
    """Sort key of names: with a path first, then others, then made-up ones; short names first."""
    made_up = not name or name.startswith(NAMELESS[:-1])
    return (2 if made_up else int("/" not in name), len(name), name)


def _text(given: bytes | None) -> str:
    return (given or b"").decode("utf-8", "replace")


def _names(constants: Any) -> dict[int, str]:
    return {value: name for name, value in vars(constants).items() if isinstance(value, int)}
