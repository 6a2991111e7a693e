"""Options of a recipe, each in a whole training."""

import pytest
from conftest import word_pairs
from word_corpus import write_corpus

from keras_seq2seq import BeamSearch, Recipe, load_model
from keras_seq2seq.training.history import read_history
from keras_seq2seq.training.train import train

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


SETTINGS = {
    "accumulation": ("training.r_drop=5", "training.accumulation_steps=3"),
    "several steps": ("training.weight_decay=0.01", "training.steps_per_execution=3"),
    "averages": (
        *("training.ema_momentum=0.9", "training.average_best=1"),
        "training.schedule=inverse_sqrt",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_options_that_change_the_training(recipe_path, tmp_path, name):
    settings = ["training.epochs=2", "model.dropout=0.2", *SETTINGS[name]]
    report = train(Recipe.load(recipe_path, settings), tmp_path / "run")
    history = read_history(tmp_path / "run" / "history.csv")
    assert report["epochs"] == 2
    assert history["val_loss"][1] < history["val_loss"][0]


def test_the_test_part_by_a_beam(recipe_path, tmp_path):
    settings = ["training.epochs=1", "training.test_beam_size=3"]
    report = train(Recipe.load(recipe_path, settings), tmp_path / "run")
    sources, references = zip(*word_pairs(15, 2), strict=True)
    model = load_model(tmp_path / "run" / "model.keras", compile=False)
    found = model.translate(sources, strategy=BeamSearch(3))
    equal = sum(a == b for a, b in zip(found, references, strict=True))
    assert report["test_beam"]["exact_match"] == pytest.approx(100 * equal / 15)


def test_patience_ends_a_training_without_gain(recipe_path, tmp_path):
    settings = ["training.learning_rate=1e-9", "training.patience=1", "training.epochs=5"]
    report = train(Recipe.load(recipe_path, settings), tmp_path / "run")
    assert report["epochs"] == 2
    assert report["interrupted"] is False


def test_the_same_seed_gives_the_same_model(recipe_path, tmp_path):
    settings = ["training.epochs=1", "model.dropout=0.3", "training.schedule=cosine"]
    recipe = Recipe.load(recipe_path, settings)
    losses = []
    for name in ("a", "b"):
        train(recipe, tmp_path / name)
        losses.append(read_history(tmp_path / name / "history.csv")["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
