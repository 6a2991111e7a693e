import dataclasses
import math
import os
import pathlib
import re
import tomllib

import pytest
from conftest import ROOT
from nasty_names import NASTY_NAMES

from keras_seq2seq import Recipe
from keras_seq2seq.training.corpus_parts import read_parts
from keras_seq2seq.training.recipe import (
    DataRecipe,
    RecipeError,
    TokenizerRecipe,
    TrainingRecipe,
)
from keras_seq2seq.training.recipe_tokenizers import recipe_tokenizers

PUBLISHED = sorted((ROOT / "training").glob("*.toml"))


def write(folder, text, name="recipe.toml"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def faults_of(*arguments):
    with pytest.raises(RecipeError, match="The recipe has errors:") as caught:
        Recipe.from_tables(*arguments)
    return [line.removeprefix("- ") for line in str(caught.value).splitlines()[1:]]


def test_an_empty_file_is_the_phrasebook_with_every_default(tmp_path):
    recipe = Recipe.load(write(tmp_path, ""))
    assert recipe == Recipe(DataRecipe(), TokenizerRecipe(), {}, TrainingRecipe())
    assert recipe.data.format == "phrasebook"
    assert recipe.config(300, 400).units == 512


def test_toml_gives_the_recipe_back(tmp_path):
    for name in ("a.src", "b.tgt"):
        write(tmp_path, "x\n", name)
    recipe = Recipe(
        DataRecipe("parallel", str(tmp_path), ("a.src", "b.tgt"), policy="drop"),
        TokenizerRecipe(joint=False, vocabulary_size=300, sampling_alpha=0.5),
        {"cell": "lstm", "dropout": 0.25, "bidirectional": False, "units": 32},
        TrainingRecipe(epochs=3, learning_rate=1e-5, schedule="cosine", metric="loss"),
    )
    assert Recipe.load(write(tmp_path, recipe.to_toml())) == recipe


@pytest.mark.parametrize("folder", ['a "b"', "a\\b", "täglich 東", "a'b", "tab\tnew"])
def test_any_folder_name_survives_toml(tmp_path, folder):
    recipe = Recipe(DataRecipe(folder=folder))
    assert tomllib.loads(recipe.to_toml())["data"]["folder"] == folder
    assert Recipe.load(write(tmp_path, recipe.to_toml())) == recipe


def test_toml_holds_every_key_with_its_default():
    tables = tomllib.loads(Recipe().to_toml())
    for section in ("data", "tokenizer", "training"):
        names = [field.name for field in dataclasses.fields(getattr(Recipe(), section))]
        assert list(tables[section]) == names


@pytest.mark.parametrize(
    ("setting", "section", "key", "value"),
    [
        ("training.epochs=3", "training", "epochs", 3),
        ("training.learning_rate = 1e-4", "training", "learning_rate", 1e-4),
        ("training.metric=chrf", "training", "metric", "chrf"),
        ('training.metric="chrf"', "training", "metric", "chrf"),
        ("training.jit_compile=true", "training", "jit_compile", True),
        ("data.folder=/no where/at=all", "data", "folder", "/no where/at=all"),
        ("model.cell=lstm", "model", "cell", "lstm"),
        ("model.units=64", "model", "units", 64),
    ],
)
def test_a_setting_goes_before_the_file(tmp_path, setting, section, key, value):
    path = write(tmp_path, '[training]\nepochs = 9\nseed = 5\n[model]\ncell = "gru"\n')
    recipe = Recipe.load(path, [setting])
    found = getattr(recipe, section)
    assert (found[key] if section == "model" else getattr(found, key)) == value
    assert recipe.training.seed == 5


def test_the_last_of_two_settings_wins():
    settings = ["training.epochs=3", "training.epochs=4"]
    assert Recipe.from_tables({}, settings).training.epochs == 4


def test_settings_change_no_argument():
    tables = {"training": {"epochs": 9}}
    Recipe.from_tables(tables, ["training.epochs=3"])
    assert tables == {"training": {"epochs": 9}}


def test_all_faults_come_at_once():
    tables = {
        "data": {"format": "csv", "sed": 1},
        "tokenizer": {"sampling_alpha": 2.0, "vocabulary_size": -1, "joint": 1},
        "model": {"units": 0, "heads": 8, "cell": "rnn"},
        "training": {"epochs": 0, "learning_rate": "fast", "metric": "ter", "lr": 1},
        "export": {},
    }
    found = faults_of(tables, ["training.epochs", "training.seed=-1"])
    for part in (
        "A setting must read section.key=value. Received: 'training.epochs'",
        "[data] takes the keys",
        "[training] takes the keys",
        "A section must be one of ['data', 'tokenizer', 'training', 'distribution', 'model']. Rec",
        "`data.format` must be one of ('phrasebook', 'parallel', 'tsv', 'jsonl', 'parquet'",
        "`tokenizer.sampling_alpha` must be 0 to 1. Received: 2.0",
        "`tokenizer.vocabulary_size` must be at least 0. Received: -1",
        "`tokenizer.joint` must be of type bool. Received: 1",
        "[model] takes the keys",
        "[model] `units` must be 1 to 16,384. Received: 0",
        "[model] `cell` must be one of",
        "`training.epochs` must be above 0. Received: 0",
        "`training.seed` must be at least 0. Received: -1",
        "`training.learning_rate` must be of type float. Received: 'fast'",
        "`training.metric` must be one of",
    ):
        assert any(fault.startswith(part) for fault in found), part
    assert len(found) == 15


@pytest.mark.parametrize("name", ["learning_rate", "clip_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_rate_is_a_finite_positive_number(name, value):
    (fault,) = faults_of({"training": {name: value}})
    rule = "above 0" if math.isfinite(value) else "finite and above 0"
    assert fault == f"`training.{name}` must be {rule}. Received: {value}."


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"model": {"units": True}}, "[model] `units` must be of type int. Received: True."),
        (
            {"model": {"source_vocabulary_size": 9}},
            "[model] must leave the vocabulary sizes to [tokenizer]. "
            "Received: ['source_vocabulary_size'].",
        ),
        (
            {"model": {"share_embeddings": True}, "tokenizer": {"joint": False}},
            "`model.share_embeddings` needs tokenizer.joint = true. Received: false.",
        ),
        ({"training": {"label_smoothing": 1.0}}, "`training.label_smoothing` must be 0 to 0.999."),
        ({"data": {"train": "a.tsv"}}, "`data.train` must be of type list of str. Received: 'a"),
        ({"data": {"train": ["a.tsv"]}}, "The phrasebook takes no files. Received: ['data.train']"),
        ({"data": 3}, "A section must be one of"),
        (
            {"data": {"languages": ["en"]}},
            "`data.languages` must be the codes of the source and",
        ),
        ({"data": {"languages": ["en", "f"]}}, "`data.languages` must be codes of languages (BCP"),
    ],
)
def test_one_fault(tables, fault):
    (found,) = faults_of(tables)
    assert found.startswith(fault)


