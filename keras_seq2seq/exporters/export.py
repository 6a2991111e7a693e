"""Writes a bundle: every artefact into one folder that needs nothing else."""

import os
import pathlib
import platform
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.bundles.manifest import file_entry, new_manifest, write_manifest
from keras_seq2seq.bundles.whole_folder import whole_folder
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.exporters.exported_model import exported_model, other_precisions
from keras_seq2seq.exporters.onnx.opsets import DEFAULT_OPSET
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.exporters.request import ExportRequest, check
from keras_seq2seq.exporters.returned_memory import returned_memory
from keras_seq2seq.formats import EXPORTED, FORMATS, REFERENCE, resolved
from keras_seq2seq.installed import versions
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.seq2seq import Seq2Seq
from keras_seq2seq.text.pairs import checked_texts
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from keras_seq2seq.verification.latency import latency_entries, measured_latencies
from keras_seq2seq.verification.opened import opened
from keras_seq2seq.verification.parity import SENTENCES_FILE, Parity, verify
from keras_seq2seq.verification.quality_gate import Gate, Verdict, judge, without_refused
from keras_seq2seq.verification.report import write_report

MODEL_FILE = "model.keras"
SHORTLIST_FILE = "shortlist.npz"
VERSIONED = ("keras_seq2seq", "keras", "tensorflow", "tensorflow-text", "tf2onnx", "onnx")
PROBES, PROBE_PIECES = 50, 8
# Sentences on which quantised files are compared with float32: on one, a word may differ by chance.
FEWEST_JUDGED, MOST_JUDGED = 20, 200


