"""A bundle on disk: the folder that holds a model for every runtime, opened and checked."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

from keras_seq2seq.decoding.strategy import BeamSearch, Strategy
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.tokenizer import TokenizerPair
from keras_seq2seq.translator import Translator

FORMAT_VERSION = 3
MANIFEST_FILE = "manifest.json"
# In the order in which `load` chooses: what starts fastest first.
RUNTIMES = ("onnx", "litert", "saved_model", "keras")


@dataclasses.dataclass(frozen=True)
class Bundle:
    """An exported folder whose manifest was read and whose files are there.

    Args:
        folder: The folder.
        manifest: What `manifest.json` says; docs/bundle.md tells every key.
    """

    folder: pathlib.Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: str | pathlib.Path) -> "Bundle":
        """Reads the manifest and checks that every file is there with its size.

        Raises:
            FileNotFoundError: If there is no manifest.
            ValueError: If the manifest is not one of this format version or a file is missing,
                cut short, or outside the folder.
        """
        folder = pathlib.Path(folder)
        path = folder / MANIFEST_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"A bundle must hold {MANIFEST_FILE}. Received: {folder}; "
                "write one with `keras-seq2seq export`."
            )
        try:
            manifest = json.loads(path.read_text("utf-8"))
            version = manifest["format_version"]
            files = {name: int(entry["bytes"]) for name, entry in manifest["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"A manifest must be JSON with the keys of format version {FORMAT_VERSION}. "
                f"Received: {path}: {error!r}; export the bundle again."
            ) from None
        if version != FORMAT_VERSION:
            raise ValueError(
                f"This version reads bundles of format version {FORMAT_VERSION}. "
                f"Received: {version!r} in {path}; update keras_seq2seq or export again."
            )
        bundle = cls(folder, manifest)
        try:
            _ = bundle.beam
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                "`beam` of a manifest must be null or describe a beam search. "
                f"Received: {path}: {error}; export the bundle again."
            ) from None
        if faults := [*bundle._path_faults(), *bundle._size_faults(files)]:
            raise ValueError(f"{folder} is not a whole bundle:\n- " + "\n- ".join(faults))
        return bundle

    @property
    def max_length(self) -> int:
        """Longest translation in tokens, end of sentence included."""
        return self.manifest["limits"]["max_length"]

    @property
    def beam(self) -> BeamSearch | None:
        """The beam search inside every file, or None."""
        return _beam(self.manifest.get("beam"))

    @property
    def tokenizers(self) -> TokenizerPair:
        """The tokenizers of both sides."""
        return TokenizerPair.load(self.folder)

    @property
    def artefacts(self) -> list[tuple[str, str]]:
        """What can be loaded: (runtime, quantization), float32 first, in order of `RUNTIMES`."""
        given = self.manifest["artefacts"]
        found = [
            (name, quantization)
            for name in RUNTIMES
            if name in given
            for quantization in given[name].get("files", ("float32",))
        ]
        return sorted(found, key=lambda artefact: artefact[1] != "float32")

    @property
    def refused(self) -> list[str]:
        """Quantised artefacts that lost too much and are not in the bundle, with the reason."""
        return [
            f"{verdict['runtime']} {verdict['quantization']}: {' '.join(verdict['faults'])}"
            for verdict in self.manifest["quantization"]
            if not verdict["accepted"]
        ]

    def size(self, runtime: str, quantization: str = "float32") -> int:
        """Returns the bytes of the files of one artefact."""
        names = self.files(runtime, quantization)
        return sum(self.manifest["files"][name]["bytes"] for name in names)

    def files(self, runtime: str, quantization: str = "float32") -> list[str]:
        """Returns the names of the files of one artefact, as the manifest lists them."""
        entry = self.manifest["artefacts"][runtime]
        given = entry.get("files", {}).get(quantization, "")
        names = given.values() if isinstance(given, dict) else [given]
        roots = [f"{entry['path']}/{name}".rstrip("/") for name in names]
        return [
            name
            for name in self.manifest["files"]
            if any(name == root or name.startswith(f"{root}/") for root in roots)
        ]

    def runtime(self, name: str, quantization: str = "float32", *, num_threads: int = 1) -> Runtime:
        """Loads one artefact.

        Args:
            name: "onnx", "litert", "saved_model" or "keras".
            quantization: "float32" or another that `artefacts` lists.
            num_threads: int > 0. Threads of the ONNX and the LiteRT runtime.
        Raises:
            ValueError: If the bundle does not hold it.
            ImportError: If its runtime is not installed.
        """
        if (name, quantization) not in self.artefacts:
            raise ValueError(
                f"`runtime` and `quantization` must be one of {self.artefacts}. "
                f"Received: {(name, quantization)}; export the bundle with that format."
            )
        entry = self.manifest["artefacts"][name]
        path = self.folder / entry["path"]
        if name == "onnx":
            from keras_seq2seq.runtimes.onnx_files import OnnxRuntime

            files = {f: path / file for f, file in entry["files"][quantization].items()}
            return OnnxRuntime(files, beam=self.beam, num_threads=num_threads)
        if name == "litert":
            from keras_seq2seq.runtimes.litert_file import LiteRTRuntime

            file = path / entry["files"][quantization]
            return LiteRTRuntime(file, beam=self.beam, num_threads=num_threads)
        if name == "saved_model":
            from keras_seq2seq.runtimes.saved_model_folder import SavedModelRuntime

            return SavedModelRuntime(path, beam=_beam(entry["beam"]))
        from keras_seq2seq.models.seq2seq import load_model
        from keras_seq2seq.runtimes.keras_model import KerasRuntime

        return KerasRuntime(load_model(path, compile=False), self.max_length)

    def altered_files(self) -> list[str]:
        """Returns the names of the files whose SHA-256 is not the manifest's."""
        return [
            name
            for name, entry in self.manifest["files"].items()
            if sha256(self.folder / name) != entry["sha256"]
        ]

    def _path_faults(self) -> list[str]:
        root = self.folder.resolve()
        return [
            f"A file must lie in the folder. Received: {name!r}."
            for name in self.manifest["files"]
            if not (root / name).resolve().is_relative_to(root)
        ]

    def _size_faults(self, files: dict[str, int]) -> list[str]:
        faults = []
        for name, size in files.items():
            path = self.folder / name
            found = path.stat().st_size if path.is_file() else None
            if found != size:
                received = "no such file" if found is None else f"{found} bytes"
                faults.append(f"{name} must have {size} bytes. Received: {received}.")
        return faults


