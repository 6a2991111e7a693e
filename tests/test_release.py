"""What an earlier release wrote loads, and gives the translations that it gave then."""

import csv
import json
import pathlib
import shutil

import keras
import pytest
from grid import grid
from opened_bundles import opened

import keras_seq2seq
from keras_seq2seq import BeamSearch, Recipe
from keras_seq2seq.training.run_folder import RunFolder

BEAM = BeamSearch(3, 2, max_length_factor=2.0)
MODELS = (
    *("gru", "lstm_feeding", "rnn_mean", "transformer", "transformer_post"),
    *("transformer_to_ssru", "custom", "custom_transformer"),
)
BUNDLES = ("gru", "transformer_post")
# Recipe keys of the release's run that have their defaults: a release before them wrote none.
DEFAULTS = (
    *("data.policy", "data.seed", "tokenizer.sampling_alpha", "training.r_drop"),
    *("training.steps_per_execution", "training.precision", "training.test_beam_size"),
)


@pytest.fixture(scope="module")
def expected(release):
    return json.loads((release / "expected.json").read_text("utf-8"))


@pytest.fixture
def copied_bundle(release, tmp_path):
    return pathlib.Path(shutil.copytree(release / "bundles" / "gru", tmp_path / "bundle"))


@pytest.fixture
def runs(release, tmp_path, monkeypatch):
    """A copy of the runs, whose recipes find their corpus."""
    monkeypatch.setenv("RELEASE_DATA", str(release / "runs"))
    return pathlib.Path(shutil.copytree(release / "runs", tmp_path / "runs"))


def texts_of(n_best):
    return [[translation.text for translation in row] for row in n_best]


@pytest.mark.parametrize("name", grid(MODELS, ["gru", "transformer_post", "custom"]))
def test_a_model_translates_as_it_did(release, expected, name):
    model = keras_seq2seq.load_model(release / "models" / f"{name}.keras")
    texts, wanted = expected["texts"], expected["models"][name]
    assert model.translate(texts, max_length=9) == wanted["greedy"]
    beam = keras_seq2seq.Translator.from_model(model, strategy=BEAM, max_length=9)
    assert texts_of(beam.n_best(texts)) == wanted["n_best"]


