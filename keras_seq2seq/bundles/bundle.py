"""A bundle on disk: the folder that holds a model for every runtime, opened and checked."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from keras_seq2seq.bundles.manifest import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    READABLE_VERSIONS,
    faults,
    sha256,
)
from keras_seq2seq.bundles.open_runtime import open_runtime
from keras_seq2seq.bundles.unlisted_files import unlisted_files
from keras_seq2seq.bundles.whole_folder import check_utf8
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.formats import EXACT, FORMATS, GRAPH_FILE, REFERENCE
from keras_seq2seq.installed import missing_packages
from keras_seq2seq.runtimes.runtime import ArtefactFiles, Runtime
from keras_seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from keras_seq2seq.text.vocabulary import check_vocabulary_sizes

READABLE = " and ".join(map(str, READABLE_VERSIONS))


@dataclasses.dataclass(frozen=True)
class Bundle:
    """An exported folder with a checked manifest and all its files.

    Args:
        folder: The folder.
        manifest: Content of `manifest.json`; docs/bundle.md explains every key.
    """

    folder: pathlib.Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: str | pathlib.Path) -> "Bundle":
        """Reads and checks the manifest; checks that every file exists and has its size.

        The manifest must match its JSON schema, every path must stay in the folder, symbolic links
        included, and the files of artefacts and tokenizers must be listed in `files`. Checksums are
        not compared here: see `altered_files`.

        Raises:
            FileNotFoundError: If there is no manifest.
            ValueError: If the manifest is not one of this format version, or a file is missing, cut
                short, or outside the folder; lists every error with its place in the manifest.
        """
        folder = pathlib.Path(folder)
        check_utf8(folder, "`bundle`")
        path = folder / MANIFEST_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} is not a bundle: it has no {MANIFEST_FILE}. "
                "Write a bundle with `keras-seq2seq export`."
            )
        try:
            manifest = json.loads(path.read_text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(_unreadable(path, [repr(error)])) from None
        version = manifest.get("format_version") if isinstance(manifest, dict) else FORMAT_VERSION
        if version not in (None, *READABLE_VERSIONS):
            raise ValueError(
                f"This version reads bundles of format version {READABLE}. "
                f"Received: {version!r} in {path}; update keras_seq2seq or export again."
            )
        found = faults(manifest)
        bundle = cls(folder, manifest)
        # Parts that break the schema are not checked further.
        wrong = {fault.path[0] if fault.path else None for fault in found}
        messages = [*map(str, found), *(bundle._beam_faults() if None not in wrong else [])]
        if not wrong & {None, "artefacts"}:
            messages += bundle._format_faults()
        if not wrong & {None, "files", "artefacts", "tokenizer"}:
            lines = [*bundle._path_faults(), *bundle._size_faults()]
            if lines and not messages:
                raise ValueError(f"{folder} is not a whole bundle:\n- " + "\n- ".join(lines))
            messages += lines
        if messages:
            raise ValueError(_unreadable(path, messages))
        return bundle

    def __repr__(self) -> str:
        formats = sorted(self.manifest.get("artefacts", ()))
        return f"Bundle(folder={str(self.folder)!r}, formats={formats})"

    @property
    def max_length(self) -> int:
        """Longest translation in tokens, eos included."""
        return self.manifest["limits"]["max_length"]

    @property
    def longest_source(self) -> int | None:
        """Most source tokens that the model has positions for, eos included; None is no limit."""
        model = self.manifest["model"] or {}
        learned = model.get("encoder") == "transformer" and model.get("positions") == "learned"
        return model.get("max_length") if learned else None

    @property
    def beam(self) -> BeamSearch | None:
        """The beam search inside every file, or None."""
        return _beam(self.manifest.get("beam"))

    @property
    def languages(self) -> tuple[str, str] | None:
        """Codes of the source and of the target language; None if the manifest has none."""
        given = self.manifest.get("languages")
        return None if given is None else (given["source"], given["target"])

    @property
    def tokenizers(self) -> TokenizerPair:
        """The tokenizers of both sides.

        Raises:
            ValueError: If one cannot be read, or has another size than the model's vocabulary.
        """
        names = self.manifest["tokenizer"]
        source = Tokenizer.load(self.folder / names["source"])
        target = source
        if names["source"] != names["target"]:
            target = Tokenizer.load(self.folder / names["target"])
        pair = TokenizerPair(source, target)
        what = " and ".join(sorted({str(self.folder / name) for name in names.values()}))
        check_vocabulary_sizes(what, pair.vocabulary_sizes, self._vocabulary_sizes)
        return pair

    @property
    def shortlist(self) -> Shortlist | None:
        """Candidates of every search of the bundle; None means all ids.

        Raises:
            ValueError: If it cannot be read, or is for other vocabularies.
        """
        if (name := self.manifest.get("shortlist")) is None:
            return None
        found = Shortlist.load(self.folder / name)
        sizes = len(found.candidates), found.target_vocabulary_size
        check_vocabulary_sizes(f"{self.folder / name}", sizes, self._vocabulary_sizes)
        return found

    @property
    def _vocabulary_sizes(self) -> tuple[int | None, int | None]:
        """Sizes of the vocabularies (source, target), None where the manifest does not tell."""
        model = self.manifest["model"] or {}
        sizes = [model.get(f"{side}_vocabulary_size") for side in ("source", "target")]
        source, target = (size if isinstance(size, int) else None for size in sizes)
        return source, target

    @property
    def artefacts(self) -> list[tuple[str, str]]:
        """Artefacts to load: (runtime, quantization), float32 first, in order of `FORMATS`."""
        given = self.manifest["artefacts"]
        found = [
            (name, quantization)
            for name in FORMATS
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

    def runtime(
        self,
        name: str,
        quantization: str = "float32",
        *,
        num_threads: int = 1,
        xnnpack: bool = True,
    ) -> Runtime:
        """Loads one artefact.

        Args:
            name: "onnx", "litert", "saved_model" or "keras".
            quantization: "float32" or another that `artefacts` lists.
            num_threads: int > 0. Threads of the ONNX and the LiteRT runtime.
            xnnpack: Whether LiteRT uses the kernels of XNNPACK, as it does on phones.
        Raises:
            ValueError: If the bundle does not hold it.
            ImportError: If its runtime is not installed.
        """
        self.check_held(name, quantization)
        entry = self.manifest["artefacts"][name]
        artefact = ArtefactFiles(
            path=self.folder / entry["path"],
            files=entry.get("files", {}).get(quantization, ""),
            beam=_beam(entry["beam"]) if "beam" in entry else self.beam,
            num_threads=num_threads,
            max_length=self.max_length,
            shortlist=self.shortlist if name == REFERENCE else None,
            signatures=entry.get("signatures", {}),
            source_lengths=entry.get("source_lengths", ()),
            batch_size=entry.get("batch_size", 1),
            xnnpack=xnnpack,
        )
        return open_runtime(name, artefact)

    def preferred_runtime(self, quantization: str = EXACT) -> str:
        """Returns the first runtime, in order of `FORMATS`, that is held and installed.

        If none is installed, returns the first that is held: opening it says what to install.

        Raises:
            ValueError: If no artefact has this quantization.
        """
        held = [name for name, given in self.artefacts if given == quantization]
        if not held:
            raise ValueError(
                f"`quantization` must be one of {sorted({q for _, q in self.artefacts})}. "
                f"Received: {quantization!r}; export the bundle with it."
            )
        ready = (name for name in held if not missing_packages(FORMATS[name].runs_with))
        return next(ready, held[0])

    def check_held(self, runtime: str, quantization: str) -> None:
        """Checks that the bundle holds an artefact.

        Raises:
            ValueError: If it does not.
        """
        if (runtime, quantization) not in self.artefacts:
            raise ValueError(
                f"`runtime` and `quantization` must be one of {self.artefacts}. "
                f"Received: {(runtime, quantization)}; export the bundle with that format."
            )

    def altered_files(self, names: Iterable[str] | None = None) -> list[str]:
        """Returns the names of the files whose SHA-256 differs from the manifest.

        Args:
            names: Files of the manifest to check; None checks all.
        """
        files = self.manifest["files"]
        return [
            name
            for name in (files if names is None else names)
            if sha256(self.folder / name) != files[name]["sha256"]
        ]

    def unlisted_files(self) -> list[str]:
        """Returns the names of the files in the folder that the manifest does not list."""
        return unlisted_files(self.folder, self.manifest["files"])

    def check_unaltered(self, runtime: str, quantization: str = "float32") -> None:
        """Checks the checksums of the files of one artefact, the tokenizers and the shortlist.

        Raises:
            ValueError: If files were altered, or the folder holds files that are not listed; names
                all of them.
        """
        names = {*self.files(runtime, quantization), *self.manifest["tokenizer"].values()}
        names |= {self.manifest["shortlist"]} if "shortlist" in self.manifest else set()
        lines = []
        if altered := self.altered_files(sorted(names)):
            lines.append(
                f"Files in {self.folder} do not have the SHA-256 of the manifest: altered "
                f"{altered}. Copy or export the bundle again."
            )
        if unlisted := self.unlisted_files():
            lines.append(
                f"A bundle must hold only the files of its manifest. Received: {self.folder} with "
                f"{unlisted}; move them elsewhere, or export the bundle again."
            )
        if lines:
            raise ValueError("\n".join(lines))

    def _format_faults(self) -> list[str]:
        return [
            f"`artefacts` must be of the formats {tuple(FORMATS)}. Received: {name!r}; update "
            "keras_seq2seq to read what a later release wrote."
            for name in self.manifest["artefacts"]
            if name not in FORMATS
        ]

    def _beam_faults(self) -> list[str]:
        given = {"beam": self.manifest.get("beam")}
        # Without a SavedModel there is none; a wrong one was reported by the schema check.
        with contextlib.suppress(KeyError, TypeError):
            given["artefacts.saved_model.beam"] = self.manifest["artefacts"]["saved_model"]["beam"]
        lines = []
        for name, value in given.items():
            try:
                _beam(value)
            except (ValueError, KeyError, TypeError) as error:
                lines.append(
                    f"`{name}` of a manifest must be null or describe a beam search. "
                    f"Received: {error}"
                )
        return lines

    def _path_faults(self) -> list[str]:
        root, files = self.folder.resolve(), self.manifest["files"]
        lines = [
            f"A file must lie in the folder. Received: {name!r}, a symbolic link out of it."
            for name in files
            if not (root / name).resolve().is_relative_to(root)
        ]
        named = {f"tokenizer.{side}": name for side, name in self.manifest["tokenizer"].items()}
        if "shortlist" in self.manifest:
            named["shortlist"] = self.manifest["shortlist"]
        for runtime, entry in self.manifest["artefacts"].items():
            for key, name in _named(entry):
                named[f"artefacts.{runtime}.{key}"] = name
        for key, name in named.items():
            # A SavedModel is a folder.
            if not {name, f"{name}/{GRAPH_FILE}"} & set(files):
                lines.append(f"`{key}` must name one of `files`. Received: {name!r}.")
        return lines

    def _size_faults(self) -> list[str]:
        lines = []
        for name, entry in self.manifest["files"].items():
            path = self.folder / name
            found = path.stat().st_size if path.is_file() else None
            if found != entry["bytes"]:
                received = "no such file" if found is None else f"{found} bytes"
                lines.append(f"{name} must have {entry['bytes']} bytes. Received: {received}.")
        return lines


def _beam(given: dict[str, Any] | None) -> BeamSearch | None:
    return None if given is None else BeamSearch.from_dict(given)


def _named(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the key and the path of each file that the entry of a format names."""
    if "files" not in entry:
        yield "path", entry["path"]
    for quantization, given in entry.get("files", {}).items():
        for function, name in (given if isinstance(given, dict) else {"": given}).items():
            key = ".".join(filter(None, ("files", quantization, function)))
            yield key, f"{entry['path']}/{name}"


def _unreadable(path: pathlib.Path, messages: list[str]) -> str:
    return (
        f"{path} cannot be read as a manifest of format version {READABLE}. "
        "Export the bundle again. What is wrong:\n- " + "\n- ".join(messages)
    )
