"""Measures the range of each tensor of a LiteRT file, loops included."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_seq2seq.installed import missing_package
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

Ranges = dict[str, tuple[float, float]]


def measured_ranges(
    translate: bytes | Path, steps: bytes | Path, sources: Iterable[np.ndarray]
) -> tuple[Ranges, Ranges]:
    """Runs two files and returns the least and greatest value of each of their tensors.

    TensorFlow's converter has a calibration runner of its own, which fails when the length of the
    source changes and does not see into loops. The profiler of ai-edge-litert sees every operator.

    Args:
        translate: The .tflite file with `translate_<search>_<source length>`.
        steps: The .tflite file with `encode` and `decode_step`.
        sources: int32, shape (1, source_length) each, ended by eos; what is longer than the
            longest function is left out before the eos.
    Returns:
        For each file (least, greatest) by the tensor's name, for all inputs and computed tensors.
    Raises:
        ImportError: If ai-edge-litert is not installed, or has no such profiler.
    """
    searching, stepping = RangeProfiler(translate), RangeProfiler(steps)
    names = [name.rpartition("_") for name in searching.signatures]
    searches = sorted({name for name, _, _ in names})
    lengths = sorted({int(length) for _, _, length in names})
    for source in sources:
        ids = source
        if ids.shape[1] > lengths[-1]:
            ids = np.append(ids[:, : lengths[-1] - 1], ids[:, -1:], 1)
        length = next(length for length in lengths if length >= ids.shape[1])
        padded = np.pad(ids, ((0, 0), (0, length - ids.shape[1])))
        found = {
            name: searching.run(f"{name}_{length}", {"source_ids": padded}) for name in searches
        }
        state = stepping.run("encode", {"source_ids": ids})
        previous = BOS_ID
        for token_id in found["translate_greedy"]["target_ids"][0]:
            if token_id == PAD_ID:
                break
            target_ids = np.array([[previous]], "int32")
            state |= stepping.run("decode_step", {**state, "target_ids": target_ids})
            previous = token_id
    return searching.ranges, stepping.ranges


class RangeProfiler:
    """Runs signatures of a LiteRT file and keeps the ranges of all their tensors.

    Args:
        content: The .tflite file, or its path, from which it is mapped.
    Raises:
        ImportError: See `measured_ranges`.
    """

    def __init__(self, content: bytes | Path) -> None:
        try:
            from ai_edge_litert import _pywrap_tfl_calibration
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            what = "A LiteRT file in int8 needs the profiler of ai-edge-litert 2.3"
            raise missing_package(what, "litert", error) from error
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        is_path = isinstance(content, Path)
        given = {"model_path": str(content)} if is_path else {"model_content": content}
        self._python = Interpreter(**given, experimental_op_resolver_type=plain)
        self._invoke = _pywrap_tfl_calibration.InvokeWithCalibration
        # The profiler needs the native interpreter, which the public one wraps.
        self._native: Any = self._python._interpreter
        self._signatures = self._python._get_full_signature_list()
        self.signatures = tuple(self._signatures)
        self.ranges: Ranges = {}

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature by name; `inputs` may hold more than it takes."""
        graph = self._native.GetSubgraphIndexFromSignature(signature)
        indices = self._signatures[signature]["inputs"]
        for name, index in indices.items():
            shape = np.array(inputs[name].shape, "int32")
            self._native.ResizeInputTensor(index, shape, strict=False, subgraph_index=graph)
        self._native.AllocateTensors(graph)
        for name, index in indices.items():
            self._native.SetTensor(index, inputs[name], graph)
            values = inputs[name]
            self._note(self._native.TensorName(index, graph), values.min(), values.max())
        for name, found in self._invoke(self._python._native_handle(), graph).items():
            self._note(name, found.min, found.max)
        outputs = self._signatures[signature]["outputs"]
        return {name: self._native.GetTensor(index, graph) for name, index in outputs.items()}

    def _note(self, name: str, least: float, greatest: float) -> None:
        low, high = self.ranges.get(name, (least, greatest))
        self.ranges[name] = (float(min(low, least)), float(max(high, greatest)))