def test_a_setting_of_what_is_no_section_is_told():
    found = faults_of({"data": 3}, ["data.seed=1"])
    assert found[0].startswith("A section must be one of")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"format": "parallel"}, "`data.train` must name 2 file(s) for format='parallel'"),
        (
            {"format": "tsv", "train": ["a", "b"]},
            "These data files do not exist in '.': ['a', 'b']",
        ),
        (
            {"format": "parallel", "train": ["a", "b", "c"]},
            "`data.train` must name 2 file(s) for format='parallel', or so many for each",
        ),
        (
            {"format": "tsv", "train": ["a", "b"], "weights": [1]},
            "`data.weights` must have one number above 0 and at most 1,000 for each corpus of "
            "data.train. Received: [1] for 2.",
        ),
        (
            {"format": "tsv", "train": ["a"], "weights": [0.0]},
            "`data.weights` must have one number",
        ),
        ({"weights": [2]}, "The phrasebook takes no files. Received: ['data.weights']"),
        ({"weights": ["2"]}, "`data.weights` must be of type list of float. Received: ('2',)"),
        ({"format": "parquet", "train": ["x/*.parquet"]}, "These data files do not exist in '.'"),
        (
            {"format": "tsv", "train": ["a"], "test": ["a", "b"]},
            "`data.test` must name 1 file(s) for format='tsv'. Received: ['a', 'b']",
        ),
        (
            {"format": "jsonl", "folder": "/nowhere", "train": ["a"], "test": ["b"]},
            "These data files do not exist in '/nowhere': ['a', 'b']",
        ),
        (
            {"format": "tsv", "folder": "$NO_SUCH_FOLDER", "train": ["a"]},
            "`data.folder` must be an existing folder. Received: ",
        ),
    ],
)
def test_files_of_the_data_section(data, fault):
    assert any(found.startswith(fault) for found in faults_of({"data": data}))


def test_the_folder_may_be_a_variable_of_the_environment(tmp_path, monkeypatch):
    write(tmp_path, "a\tb\n", "train.tsv")
    monkeypatch.setenv("PAIRS_FOLDER", str(tmp_path))
    tables = {"data": {"format": "tsv", "folder": "$PAIRS_FOLDER", "train": ["train.tsv"]}}
    recipe = Recipe.from_tables(tables)
    assert recipe.file("train.tsv") == tmp_path / "train.tsv"
    assert recipe.data.train == ("train.tsv",)
    monkeypatch.delenv("PAIRS_FOLDER")
    assert len(faults_of(tables)) == 1