def export(
    model: Seq2Seq,
    output_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] = EXPORTED,
    quantization: str | Sequence[str] = "dynamic_int8",
    gate: Gate | None = None,
    sentences: Sequence[str] | None = None,
    max_length: int | None = None,
    beam: BeamSearch | None = None,
    shortlist: Shortlist | None = None,
    text_onnx: bool = False,
    max_source_length: int | None = None,
    litert_batch_size: int = 1,
    onnx_opset: int = DEFAULT_OPSET,
    onnx_single_files: bool = False,
    languages: Sequence[str] | None = None,
    quality: Mapping[str, Any] | None = None,
    force: bool = False,
    verbose: bool = True,
    **gate_options: Any,
) -> Parity:
    """Writes a model with its tokenizers and the search for every runtime, and verifies them.

    Everything that can be checked is checked before anything is written. The folder appears whole
    or not at all. Its `model.keras` is the reference that the others are compared with. Its
    `REPORT.md` reports quality, sizes, latencies and parity. Every file computes in float32 or is
    quantised from it, whatever precision the model computes in; `model` stays as it is.

    Args:
        model: A trained model with tokenizers.
        output_dir: The bundle's folder.
        formats: Any of "saved_model", "litert" and "onnx".
        quantization: Extra weight formats of the LiteRT and ONNX files, besides float32: one or
            several of "float16" (half the bytes, float32 arithmetic), "dynamic_int8" (a quarter
            of the bytes, products in int8) and, for LiteRT only, "int8" (products of int8
            numbers whose scales are fixed, measured on `sentences`); "float32" adds nothing.
        gate: How much quality quantised artefacts may lose, see `Gate`. One that loses more is
            refused: a warning names it, the manifest keeps its figures, its files are left out.
            With None, or without pairs, one is refused that does not say what float32 says.
        sentences: Source texts that are translated to compare the artefacts, now and by every
            later `verify`; None makes 50 from random pieces. "int8" needs them, of the kind that
            will be translated. Fewer than 20 are joined by random pieces to judge quantised files.
        max_length: int > 0. Longest translation in tokens, eos included, fixed inside the
            files; None takes the configuration's.
        beam: A beam search to write into every file besides the greedy one, with fixed options;
            None writes none. On the host any beam search runs over the steps.
        shortlist: Candidate target ids by source id, see `Shortlist.learn`: every search of the
            bundle chooses only from them, and its output layer computes no others. Faster for one
            sentence, at some loss of quality; with None searches choose from all ids.
        text_onnx: Also write `translate_text_greedy.onnx`: text in, text out. Only this file needs
            onnxruntime-extensions, wherever it runs.
        max_source_length: int > 0. Most tokens of a source, eos included, for the searches inside
            LiteRT files, whose lengths are fixed; longer sources are searched on the host. None
            takes `max_length` or the configuration's, whichever is longer.
        litert_batch_size: int > 0. Above 1, LiteRT files `batch_<quantization>.tflite` are written
            besides, which translate so many sources at once, for servers; 8 is a good number.
            The other files take one source at a time.
        onnx_opset: int, 15 to 18, or 23. Version of the operators in ONNX files: 17 is read by
            onnxruntime 1.12 and later, 23 by 1.23 and later. With 23 each attention in the search
            of a Transformer is one node, which is faster.
        onnx_single_files: Give each ONNX file its weights. Without it, the ONNX files of a
            quantization share one file of weights, `weights_<quantization>.bin`, which must lie
            next to them: about half the bytes, and no limit of 2 GB.
        languages: Codes of the source and of the target language, such as ("en", "fr"), for the
            manifest: servers tell them to their clients.
        quality: Measured quality of the model for the manifest, such as what `evaluate`
            returned; plain values for JSON.
        force: Replace an existing bundle.
        verbose: Print what is written, and show a progress bar.
        **gate_options: The arguments of a `Gate` one by one, in place of `gate`: `evaluation`,
            `max_quality_drop`, `max_repetition_rise`, `quality_metric`, `bleu_tokenize` and
            `min_agreement`.
    Returns:
        The parity of all artefacts that are in the bundle. A warning reports artefacts that differ,
        and those that were refused.
    Raises:
        ValueError: If the export cannot work; lists every error found before writing.
        FileExistsError: If the folder exists and `force` is False, or it is not a bundle.
        ImportError: If a package is missing; the message names the extra.
    """
    output_dir = pathlib.Path(output_dir)
    prepared = PreparedExport(
        exported_model(model),
        _max_length(model) if max_length is None else max_length,
        model.tokenizers,
        beam,
        shortlist,
        tuple(checked_texts(sentences or (), "sentences")),
        text_onnx,
        max_source_length,
        litert_batch_size,
        onnx_opset,
        onnx_single_files,
        None if languages is None else tuple(languages),
    )
    request = check(
        prepared,
        output_dir,
        formats=formats,
        quantization=quantization,
        gate=gate,
        gate_options=gate_options,
        force=force,
    )
    _tell_precision(model, verbose)
    parity, refused = _put(request, output_dir, quality, force=force, verbose=verbose)
    _warn(output_dir, parity, refused)
    return parity


def _tell_precision(model: Seq2Seq, verbose: bool) -> None:
    if verbose and (others := other_precisions(model)):
        print(f"the model computes in {', '.join(others)}, its files in float32")


def _put(
    request: ExportRequest,
    output_dir: pathlib.Path,
    quality: Mapping[str, Any] | None,
    *,
    force: bool,
    verbose: bool,
) -> tuple[Parity, list[Verdict]]:
    """Writes the bundle into its place, whole or not at all."""
    # A link stays: what it points to is replaced.
    place = pathlib.Path(os.path.realpath(output_dir))
    place.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(place, replace=force) as partial:
        return _write_bundle(partial, request, quality, verbose)


def _max_length(model: Seq2Seq) -> int:
    """Returns the longest translation of a configuration; 0, which is refused, without one."""
    return model.config.max_length if model.config else 0


def _warn(output_dir: pathlib.Path, parity: Parity, refused: Sequence[Verdict]) -> None:
    for verdict in refused:
        warnings.warn(f"Left out of {output_dir}: {verdict}", stacklevel=3)
    if not parity.passed:
        warnings.warn(f"The artefacts in {output_dir} differ:\n{parity}", stacklevel=3)


