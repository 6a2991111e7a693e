"""The commands over a bundle: export, translate, verify, as a user types them."""

import io
import json
import pathlib
import shutil
import sys

import keras
import numpy as np
import pytest
from conftest import tiny_model

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.export import _languages
from keras_seq2seq.cli.main import main

PAIRS = [(f"{a} {b}", f"{b} {a}") for a in ("red", "blue") for b in ("cat", "dog")]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> pathlib.Path:
    """A run folder with a model of random weights."""
    folder = tmp_path_factory.mktemp("run")
    tokenizers = keras_seq2seq.TokenizerPair.train(
        PAIRS, joint=True, source_level="character", target_level="character"
    )
    size = tokenizers.source.vocabulary_size
    keras.utils.set_random_seed(2)
    config = keras_seq2seq.Seq2SeqConfig(size, size, embedding_dim=6, units=8, max_length=9)
    model = keras_seq2seq.Seq2Seq(config, tokenizers=tokenizers)
    for weight in model.trainable_weights:
        weight.assign(weight * 4.0)
    model.save(folder / "model.keras")
    (folder / "sources.txt").write_text("red cat\nblue dog\n", "utf-8")
    (folder / "report.json").write_text('{"test": {"bleu": 12.5}}', "utf-8")
    recipe = '[data]\nformat = "tsv"\ntrain = ["gone.tsv"]\nlanguages = ["en", "de"]\n'
    (folder / "recipe.toml").write_text(recipe, "utf-8")
    return folder


@pytest.fixture(scope="module")
def bundle(run_folder) -> pathlib.Path:
    folder = run_folder / "bundle"
    options = ["--output-dir", str(folder), "--formats", "onnx", "--beam-size", "3"]
    assert main(["export", str(run_folder), *options]) == 0
    return folder


def translate(monkeypatch, capsys, text: bytes, *arguments: str) -> str:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert main(["translate", *arguments]) == 0
    return capsys.readouterr().out


def test_export_verifies_on_the_run_s_sources(bundle):
    assert (bundle / "verify.txt").read_text("utf-8") == "red cat\nblue dog\n"