@pytest.mark.parametrize("name", grid(["gru", "transformer_post"], ["transformer_post"]))
def test_a_model_trains_on(release, name):
    model = keras_seq2seq.load_model(release / "models" / f"{name}.keras")
    pairs = [("the dog", "le chien"), ("a cat", "un chat")] * 4
    batches = keras_seq2seq.PairBatches(pairs, model.tokenizers, num_shapes=1, max_length=9)
    losses = model.fit(batches, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_model_loads_by_keras_too(release, expected):
    assert keras_seq2seq.Seq2Seq  # registers the class
    model = keras.saving.load_model(release / "models" / "gru.keras")
    found = model.translate(expected["texts"], max_length=9)
    assert found == expected["models"]["gru"]["greedy"]


@pytest.mark.parametrize("search", ["in_file", "host"])
@pytest.mark.parametrize("runtime", ["keras", "saved_model", "litert", "onnx"])
@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_translates_as_it_did(release, expected, name, runtime, search):
    translator = opened(release / "bundles" / name, runtime, search)
    assert translator.translate(expected["texts"]) == expected["bundles"][name]["greedy"]


@pytest.mark.parametrize("name", BUNDLES)
def test_the_beam_inside_a_bundle_is_found(release, expected, name):
    translator = keras_seq2seq.load(release / "bundles" / name, "onnx", strategy=BEAM)
    assert translator.search == "in_file"
    assert texts_of(translator.n_best(expected["texts"])) == expected["bundles"][name]["n_best"]


def with_beam(folder, change):
    """Writes the manifest with both of its beams changed."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    for beam in (manifest["beam"], manifest["artefacts"]["saved_model"]["beam"]):
        change(beam)
    path.write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize("missing", ["suppress", "no_repeat_ngram_size", "patience", "alpha"])
def test_a_search_option_that_a_bundle_lacks_has_its_default(copied_bundle, expected, missing):
    assert getattr(BEAM, missing) == getattr(BeamSearch(), missing)
    with_beam(copied_bundle, lambda beam: beam.pop(missing))
    translator = keras_seq2seq.load(copied_bundle, "onnx", strategy=BEAM)
    assert translator.search == "in_file"
    assert texts_of(translator.n_best(expected["texts"])) == expected["bundles"]["gru"]["n_best"]


def test_a_search_option_of_a_later_release_is_refused_by_name(copied_bundle):
    with_beam(copied_bundle, lambda beam: beam.update(diversity=0.5))
    with pytest.raises(ValueError, match=r"\['diversity'\]; update keras_seq2seq"):
        keras_seq2seq.load(copied_bundle)


def test_a_later_format_is_refused_by_name(copied_bundle):
    path = copied_bundle / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**manifest, "format_version": 5}), "utf-8")
    with pytest.raises(ValueError, match="reads bundles of format version 3 and 4. Received: 5"):
        keras_seq2seq.load(copied_bundle)


def read(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


@pytest.mark.long
def test_an_unfinished_run_goes_on_to_the_end_that_it_would_have_had(runs, expected):
    recipe = Recipe.load(runs / "words.toml")
    report = keras_seq2seq.train(recipe, runs / "unfinished")
    assert report["interrupted"] is False and report["epochs"] == 3
    wanted = list(csv.DictReader(expected["runs"]["unfinished"]["history"].splitlines()))
    for row, other in zip(read(runs / "unfinished" / "history.csv"), wanted, strict=True):
        assert float(row["val_loss"]) == pytest.approx(float(other["val_loss"]), rel=1e-3)
    model = keras_seq2seq.load_model(runs / "unfinished" / "model.keras")
    assert model.translate(expected["texts"]) == expected["runs"]["unfinished"]["greedy"]


def without(path, setting):
    """Removes a key from the recipe that a run keeps."""
    section, key = setting.split(".")
    current, kept = "", []
    for line in path.read_text("utf-8").splitlines():
        current = line.strip("[]") if line.startswith("[") else current
        if current != section or not line.startswith(f"{key} = "):
            kept.append(line)
    assert len(kept) == len(path.read_text("utf-8").splitlines()) - 1
    path.write_text("\n".join(kept) + "\n", "utf-8")


@pytest.mark.parametrize("setting", DEFAULTS)
def test_a_recipe_key_that_a_run_lacks_has_its_default(runs, setting):
    run, recipe = RunFolder(runs / "unfinished"), Recipe.load(runs / "words.toml")
    without(run.recipe, setting)
    assert run.goes_on(recipe, force=False)
    changed = Recipe.load(runs / "words.toml", ["training.seed=4"])
    with pytest.raises(FileExistsError, match=r"differs: training.seed = 4, was 3\. Name another"):
        run.goes_on(changed, force=False)


def test_a_recipe_key_of_a_later_release_is_refused_by_name(runs):
    run = RunFolder(runs / "unfinished")
    text = run.recipe.read_text("utf-8")
    run.recipe.write_text(text.replace("[training]", "[training]\nmoonlight = 1"), "utf-8")
    with pytest.raises(ValueError, match=r"earlier one: .*moonlight"):
        run.goes_on(Recipe.load(runs / "words.toml"), force=False)


@pytest.mark.long
def test_a_finished_run_goes_on_with_more_epochs_and_begins_others(runs, expected):
    model = keras_seq2seq.load_model(runs / "finished" / "model.keras")
    assert model.translate(expected["texts"]) == expected["runs"]["finished"]["greedy"]
    recipe = Recipe.load(runs / "words.toml", ["training.epochs=1"])
    report = keras_seq2seq.train(recipe, runs / "tuned", fine_tune=runs / "finished")
    assert report["epochs"] == 1
    more = Recipe.load(runs / "words.toml", ["training.epochs=4"])
    assert keras_seq2seq.train(more, runs / "finished")["epochs"] == 4


def test_what_is_expected_says_something(expected):
    for kind in ("models", "bundles", "runs"):
        for values in expected[kind].values():
            assert values["greedy"][2] == "" and len(set(values["greedy"])) >= 2
