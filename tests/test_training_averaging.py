import keras
import numpy as np
import pytest
from conftest import tiny_model, word_pairs
from word_corpus import write_corpus

from keras_seq2seq import PairBatches, Recipe, load_model
from keras_seq2seq.cli.main import main
from keras_seq2seq.training.averaging import KeepEpochs, average, choose_epochs, epoch_files
from keras_seq2seq.training.history import read_history
from keras_seq2seq.training.train import train


def weights_of(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def names(folder):
    return [path.name for path in sorted(folder.iterdir())]


def scored(keeper, values):
    """Ends an epoch for each value."""
    keeper.set_model(tiny_model())
    for epoch, value in enumerate(values):
        keeper.on_epoch_end(epoch, {"val_bleu": value})
    keeper.on_train_end()
    return names(keeper.folder)


def test_the_last_epochs_are_kept(tmp_path):
    found = scored(KeepEpochs(tmp_path / "epochs", 2), [3.0, 1.0, 2.0])
    assert found == ["0002.weights.h5", "0003.weights.h5"]


def test_the_best_epochs_are_kept(tmp_path):
    keeper = KeepEpochs(tmp_path, 2, "val_bleu")
    assert scored(keeper, [3.0, 1.0, 2.0, 0.5]) == ["0001.weights.h5", "0003.weights.h5"]
    assert keeper.paths() == epoch_files(tmp_path)
    assert scored(KeepEpochs(tmp_path, 1, "val_bleu", "min"), [3.0, 1.0, 2.0]) == [
        "0002.weights.h5"
    ]


def test_an_average_is_the_mean_of_the_epochs(tokenizers, tmp_path):
    model, seen = tiny_model(), []
    model.compile()
    spy = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(weights_of(model)))
    keeper = KeepEpochs(tmp_path, 2)
    batches = PairBatches(word_pairs(20), tokenizers)
    model.fit(batches, epochs=3, callbacks=[keeper, spy], verbose=0)
    average(model, keeper.paths())
    for found, second, third in zip(weights_of(model), seen[1], seen[2], strict=True):
        np.testing.assert_allclose(found, (second + third) / 2, rtol=1e-5, atol=1e-6)
    assert any(np.abs(a - b).max() > 0 for a, b in zip(weights_of(model), seen[2], strict=True))


def test_the_choice_of_epochs(tmp_path):
    for epoch in (2, 3, 10):
        (tmp_path / f"{epoch:04d}.weights.h5").touch()
    paths = epoch_files(tmp_path)
    values = [9.0, 5.0, 7.0, *[0.0] * 6, 6.0]
    assert choose_epochs(paths, 2, None) == paths[1:]
    assert choose_epochs(paths, 2, values) == paths[1:]
    assert choose_epochs(paths, 1, values, "min") == paths[:1]
    for count in (0, 4):
        with pytest.raises(ValueError, match=f"Received: {count} of 3; a run keeps as many"):
            choose_epochs(paths, count, None)


def test_an_epoch_that_the_last_state_needs_stays(tmp_path):
    keeper = KeepEpochs(tmp_path, 1)
    keeper.set_model(tiny_model())
    keeper.on_epoch_end(0)
    keeper.on_epoch_end(1)  # a kill comes before its state is written
    assert [path.name for path in epoch_files(tmp_path)] == ["0001.weights.h5", "0002.weights.h5"]
    keeper.on_train_end()
    assert epoch_files(tmp_path) == keeper.paths() == [tmp_path / "0002.weights.h5"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three epochs that kept two."""
    path = write_corpus(tmp_path_factory.mktemp("corpus"))
    settings = ["training.epochs=3", "training.average_last=2", "training.ema_momentum=0.5"]
    folder = tmp_path_factory.mktemp("runs") / "words"
    train(Recipe.load(path, settings), folder)
    return folder


@pytest.mark.long
def test_a_run_gives_the_average_that_its_recipe_names(run):
    assert names(run / "epochs") == ["0002.weights.h5", "0003.weights.h5"]
    model = load_model(run / "model.keras", compile=False)
    found = weights_of(model)
    average(model, epoch_files(run / "epochs"))
    for a, b in zip(found, weights_of(model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
@pytest.mark.parametrize("option", ["--last", "--best"])
def test_the_command_averages_epochs_of_a_run(run, tmp_path, capsys, option):
    path = tmp_path / "average.keras"
    arguments = ["average", str(run), option, "1", "--output", str(path)]
    assert main(arguments) == 0
    history = read_history(run / "history.csv")["val_bleu"]
    best = max((1, 2), key=lambda epoch: (history[epoch], epoch))
    epoch = 3 if option == "--last" else best + 1
    assert capsys.readouterr().out == f"average of the epochs {epoch}: {path}\n"
    model = load_model(path, compile=False)
    found = weights_of(model)
    model.load_weights(run / "epochs" / f"{epoch:04d}.weights.h5")
    for a, b in zip(found, weights_of(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert main(arguments) == 1
    assert "Pass --force to write over it" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--last", "3"], "Received: 3 of 2"), (["--best", "0"], "Received: 0 of 2")],
)
def test_more_epochs_than_were_kept(run, capsys, arguments, told):
    assert main(["average", str(run), *arguments]) == 1
    assert told in capsys.readouterr().err
    assert not (run / "average.keras").exists()


def test_an_average_of_no_run(tmp_path, capsys):
    assert main(["average", str(tmp_path), "--last", "1"]) == 1
    assert "No model.keras in" in capsys.readouterr().err