def test_export_hands_on_the_quality_that_the_run_measured(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    assert manifest["quality"] == {"bleu": 12.5}


def test_export_hands_on_the_languages_of_the_run(bundle, run_folder):
    assert Bundle.open(bundle).languages == ("en", "de")
    assert _languages(run_folder / "none.toml") is None


def test_the_phrasebook_knows_its_languages_and_a_broken_recipe_is_told(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[training]\nepochs = 3\n", "utf-8")
    assert _languages(recipe) == ("en", "fr")
    recipe.write_text("[data", "utf-8")
    with pytest.raises(ValueError, match="cannot be read as .* Pass --languages to export without"):
        _languages(recipe)


def test_translate_gives_one_line_for_each_line(monkeypatch, capsys, bundle, run_folder):
    found = translate(monkeypatch, capsys, b"red cat\n\nblue \xff dog", str(bundle))
    lines = found.split("\n")
    assert len(lines) == 4 and lines[1] == "" and lines[3] == ""
    model = keras_seq2seq.load_model(run_folder / "model.keras")
    assert lines[0] == model.translate("red cat")


def test_translate_is_the_same_in_keras_and_by_host_search(monkeypatch, capsys, bundle):
    folder = str(bundle)
    onnx = translate(monkeypatch, capsys, b"red dog\n", folder, "--search", "host")
    assert onnx == translate(monkeypatch, capsys, b"red dog\n", folder, "--runtime", "keras")


def test_translate_with_a_beam_is_the_beam_of_keras(monkeypatch, capsys, bundle, run_folder):
    found = translate(monkeypatch, capsys, b"red dog\n", str(bundle), "--beam-size", "3")
    model = keras_seq2seq.load_model(run_folder / "model.keras")
    beam = keras_seq2seq.BeamSearch(3)
    assert keras_seq2seq.load(bundle, strategy=beam).search == "in_file"
    assert found == model.translate("red dog", strategy=beam) + "\n"
    outside = ("--beam-size", "3", "--search", "host")
    assert found == translate(monkeypatch, capsys, b"red dog\n", str(bundle), *outside)


def test_a_line_break_in_a_translation_makes_no_second_line(monkeypatch, capsys, bundle):
    def decode(self, ids):
        return "un\ndeux\r"

    monkeypatch.setattr(keras_seq2seq.Tokenizer, "decode", decode)
    assert translate(monkeypatch, capsys, b"red cat\n", str(bundle)) == "un deux \n"


def test_json_has_the_hypotheses_and_their_scores(monkeypatch, capsys, bundle, run_folder):
    options = ("--json", "--beam-size", "4", "--num-hypotheses", "2")
    line, empty = translate(monkeypatch, capsys, b"red dog\n\n", str(bundle), *options).splitlines()
    found = json.loads(line)
    assert found["source"] == "red dog"
    model = keras_seq2seq.load_model(run_folder / "model.keras")
    beam = keras_seq2seq.BeamSearch(4, 2)
    expected = keras_seq2seq.Translator.from_model(model, strategy=beam).n_best(["red dog"])[0]
    assert found["source_tokens"] == list(expected[0].source_tokens)
    for h, wanted in zip(found["hypotheses"], expected, strict=True):
        values = wanted.to_dict()
        for name in ("translation", "ids", "tokens", "finished"):
            assert h[name] == values[name]
        for name in ("score", "ranking", "confidence", "token_log_probs"):
            assert h[name] == pytest.approx(values[name], abs=1e-4)
        np.testing.assert_allclose(h["attention"], values["attention"], atol=1e-4)
        assert len(h["alignment"]) == len(h["translation"].split())
    assert json.loads(empty)["hypotheses"][0]["translation"] == ""


def test_the_first_line_and_the_second_are_drawn(monkeypatch, capsys, bundle, tmp_path):
    picture = tmp_path / "attention.png"
    options = ("--plot-attention", str(picture))
    translate(monkeypatch, capsys, b"red dog\nblue cat\n", str(bundle), *options)
    for path in (picture, tmp_path / "attention-2.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_prefix_begins_every_translation(monkeypatch, capsys, bundle):
    found = translate(monkeypatch, capsys, b"red dog\n\ncat\n", str(bundle), "--prefix", "cat b")
    first, empty, last = found.splitlines()
    assert first.startswith("cat b") and last.startswith("cat b") and empty == ""


def test_the_same_seed_samples_the_same(monkeypatch, capsys, bundle):
    text = b"red dog\nblue cat\nred cat\n"
    options = ("--sample", "--temperature", "2", "--top-k", "9", "--top-p", "0.95", "--seed")
    first, again, other = (
        translate(monkeypatch, capsys, text, str(bundle), *options, seed) for seed in "112"
    )
    assert first == again != other


def test_rules_of_the_search_reach_it(monkeypatch, capsys, bundle):
    options = ("--json", "--min-length", "5", "--no-repeat-ngram-size", "1")
    line = translate(monkeypatch, capsys, b"red dog\n", str(bundle), *options)
    (found,) = json.loads(line)["hypotheses"]
    assert len(found["ids"]) >= 5 and len(set(found["ids"])) == len(found["ids"])


def test_sentences_of_a_line_are_translated_one_by_one(monkeypatch, capsys, bundle, run_folder):
    text = b"Red cat. Blue dog.\n\n  Red dog.\n"
    found = translate(monkeypatch, capsys, text, str(bundle), "--split-sentences", "en")
    model = keras_seq2seq.load_model(run_folder / "model.keras")
    first, second, third = model.translate(["Red cat.", "Blue dog.", "Red dog."])
    assert found.split("\n") == [f"{first} {second}", "", f"  {third}", ""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split-sentences", "en", "--json"], "cannot be combined with --json"),
        (["--sample", "--beam-size", "2"], "--sample keeps one hypothesis"),
        (["--window", "0"], "--window must be at least 1"),
        (["--batch-size", "0"], "--batch-size must be at least 1"),
        (["--temperature", "0", "--sample"], "--temperature must be finite and above 0"),
        (["--beam-size", "0"], "--beam-size must be 1 to 64"),
        (["--prefix", "red " * 9], "A prefix must have at most `max_length` tokens, 9"),
    ],
)
def test_options_that_do_not_fit_are_told_in_one_line(
    monkeypatch, capsys, bundle, options, message
):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"red dog\n")))
    assert main(["translate", str(bundle), *options]) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_rules_without_a_beam_do_not_go_inside_the_files(run_folder, tmp_path, capsys):
    options = ["--output-dir", str(tmp_path / "new"), "--min-length", "2"]
    assert main(["export", str(run_folder), *options]) == 1
    assert "pass --beam-size above 1" in capsys.readouterr().err


