import keras
import numpy as np
import pytest
from word_corpus import write_corpus

from keras_seq2seq import Recipe, load_model
from keras_seq2seq.cli.main import main
from keras_seq2seq.models.precision import dtype_policy
from keras_seq2seq.training.initial_model import begin
from keras_seq2seq.training.train import train


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(recipe_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "words"
    train(Recipe.load(recipe_path, ["training.epochs=1"]), folder)
    return folder


@pytest.mark.long
def test_a_run_begins_with_the_weights_and_tokenizers_of_another(recipe_path, run):
    given = load_model(run / "model.keras", compile=False)
    recipe = Recipe.load(recipe_path, ["model.dropout=0.5", "model.max_length=20"])
    tokenizers, model = begin(recipe, (), run, None)
    assert tokenizers == given.tokenizers
    assert (model.config.dropout, model.config.max_length) == (0.5, 20)
    for a, b in zip(model.weights, given.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (a, b)))


@pytest.mark.long
def test_fine_tuning_by_the_command_line_is_better_at_once(recipe_path, run, tmp_path, capsys):
    folder = tmp_path / "tuned"
    settings = ["--set", "training.epochs=1", "--set", "training.learning_rate=1e-9"]
    arguments = ["train", str(recipe_path), "--output-dir", str(folder), "--fine-tune", str(run)]
    assert main([*arguments, *settings]) == 0
    texts = ["the dog", "a cat sees the old bird here"]
    found = [load_model(f / "model.keras", compile=False).translate(texts) for f in (run, folder)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model.units=32", "model.units: 16 there, 32 here"),
        ("model.cell=lstm", "model.cell: 'gru' there, 'lstm' here"),
        ("tokenizer.vocabulary_size=12", "tokenizer.vocabulary_size: 0 there, 12 here"),
        ("tokenizer.source_level=character", "tokenizer.source_level: 'word' there, 'character'"),
    ],
)
def test_another_model_or_tokenizer_is_refused(recipe_path, run, tmp_path, setting, told):
    recipe = Recipe.load(recipe_path, [setting])
    with pytest.raises(ValueError, match="must have its model and tokenizers") as caught:
        train(recipe, tmp_path / "tuned", fine_tune=run)
    assert told in str(caught.value)
    assert not (tmp_path / "tuned").exists()


def test_no_run_to_begin_from(recipe_path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no model\.keras"):
        begin(Recipe.load(recipe_path), (), tmp_path, None)


def test_a_dtype_policy_is_put_back():
    former = keras.config.dtype_policy().name
    with dtype_policy("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == former


PRECISIONS = [("recurrent", "mixed_bfloat16"), ("transformer", "mixed_float16")]


@pytest.mark.long
@pytest.mark.parametrize(("parts", "precision"), PRECISIONS)
def test_a_run_of_mixed_precision_gives_a_model_of_float32(recipe_path, tmp_path, parts, precision):
    settings = [f"training.precision={precision}", "training.epochs=1"]
    settings += [f"model.encoder={parts}", f"model.decoder={parts}"]
    report = train(Recipe.load(recipe_path, settings), tmp_path / "run")
    assert report["test"]["sentences"] == 15
    model = load_model(tmp_path / "run" / "model.keras", compile=False)
    policies = {layer.dtype_policy.name for layer in model.decoder.layers}
    assert policies == {"float32"}
    for weight in model.weights:
        assert np.isfinite(keras.ops.convert_to_numpy(weight)).all()
