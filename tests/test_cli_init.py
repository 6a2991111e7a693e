"""A recipe to start from: it loads, says its keys, and its sizes fit the pairs."""

import tomllib

import pytest

from keras_seq2seq import Recipe
from keras_seq2seq.cli.init import TASKS, recipe_text
from keras_seq2seq.cli.main import main


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"a {i}\tb {i}\n" for i in range(50))
    (tmp_path / "pairs.tsv").write_text(lines)
    for side in ("en", "fr"):
        (tmp_path / f"train.{side}").write_text("a word\n" * 50)
    return tmp_path


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("train", "form"),
    [(["pairs.tsv"], "tsv"), (["train.en", "train.fr"], "parallel")],
)
def test_what_it_writes_is_a_recipe(corpus, capsys, task, train, form):
    options = ["--task", task, "--languages", "en", "fr", "--train", *train]
    assert main(["init", "my.toml", *options]) == 0
    assert "keras-seq2seq train my.toml" in capsys.readouterr().out
    recipe = Recipe.load(corpus / "my.toml")
    assert (recipe.data.format, list(recipe.data.train)) == (form, train)
    assert recipe.data.languages == ("en", "fr")
    assert recipe.config(40, 40).units <= 512


@pytest.mark.parametrize("task", TASKS)
def test_every_key_has_a_comment_before_it(task):
    text = recipe_text(task)
    assert "<" not in text.replace("<name>", "<")
    tomllib.loads(text)
    said = False
    for line in text.splitlines():
        is_key = line and not line.startswith(("#", "["))
        said = line.startswith("#") or (said and bool(line))  # one comment for several keys
        assert said or not is_key, line
        assert len(line) <= 140


def test_sizes_grow_with_the_pairs(corpus):
    from keras_seq2seq.cli import init

    small = tomllib.loads(recipe_text("translation", train=[corpus / "pairs.tsv"]))
    assert small["tokenizer"]["vocabulary_size"] == init.SIZES[0][1]["vocabulary_size"]
    (corpus / "many.tsv").write_text("a\tb\n" * 30_000)
    large = tomllib.loads(recipe_text("translation", train=[corpus / "many.tsv"]))
    assert large["tokenizer"]["vocabulary_size"] > small["tokenizer"]["vocabulary_size"]
    assert large["model"]["units"] > small["model"]["units"]


def test_an_existing_file_stays_without_force(corpus, capsys):
    (corpus / "my.toml").write_text("mine")
    assert main(["init", "my.toml"]) == 1
    assert "my.toml exists. Pass --force" in capsys.readouterr().err
    assert (corpus / "my.toml").read_text() == "mine"
    assert main(["init", "my.toml", "--force"]) == 0
    assert (corpus / "my.toml").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["my.yaml"], "RECIPE must end in .toml. Received: my.yaml"),
        (["my.toml", "--train", "none.tsv"], "none.tsv does not exist"),
        (["my.toml", "--train", "a.txt"], "--train must be two files, or one that ends in .tsv"),
        (["my.toml", "--languages", "en", "f!"], "f!"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(corpus, capsys, arguments, told):
    assert main(["init", *arguments]) == 1
    assert told in capsys.readouterr().err
    assert not (corpus / arguments[0]).exists()