def test_a_beam_that_no_file_has_inside_runs_on_the_host(bundle):
    assert keras_seq2seq.load(bundle, strategy=keras_seq2seq.BeamSearch(4)).search == "host"


def test_a_beam_that_no_file_has_inside_is_refused_there(bundle, capsys):
    options = ["--beam-size", "4", "--search", "in_file"]
    assert main(["translate", str(bundle), *options]) == 1
    assert "pass search='host'" in capsys.readouterr().err


def test_verify_takes_a_text_file(bundle, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("dog red\n\ncat\n", "utf-8")
    assert main(["verify", str(bundle), "--text", str(tmp_path / "text.txt")]) == 0
    printed = capsys.readouterr().out
    exact = [line for line in printed.splitlines() if " float32 " in line]
    ways = [line for line in exact if "3 of 3" in line]
    assert len(ways) == len(exact) == 8  # two runtimes, two searches, greedy and beam
    assert sum("beam in_file" in way for way in ways) == 2


def test_verify_fails_for_an_altered_file_and_one_more(bundle, tmp_path, capsys):
    copied = tmp_path / "copy"
    shutil.copytree(bundle, copied)
    path = copied / "verify.txt"
    path.write_text("red cat\nblue fog\n", "utf-8")
    for name in (".DS_Store", "notes.txt"):
        (copied / name).write_text("anything", "utf-8")
    assert main(["verify", str(copied)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert "altered file: verify.txt" in printed
    assert [line for line in printed if "does not list" in line] == [
        "file that the manifest does not list: notes.txt"
    ]


def test_evaluate_compares_with_references(bundle, run_folder, tmp_path, capsys):
    model = keras_seq2seq.load_model(run_folder / "model.keras")
    (tmp_path / "source").write_text("red cat\nblue dog\n", "utf-8")
    (tmp_path / "reference").write_text(f"{model.translate('red cat')}\nnever this\n", "utf-8")
    files = ["--source", str(tmp_path / "source"), "--reference", str(tmp_path / "reference")]
    assert main(["evaluate", str(bundle), *files, "--bootstrap", "20"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["bleu", "chrf", "ter", "exact"]
    assert printed[-1] == "exact match  50.00 % of 2"
    assert "nrefs:1|" in printed[0]
    metrics = ["--metrics", "wer", "cer"]
    assert main(["evaluate", str(bundle), *files, *metrics]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["wer", "cer", "exact"]
    assert float(printed[0].split()[1]) > 0


def test_evaluate_needs_files_of_equal_length(bundle, tmp_path, capsys):
    (tmp_path / "one").write_text("a\n", "utf-8")
    (tmp_path / "two").write_text("a\nb\n", "utf-8")
    files = ["--source", str(tmp_path / "one"), "--reference", str(tmp_path / "two")]
    assert main(["evaluate", str(bundle), *files]) == 1
    assert "must have the same number of lines. Received: 1 in" in capsys.readouterr().err


def test_export_refuses_an_existing_bundle_in_one_line(run_folder, bundle, capsys):
    assert main(["export", str(run_folder), "--output-dir", str(bundle)]) == 1
    assert "pass force=True (--force)" in capsys.readouterr().err


def test_export_refuses_a_model_without_tokenizers(tmp_path, capsys):
    tiny_model().save(tmp_path / "model.keras")
    assert main(["export", str(tmp_path), "--output-dir", str(tmp_path / "bundle")]) == 1
    told = capsys.readouterr().err
    assert "The model must have its tokenizers: a bundle holds them. Received: None" in told
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_export_names_a_report_that_cannot_be_read(run_folder, tmp_path, capsys):
    run = shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("bundle"))
    (run / "report.json").write_text("[1", "utf-8")
    assert main(["export", str(run), "--output-dir", str(tmp_path / "bundle")]) == 1
    assert "report.json cannot be read as the report of a run" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["verify"], ["translate"]])
def test_folder_without_manifest_is_refused(command, tmp_path, capsys):
    assert main([*command, str(tmp_path)]) == 1
    assert "has no manifest.json" in capsys.readouterr().err