def test_the_folder_may_begin_at_home(tmp_path, monkeypatch):
    write(tmp_path, "a\tb\n", "train.tsv")
    monkeypatch.setenv("HOME", str(tmp_path))
    tables = {"data": {"format": "tsv", "folder": "~", "train": ["train.tsv"]}}
    assert Recipe.from_tables(tables).file("train.tsv") == tmp_path / "train.tsv"


@pytest.mark.parametrize("text", ["[data", "a = ", "[data]\n[data]\n"])
def test_what_is_no_toml_is_refused(tmp_path, text):
    with pytest.raises(RecipeError, match=r"recipe\.toml cannot be read as a TOML recipe"):
        Recipe.load(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.toml cannot be read as a TOML recipe"):
        Recipe.load(tmp_path / "none.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="cannot be read as a TOML recipe"):
        Recipe.load(tmp_path / "recipe.toml")


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_every_published_recipe_loads(path):
    folder = tomllib.loads(path.read_text("utf-8")).get("data", {}).get("folder", ".")
    if pathlib.Path(os.path.expandvars(folder)).is_dir():
        assert Recipe.load(path).training.epochs > 0
        return
    # Its data are all that is missing: a folder to be named, or files that a script writes there.
    is_named_later = "$" in folder
    missing = (
        r"`data\.folder` must be an existing folder"
        if is_named_later
        else rf"These data files do not exist in '{re.escape(folder)}'"
    )
    with pytest.raises(RecipeError, match=missing) as caught:
        Recipe.load(path)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.skipif(
    not (ROOT / "training").is_dir(), reason="needs the checkout: the wheel has no training/"
)
def test_there_are_published_recipes():
    assert PUBLISHED


def test_a_preset_may_be_the_model():
    tables = {"model": {"preset": "transformer_tiny", "dropout": 0.1}}
    config = Recipe.from_tables(tables).config(50, 50)
    assert (config.encoder, config.units, config.dropout) == ("transformer", 128, 0.1)
    with pytest.raises(RecipeError, match=r"\[model\] A preset must be one of .*'large'"):
        Recipe.from_tables({"model": {"preset": "large"}})
    with pytest.raises(RecipeError, match="`model.share_embeddings` needs tokenizer.joint"):
        Recipe.from_tables({**tables, "tokenizer": {"joint": False}})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"format": "tsv", "columns": ["1"]}, "must name two columns of format=.tsv.*\\['1'\\]"),
        ({"format": "jsonl", "columns": ["1", "3"]}, "with format='jsonl'"),
        ({"format": "tsv", "columns": [1, 3]}, "`data.columns` must be of type list of str"),
    ],
)
def test_columns_are_two_of_a_table(tmp_path, data, message):
    write(tmp_path, "x", "a")
    with pytest.raises(RecipeError, match=message):
        Recipe.from_tables({"data": {"folder": str(tmp_path), "train": ["a"], **data}})


@pytest.mark.parametrize("columns", [["1", "3"], ["en", "fr"]])
def test_a_recipe_names_columns_and_the_normalization(tmp_path, columns):
    rows = [f"{i}\tm³ {i}\t{i}\tm² {i}" for i in range(20)]
    write(
        tmp_path, "\n".join(["id\ten\tno\tfr", *rows]) if "en" in columns else "\n".join(rows), "a"
    )
    data = {"format": "tsv", "columns": columns, "folder": str(tmp_path), "train": ["a"]}
    tokenizer = {"source_level": "word", "vocabulary_size": 0, "normalization": "identity"}
    recipe = Recipe.from_tables({"data": data, "tokenizer": tokenizer})
    pairs = read_parts(recipe).train
    assert pairs[-1] == ("m³ 19", "m² 19")
    source = recipe_tokenizers(recipe, pairs).source
    assert source.decode(source.encode("m³ m²")) == "m³ m²"


@pytest.mark.parametrize("name", NASTY_NAMES.values(), ids=NASTY_NAMES)
def test_data_in_a_nasty_folder_is_found_or_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "train.tsv").touch()
    data = {"format": "tsv", "folder": str(tmp_path / name), "train": ["train.tsv"]}
    if name == NASTY_NAMES["not UTF-8"]:
        with pytest.raises(RecipeError, match="keeps the names of its data as UTF-8. Received: .*"):
            Recipe.from_tables({"data": data})
        return
    recipe = Recipe.from_tables({"data": data})
    assert recipe.file("train.tsv") == tmp_path / name / "train.tsv"
    (tmp_path / "kept.toml").write_text(recipe.to_toml(), "utf-8")
    assert Recipe.load(tmp_path / "kept.toml") == recipe


def test_prepared_pairs_do_not_depend_on_the_names_of_their_languages():
    plain, named = Recipe.from_tables({}), Recipe.from_tables({"data": {"languages": ["en", "fr"]}})
    assert named.preparation == plain.preparation and named.settings != plain.settings
