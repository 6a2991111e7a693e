"""The report of a bundle: what the manifest says, and commands that run."""

import copy
import json
import shlex
import shutil

import pytest

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.main import main
from keras_seq2seq.verification.report import commands, markdown, write_report
from keras_seq2seq.verification.report_plot import plot_png
from keras_seq2seq.verification.report_rows import report_rows

PNG = b"\x89PNG"


@pytest.fixture
def manifest(onnx_bundle):
    return json.loads((onnx_bundle / "manifest.json").read_text("utf-8"))


def tables(text):
    """Returns the cells of all rows of tables, those of a table as many as its heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] for line in lines
    ]


def test_the_bundle_has_the_report_of_its_manifest(onnx_bundle, manifest):
    text = (onnx_bundle / "REPORT.md").read_text("utf-8")
    assert text == markdown(manifest, plotted=True)
    assert (onnx_bundle / "report.png").read_bytes().startswith(PNG)
    assert {"REPORT.md", "report.png"} <= set(manifest["files"])
    assert Bundle.open(onnx_bundle).altered_files() == []


def test_every_artefact_has_a_row_with_its_size_latency_and_score(onnx_bundle, manifest):
    bundle = Bundle.open(onnx_bundle)
    found = {(row.runtime, row.quantization): row for row in report_rows(manifest)}
    assert list(found) == bundle.artefacts
    (verdict,) = manifest["quantization"]
    for artefact, row in found.items():
        assert row.bytes == bundle.size(*artefact) and row.latency_ms > 0 and not row.refused
    quantised = found["onnx", "dynamic_int8"]
    assert quantised.score == verdict["after"]["scores"]["chrf"]
    assert quantised.latency_ms == verdict["after"]["latency_ms"]
    assert found["onnx", "float32"].latency_ms == verdict["before"]["latency_ms"]
    assert found["onnx", "float32"].share == 1
    assert quantised.share == quantised.bytes / found["onnx", "float32"].bytes
    assert found["keras", "float32"].score is None
    cells = tables(markdown(manifest, plotted=True))
    for artefact, row in found.items():
        assert [*artefact, f"{row.bytes:,}"] in [line[:3] for line in cells]


def test_quality_parity_and_versions_are_told(manifest):
    text = markdown(manifest, plotted=True)
    cells = tables(text)
    assert ["bleu", "31.50", "nrefs:1/tok:none/version:2"] in cells
    assert ["sentences", "6", ""] in cells
    for name, version in manifest["versions"].items():
        assert [name, version] in cells
    for a in manifest["parity"]["agreements"]:
        line = [a["runtime"], a["quantization"], a["search"], f"{a['identical']} of 5"]
        assert line in [cell[:4] for cell in cells]
    assert "Passed:" in text and "a beam of 3" in text
    failed = {**manifest, "parity": {**manifest["parity"], "passed": False}}
    assert "FAILED:" in markdown(failed, plotted=True)


def test_a_refused_artefact_is_told_with_its_reason(manifest):
    refused = copy.deepcopy(manifest)
    refused["quantization"][0] |= {"accepted": False, "faults": ["chrf | worse\nmuch."]}
    del refused["artefacts"]["onnx"]["files"]["dynamic_int8"]
    (row,) = (row for row in report_rows(refused) if row.refused)
    assert row.bytes == refused["quantization"][0]["after"]["bytes"]
    assert ["refused: chrf / worse much."] in [
        c[-1:] for c in tables(markdown(refused, plotted=True))
    ]
    assert not [line for line in commands(refused) if "dynamic_int8" in line]
    assert plot_png(report_rows(refused), "chrf").startswith(PNG)


def test_a_bundle_of_which_nothing_was_measured(manifest):
    bare = {**manifest, "quality": None, "quantization": [], "latencies": [], "beam": None}
    text = markdown(bare, plotted=False)
    assert (
        "Not measured" in text
        and "No quantised artefact was judged" in text
        and "report.png" not in text
    )
    assert '`pip install ".[train]"`' in text and "greedy" in text
    assert not [line for line in commands(bare) if "--beam-size" in line]
    assert plot_png(report_rows(bare), None).startswith(PNG)


def test_without_matplotlib_the_report_says_so(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_seq2seq.verification.report.is_installed", lambda name: False)
    assert write_report(tmp_path, manifest) == ["REPORT.md"]
    assert [path.name for path in tmp_path.iterdir()] == ["REPORT.md"]
    assert "There is no plot" in (tmp_path / "REPORT.md").read_text("utf-8")


def test_the_commands_run(onnx_bundle, manifest, tmp_path, capsys):
    folder = shutil.copytree(onnx_bundle, tmp_path / "BUNDLE")
    (tmp_path / "SOURCE").write_text("the dog\na cat\n", "utf-8")
    (tmp_path / "REFERENCE").write_text("le chien\nun chat\n", "utf-8")
    lines = commands(manifest)
    assert len({line.partition("--runtime")[2] for line in lines}) == 4
    evaluate = next(line for line in lines if line.endswith("--tokenize 13a"))
    assert "--beam-size 3 --num-hypotheses 2" in evaluate
    for line in ("keras-seq2seq inspect BUNDLE", f"{evaluate} --bootstrap 10"):
        program, *arguments = shlex.split(line)
        names = {"BUNDLE": folder, **{n: tmp_path / n for n in ("SOURCE", "REFERENCE")}}
        assert program == "keras-seq2seq"
        assert main([str(names.get(word, word)) for word in arguments]) == 0
    assert "tok:13a" in capsys.readouterr().out
