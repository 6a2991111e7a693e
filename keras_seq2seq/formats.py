"""The formats of a bundle, one row each: everything else looks here what there is."""

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

from keras_seq2seq.installed import how_to_install, missing_packages

EXACT = "float32"
GRAPH_FILE = "saved_model.pb"  # what makes a folder a SavedModel


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Args:
        name: In options, manifests and paths.
        title: For people.
        place: Ending of its files, or the file that a folder of it holds.
        quantizations: What its weights can be besides float32.
        extra: What brings the packages that write it.
        packages: Those packages.
        writer: "module:function", called with a `PreparedExport`, a folder and the quantizations;
            returns the format's entry in the manifest. Empty for the reference.
        runtime: "module:function", called with an `ArtefactFiles`; returns a `Runtime`.
        runs_with: Packages that the runtime needs.
        inspector: "module:function", called with the path of a file or folder; returns an
            `Inspection`.
    """

    name: str
    title: str
    place: str
    quantizations: tuple[str, ...]
    extra: str
    packages: tuple[str, ...]
    writer: str
    runtime: str
    runs_with: tuple[str, ...]
    inspector: str

    def all_quantizations(self, wanted: Sequence[str]) -> list[str]:
        """Returns those of `wanted` that the format can have, float32 first."""
        return [EXACT, *(name for name in wanted if name in self.quantizations)]

    def check_installed(self) -> None:
        """Checks that the packages that write the format are there.

        Raises:
            ImportError: If not; names the extra.
        """
        if missing := missing_packages(self.packages):
            raise ImportError(
                f"Writing the format {self.name!r} needs {', '.join(missing)}: "
                f"{how_to_install(self.extra)}."
            )


# In the order in which `load` chooses: what starts fastest first. Every bundle has a Keras file.
FORMATS = {
    row.name: row
    for row in (
        Format(
            name="onnx",
            title="ONNX file",
            place=".onnx",
            quantizations=("float16", "dynamic_int8"),
            extra="onnx",
            packages=("onnx", "tf2onnx", "onnxruntime"),
            writer="keras_seq2seq.exporters.onnx.writer:write_onnx",
            runtime="keras_seq2seq.runtimes.onnx:open_onnx",
            runs_with=("onnxruntime",),
            inspector="keras_seq2seq.inspection.onnx_file:inspect_onnx",
        ),
        Format(
            name="litert",
            title="LiteRT file",
            place=".tflite",
            quantizations=("float16", "dynamic_int8", "int8"),
            extra="litert",
            packages=("ai_edge_litert",),
            writer="keras_seq2seq.exporters.litert.writer:write_litert",
            runtime="keras_seq2seq.runtimes.litert:open_litert",
            runs_with=("ai_edge_litert",),
            inspector="keras_seq2seq.inspection.litert_file:inspect_litert",
        ),
        Format(
            name="saved_model",
            title="SavedModel",
            place=GRAPH_FILE,
            quantizations=(),
            extra="tensorflow",
            packages=("tensorflow_text",),
            writer="keras_seq2seq.exporters.saved_model.writer:write_saved_model",
            runtime="keras_seq2seq.runtimes.saved_model:open_saved_model",
            runs_with=("tensorflow",),
            inspector="keras_seq2seq.inspection.saved_model_folder:inspect_saved_model",
        ),
        Format(
            name="keras",
            title="Keras file",
            place=".keras",
            quantizations=(),
            extra="tensorflow",
            packages=("keras",),
            writer="",
            runtime="keras_seq2seq.bundles.open_runtime:open_keras",
            runs_with=("keras",),
            inspector="keras_seq2seq.inspection.keras_file:inspect_keras",
        ),
    )
}
REFERENCE = "keras"
# What `export` writes beside the reference, in the order of its default.
EXPORTED = tuple(name for name in ("saved_model", "litert", "onnx") if FORMATS[name].writer)
QUANTIZATIONS = tuple(
    dict.fromkeys([EXACT, *(q for row in FORMATS.values() for q in row.quantizations)])
)


def resolved(reference: str) -> Any:
    """Returns what a "module:function" of a row names; the module is imported here."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def check_quantizations(name: str, quantizations: Sequence[str]) -> None:
    """Checks that a format can have each of these quantizations.

    Raises:
        ValueError: If it cannot.
    """
    known = (EXACT, *FORMATS[name].quantizations)
    if unknown := [quantization for quantization in quantizations if quantization not in known]:
        raise ValueError(f"`quantizations` must be among {known}. Received: {unknown}.")
