"""An imported model as a run: what the commands find there, and what they make of it."""

import json
import sys
import types

import numpy as np
import pytest
from test_pretrained_hf_marian import expected, folders, imported

from keras_seq2seq import BeamSearch, Bundle, Shortlist, TokenizerPair, load, load_model
from keras_seq2seq.cli.main import main
from keras_seq2seq.pretrained.hub import FILES, WEIGHTS, folder_of
from keras_seq2seq.pretrained.pretrained import Pretrained
from keras_seq2seq.pretrained.run import random_texts, write_run
from keras_seq2seq.training.kept_search import read_search
from keras_seq2seq.training.recipe import read_settings

FILES_OF_RUN = [
    *("model.keras", "recipe.toml", "search.json"),
    *("source_tokenizer.model", "sources.txt", "target_tokenizer.model"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run of an imported model, written by the command; do not change it."""
    folder = tmp_path_factory.mktemp("import")
    (folder / "texts.txt").write_text("".join(f"{t}\n" for t in expected("tied")["texts"]))
    command = ["import", str(folders() / "tied"), "--output-dir", str(folder / "run")]
    options = ["--max-length", "40", "--sources", str(folder / "texts.txt")]
    assert main([*command, *options]) == 0
    return folder / "run"


def test_a_run_holds_what_the_commands_need(run):
    assert sorted(path.name for path in run.iterdir()) == FILES_OF_RUN
    model = load_model(run / "model.keras")
    assert model.config.max_length == 40
    assert model.tokenizers == TokenizerPair.load(run) == imported("tied").model.tokenizers
    assert run.joinpath("sources.txt").read_text().splitlines() == expected("tied")["texts"]
    search = BeamSearch.from_dict(json.loads((run / "search.json").read_text()))
    assert search == imported("tied").strategy
    for mine, given in zip(model.weights, imported("tied").model.weights, strict=True):
        np.testing.assert_array_equal(mine, given)


def test_its_recipe_has_the_sections_of_the_model(run):
    settings = read_settings(run / "recipe.toml")
    config = imported("tied").model.config
    assert settings["model.activation"] == config.activation == "swish"
    assert settings["model.output_bias"] is True
    assert settings["tokenizer.joint"] is True
    assert settings["tokenizer.vocabulary_size"] == config.source_vocabulary_size
    assert "[data]" not in (run / "recipe.toml").read_text().splitlines()


def test_an_existing_folder_is_not_replaced(run, tmp_path, capsys):
    command = ["import", str(folders() / "tied"), "--output-dir"]
    assert main([*command, str(run)]) == 1
    assert "--output-dir must be new" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("")
    assert main([*command, str(other), "--force"]) == 1
    assert "which exists; name another" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_a_run_is_replaced_by_force(tmp_path):
    found = imported("separate")
    write_run(found, tmp_path / "run", ["One text."])
    write_run(found, tmp_path / "run", ["Another  text.\n"], force=True)
    assert (tmp_path / "run" / "sources.txt").read_text() == "Another text.\n"
    with pytest.raises(FileExistsError, match=r"pass force=True \(--force\)"):
        write_run(found, tmp_path / "run")


def test_a_shortlist_is_kept(tmp_path):
    given = imported("tied")
    sizes = given.model.tokenizers.vocabulary_sizes
    table = np.full((sizes[0], 1), 9, "int32")
    shortlist = Shortlist(np.array([1, 3], "int32"), table, sizes[1])
    with_it = Pretrained(given.family, given.model, given.strategy, shortlist)
    run = write_run(with_it, tmp_path / "run")
    assert (Shortlist.load(run.path / "shortlist.npz").candidates == table).all()
    assert repr(with_it).startswith("Pretrained('Hugging Face Marian', 22,275 parameters, Beam")


def test_texts_of_random_pieces_are_texts():
    texts = random_texts(imported("tied").model.tokenizers.source)
    assert len(texts) == 100
    assert texts == random_texts(imported("tied").model.tokenizers.source)
    assert len(set(texts)) > 90
    assert all(text == " ".join(text.split()) for text in texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--errors", "strict"], "--errors would change nothing: it takes --sources"),
        (["--max-length", "0"], "--max-length must be 1 to 65,536. Received: 0"),
        (["--vocabularies", "a.spm"], "--vocabularies is for files of Marian"),
        (["--sources", "nothing.txt"], "nothing.txt: No such file"),
    ],
)
def test_options_are_named_in_errors(tmp_path, capsys, options, message):
    command = ["import", str(folders() / "tied"), "--output-dir", str(tmp_path / "run")]
    assert main([*command, *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_bundle_has_the_search_of_the_run(run, tmp_path):
    bundle = tmp_path / "bundle"
    options = ["--formats", "onnx", "--quantization", "float32"]
    assert main(["export", str(run), "--output-dir", str(bundle), *options]) == 0
    held = BeamSearch.from_dict(Bundle.open(bundle).manifest["beam"])
    assert held == imported("tied").strategy
    translator = load(bundle, "onnx", strategy=held)
    assert translator.search == "in_file"
    assert translator.translate(expected("tied")["texts"]) == expected("tied")["beam"]


@pytest.mark.long
def test_a_run_is_fine_tuned(run, tmp_path):
    pytest.importorskip("sacrebleu")
    pairs = [(f"We sing {word}.", f"Nous chantons {word}.") for word in ("here", "now", "a", "b")]
    (tmp_path / "pairs.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in pairs * 8))
    recipe = (run / "recipe.toml").read_text() + (
        f'[data]\nformat = "tsv"\nfolder = "{tmp_path}"\ntrain = ["pairs.tsv"]\n'
        'validation = ["pairs.tsv"]\npolicy = "drop"\n'
        "[training]\nepochs = 2\ntokens_per_batch = 400\nevaluate_size = 2\n"
    )
    (tmp_path / "fine.toml").write_text(recipe)
    command = ["train", str(tmp_path / "fine.toml"), "--fine-tune", str(run)]
    assert main([*command, "--output-dir", str(tmp_path / "tuned")]) == 0
    tuned = load_model(tmp_path / "tuned" / "model.keras")
    assert tuned.config == load_model(run / "model.keras").config
    assert read_search(tmp_path / "tuned") == read_search(run)
    history = (tmp_path / "tuned" / "history.csv").read_text().splitlines()
    losses = [float(row.split(",")[history[0].split(",").index("loss")]) for row in history[1:]]
    assert losses[1] < losses[0]


def test_a_broken_search_file_is_told(run, tmp_path, capsys):
    broken = tmp_path / "run"
    broken.mkdir()
    for path in run.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "search.json").write_text('{"width": 3}')
    assert main(["export", str(broken), "--output-dir", str(tmp_path / "bundle")]) == 1
    assert "search.json cannot be read as a beam search" in capsys.readouterr().err


def test_a_name_of_the_hub_is_found_in_its_cache(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub", reason="the extra pretrained is not installed")
    cached = tmp_path / "hub" / "models--someone--opus-mt-en-fr"
    revision = "0123456789abcdef0123456789abcdef01234567"
    snapshot = cached / "snapshots" / revision
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folders() / "tied", target_is_directory=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(revision)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = folder_of("hf:someone/opus-mt-en-fr")
    assert (found / "model.safetensors").is_file()
    assert folder_of(f"hf:someone/opus-mt-en-fr@{revision}") == found
    with pytest.raises(FileNotFoundError, match="hf:someone/other cannot be fetched"):
        folder_of("hf:someone/other")
    with pytest.raises(ValueError, match="must read hf:OWNER/MODEL"):
        folder_of("hf:a/b/c")


def test_the_hub_is_asked_for_pickles_only_without_safetensors(tmp_path, monkeypatch):
    asked = []

    def snapshot_download(name, *, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        (tmp_path / "config.json").touch()
        return str(tmp_path)

    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = snapshot_download
    hub.errors = types.ModuleType("huggingface_hub.errors")
    hub.errors.HFValidationError = KeyError
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", hub.errors)
    folder_of("hf:a/b@v1")
    wanted = [*FILES, WEIGHTS[0]], [*FILES, *WEIGHTS]
    assert asked == [("a/b", "v1", patterns) for patterns in wanted]


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"need huggingface_hub: .*pip install.*\[pretrained\]"):
        folder_of("hf:a/b")