def _write_bundle(
    folder: pathlib.Path, request: ExportRequest, quality: Mapping[str, Any] | None, verbose: bool
) -> tuple[Parity, list[Verdict]]:
    """Fills the folder, judges and verifies it, and writes its manifest at the end."""
    prepared = request.prepared
    assert prepared.tokenizers is not None  # checked
    texts = list(prepared.sentences) or _probe_sentences(prepared.tokenizers)
    artefacts = _write_artefacts(folder, request, verbose)
    prepared.tokenizers.save(folder)
    if prepared.shortlist is not None:
        prepared.shortlist.save(folder / SHORTLIST_FILE)
    lines = "".join(f"{' '.join(text.splitlines())}\n" for text in texts)
    (folder / SENTENCES_FILE).write_text(lines, "utf-8")
    facts = _facts(prepared, artefacts)
    facts["quality"] = None if quality is None else dict(quality)
    bundle = Bundle(folder, new_manifest(folder, facts))
    runtimes = opened(bundle)

    timed = [source for source, _ in request.gate.evaluation or ()] or texts
    latencies = measured_latencies(bundle, timed, runtimes, verbose=verbose)
    judged = texts[:MOST_JUDGED]
    if len(judged) < FEWEST_JUDGED:
        judged = [*judged, *_probe_sentences(prepared.tokenizers)][:FEWEST_JUDGED]
    verdicts = judge(bundle, request.gate, runtimes, latencies, judged, verbose=verbose)
    bundle = without_refused(bundle, verdicts)
    parity = verify(bundle, verbose=verbose, runtimes=runtimes)
    del runtimes  # not every system can rename an open file

    manifest = bundle.manifest
    manifest["quantization"] = [verdict.to_dict() for verdict in verdicts]
    manifest["latencies"] = latency_entries(latencies, bundle.artefacts, len(timed))
    manifest["parity"] = parity.to_dict()
    written = write_report(folder, manifest)
    manifest["files"] |= {name: file_entry(folder / name) for name in written}
    write_manifest(folder, manifest)
    return parity, [verdict for verdict in verdicts if verdict.faults]


def _write_artefacts(
    folder: pathlib.Path, request: ExportRequest, verbose: bool
) -> dict[str, dict[str, Any]]:
    """Writes the files of each format; returns their entries for the manifest."""
    if verbose:
        print(f"writing {REFERENCE}")
    request.prepared.model.save(folder / MODEL_FILE, include_optimizer=False)
    artefacts: dict[str, dict[str, Any]] = {REFERENCE: {"path": MODEL_FILE}}
    for name in request.formats:
        row = FORMATS[name]
        if verbose:
            print(f"writing {name}", flush=True)
        (folder / name).mkdir()
        write = resolved(row.writer)
        quantizations = row.all_quantizations(request.quantizations)
        with returned_memory():
            entry = write(request.prepared, folder / name, quantizations)
        artefacts[name] = {"path": name, **entry}
    return artefacts


def _facts(prepared: PreparedExport, artefacts: dict[str, Any]) -> dict[str, Any]:
    """Returns the manifest's entries about the model and its artefacts."""
    model, beam = prepared.model, prepared.beam
    assert prepared.tokenizers is not None  # checked
    sides = prepared.tokenizers.file_names
    return {
        "versions": {"python": platform.python_version(), **versions(VERSIONED)},
        "model": model.config.to_dict() if model.config else None,
        "special_ids": {"pad": PAD_ID, "unk": UNK_ID, "bos": BOS_ID, "eos": EOS_ID},
        "limits": {"max_length": prepared.max_length},
        "beam": None if beam is None else beam.to_dict(),
        **_language_facts(prepared.languages),
        "tokenizer": {"source": sides[0], "target": sides[-1]},
        **({} if prepared.shortlist is None else {"shortlist": SHORTLIST_FILE}),
        "states": state_names(model.decoder),
        "source_tensors": source_names(model.decoder),
        "artefacts": artefacts,
    }


def _language_facts(languages: Sequence[str] | None) -> dict[str, Any]:
    if languages is None:
        return {}
    return {"languages": dict(zip(("source", "target"), languages, strict=True))}


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