def load(
    bundle: str | pathlib.Path,
    runtime: str | None = None,
    *,
    quantization: str = "float32",
    search: str | None = None,
    strategy: Strategy | None = None,
    num_threads: int = 1,
) -> Translator:
    """Opens a bundle for translating.

    Args:
        bundle: The exported folder.
        runtime: "onnx", "litert", "saved_model" or "keras"; None takes the first of these that
            the bundle holds.
        quantization: "float32", or "float16", "dynamic_int8" or "int8" where the bundle holds it.
        search: "in_file" (a search inside the artefact) or "host" (NumPy over its steps); None
            takes "in_file" where that has the strategy.
        strategy: `Greedy()`, the default, or `BeamSearch(...)`.
        num_threads: int > 0. Threads of the ONNX and the LiteRT runtime.
    Returns:
        A translator: `load("bundle").translate(["They are watching."])`.
    Raises:
        FileNotFoundError, ValueError: If it is no whole bundle or does not hold the artefact.
        ImportError: If the runtime is not installed; the message names the extra.
    """
    opened = Bundle.open(bundle)
    name = runtime or opened.artefacts[0][0]
    return Translator(
        opened.runtime(name, quantization, num_threads=num_threads),
        opened.tokenizers,
        max_length=opened.max_length,
        search=search,
        strategy=strategy,
    )


def _beam(given: dict[str, Any] | None) -> BeamSearch | None:
    return BeamSearch(**{**given, "suppress": tuple(given["suppress"])}) if given else None


def sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
