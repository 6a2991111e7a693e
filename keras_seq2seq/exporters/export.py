"""Writes a bundle: every artefact into one folder that needs nothing else."""

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import random
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_seq2seq.bundle import FORMAT_VERSION, MANIFEST_FILE, sha256
from keras_seq2seq.config import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from keras_seq2seq.decoding.strategy import BeamSearch
from keras_seq2seq.exporters.parity import SENTENCES_FILE, Parity, verify
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.models.seq2seq import Seq2Seq
from keras_seq2seq.tokenizer import TokenizerPair

MODEL_FILE = "model.keras"
FORMATS = ("saved_model", "litert", "onnx")
TEXT_EXTRA = "onnx-text"
NEEDED = {
    "saved_model": ("tensorflow_text",),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    TEXT_EXTRA: ("onnxruntime_extensions",),
}
VERSIONED = ("keras_seq2seq", "keras", "tensorflow", "tensorflow-text", "tf2onnx", "onnx")
PROBES, PROBE_PIECES = 50, 8


def export(
    model: Seq2Seq,
    output_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("saved_model", "litert", "onnx"),
    sentences: Sequence[str] | None = None,
    max_length: int | None = None,
    beam: BeamSearch | None = None,
    text_onnx: bool = False,
    quality: Mapping[str, Any] | None = None,
    force: bool = False,
    verbose: bool = True,
) -> Parity:
    """Writes a model with its tokenizers and the search for every runtime, and verifies them.

    Everything that can be checked is checked before anything is written. The folder appears
    whole or not at all. Its `model.keras` is the reference that the others are compared with.

    Args:
        model: A trained model with tokenizers.
        output_dir: The bundle's folder.
        formats: Any of "saved_model", "litert" (float32 and dynamic int8) and "onnx".
        sentences: Source texts that are translated to compare the artefacts, now and by every
            later `verify`; None makes 50 of random pieces.
        max_length: int > 0. Longest translation in tokens, eos included, fixed inside the
            files; None takes the configuration's.
        beam: A beam search to put beside the greedy one inside every file, fixed there; None
            writes none. On the host any beam search runs over the steps.
        text_onnx: Write `translate_text_greedy.onnx` beside the other ONNX files: text in, text
            out. It alone needs onnxruntime-extensions, wherever it runs.
        quality: Measured quality of the model for the manifest, such as what `evaluate` of
            `keras_seq2seq.training.evaluation` returned; plain values for JSON.
        force: Replace a bundle that is there.
        verbose: Show what is written, and a progress bar.
    Returns:
        The parity of all artefacts. A warning tells when it did not pass.
    Raises:
        ValueError: With every fault found before writing.
        FileExistsError: If the folder exists and is not to be replaced.
        ImportError: If a package is missing; the message names the extra.
    """
    output_dir = pathlib.Path(output_dir)
    tokenizers, length = _check(model, output_dir, formats, max_length, beam, text_onnx, force)
    texts = list(sentences) if sentences else _probe_sentences(tokenizers)
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(tempfile.mkdtemp(prefix=".partial-", dir=output_dir.parent))
    try:
        artefacts = _write_artefacts(model, partial, formats, length, beam, text_onnx, verbose)
        tokenizers.save(partial)
        lines = "".join(f"{' '.join(text.splitlines())}\n" for text in texts)
        (partial / SENTENCES_FILE).write_text(lines, "utf-8")
        manifest = _manifest(model, partial, tokenizers, artefacts, length, beam)
        manifest["quality"] = None if quality is None else dict(quality)
        _write_manifest(partial, manifest)
        parity = verify(partial, verbose=verbose)
        _write_manifest(partial, {**manifest, "parity": parity.to_dict()})
        partial.chmod(0o755)
        _put(partial, output_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if not parity.passed:
        warnings.warn(f"The artefacts in {output_dir} differ:\n{parity}", stacklevel=2)
    return parity


def _check(
    model: Seq2Seq,
    output_dir: pathlib.Path,
    formats: Sequence[str],
    max_length: int | None,
    beam: BeamSearch | None,
    text_onnx: bool,
    force: bool,
) -> tuple[TokenizerPair, int]:
    """Checks all that can be known before writing; returns the tokenizers and the length."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export needs the TensorFlow backend; load the .keras file with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()!r}."
        )
    faults = []
    if unknown := [name for name in formats if name not in FORMATS]:
        faults.append(f"`formats` must be of {FORMATS}. Received: {unknown}.")
    if not formats or len(set(formats)) != len(formats):
        faults.append(f"`formats` must name each once, and at least one. Received: {formats}.")
    tokenizers = model.tokenizers
    if tokenizers is None:
        faults.append("`model.tokenizers` must be set: a bundle holds them. Received: None.")
    if max_length is None:
        max_length = model.config.max_length if model.config else 0
    if max_length < 1:
        faults.append(f"`max_length` must be at least 1; pass it. Received: {max_length}.")
    try:
        model.check_max_length(max_length)
    except ValueError as error:
        faults.append(str(error))
    if beam is not None:
        try:
            beam.forbidden(model.decoder.output["logits"].shape[-1])
        except ValueError as error:
            faults.append(str(error))
    if text_onnx and "onnx" not in formats:
        faults.append(f'`text_onnx` needs the format "onnx". Received: formats={formats}.')
    if faults or tokenizers is None:
        raise ValueError("Cannot export:\n- " + "\n- ".join(faults))
    extras = [*formats, *([TEXT_EXTRA] if text_onnx else [])]
    missing = {
        name: [p for p in NEEDED[name] if importlib.util.find_spec(p) is None] for name in extras
    }
    if lacking := {name: packages for name, packages in missing.items() if packages}:
        raise ImportError(
            f"These formats lack packages: {lacking}. Install them: pip install "
            f'"keras_seq2seq[{",".join(lacking)}]".'
        )
    if output_dir.exists():
        replaceable = (output_dir / MANIFEST_FILE).is_file()
        if not (force and replaceable):
            remedy = "pass force=True (--force) to replace it" if replaceable else "name another"
            raise FileExistsError(
                f"`output_dir` must be new. Received: {output_dir}, which exists; {remedy}."
            )
    return tokenizers, max_length


def _write_artefacts(
    model: Seq2Seq,
    folder: pathlib.Path,
    formats: Sequence[str],
    max_length: int,
    beam: BeamSearch | None,
    text_onnx: bool,
    verbose: bool,
) -> dict[str, dict[str, Any]]:
    """Writes the files of each format; returns what the manifest says of them."""
    if verbose:
        print("writing keras")
    model.save(folder / MODEL_FILE, include_optimizer=False)
    artefacts: dict[str, dict[str, Any]] = {"keras": {"path": MODEL_FILE}}
    for name in formats:
        if verbose:
            print(f"writing {name}", flush=True)
        path = folder / name
        path.mkdir()
        if name == "saved_model":
            from keras_seq2seq.exporters.saved_model import write_saved_model

            entry = write_saved_model(
                model, model.tokenizers, path, max_length=max_length, beam=beam
            )
        elif name == "litert":
            from keras_seq2seq.exporters.litert import write_litert

            entry = write_litert(model, path, max_length=max_length, beam=beam)
        else:
            from keras_seq2seq.exporters.onnx import write_onnx

            inside = model.tokenizers if text_onnx else None
            entry = write_onnx(
                model, path, max_length=max_length, beam=beam, text_tokenizers=inside
            )
        artefacts[name] = {"path": name, **entry}
    return artefacts


def _manifest(
    model: Seq2Seq,
    folder: pathlib.Path,
    tokenizers: TokenizerPair,
    artefacts: dict[str, Any],
    max_length: int,
    beam: BeamSearch | None,
) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sides = tokenizers.file_names
    return {
        "format_version": FORMAT_VERSION,
        "versions": {"python": platform.python_version(), **_versions()},
        "model": model.config.to_dict() if model.config else None,
        "special_ids": {"pad": PAD_ID, "unk": UNK_ID, "bos": BOS_ID, "eos": EOS_ID},
        "limits": {"max_length": max_length},
        "beam": None if beam is None else dataclasses.asdict(beam),
        "tokenizer": {"source": sides[0], "target": sides[-1]},
        "states": state_names(model.decoder),
        "source_tensors": source_names(model.decoder),
        "artefacts": artefacts,
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
            for path in files
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _write_manifest(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", "utf-8")


def _put(partial: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Renames the finished folder; what was there is removed only when the new one stands."""
    if not output_dir.exists():
        partial.rename(output_dir)
        return
    old = output_dir.with_name(f".old-{partial.name}")
    output_dir.rename(old)
    partial.rename(output_dir)
    shutil.rmtree(old)


def _probe_sentences(tokenizers: TokenizerPair) -> list[str]:
    generator = random.Random(0)
    source = tokenizers.source
    return [
        source.decode(
            [
                generator.randrange(EOS_ID + 1, source.vocabulary_size)
                for _ in range(1 + i % PROBE_PIECES)
            ]
        )
        for i in range(PROBES)
    ]
