"""A script of your own: written dates to ISO dates, from pairs to files for every runtime."""

import argparse
import datetime
import pathlib
import tempfile

import keras

import keras_seq2seq
from keras_seq2seq.formats import FORMATS


def main() -> None:
    folder, epochs = arguments()
    keras.utils.set_random_seed(1)
    days = [datetime.date(1990, 1, 1) + datetime.timedelta(days=i) for i in range(9000)]
    pairs = [(f"{day:%A}, {day.day} {day:%B} {day.year}", day.isoformat()) for day in days]

    tokenizers = keras_seq2seq.TokenizerPair.train(
        pairs, joint=True, source_level="character", target_level="character"
    )
    size = tokenizers.source.vocabulary_size
    batches = keras_seq2seq.PairBatches(pairs, tokenizers, tokens_per_batch=2000)
    config = keras_seq2seq.Seq2SeqConfig(
        size, size, embedding_dim=32, units=64, dropout=0.0, max_length=16
    )
    model = keras_seq2seq.Seq2Seq(config, tokenizers=tokenizers)
    model.compile(keras.optimizers.Adam(0.005))
    model.fit(batches, epochs=epochs, verbose=2)

    model.save(folder / "dates.keras")
    model = keras_seq2seq.load_model(folder / "dates.keras")
    sentences = [source for source, _ in pairs[:20]]
    keras_seq2seq.export(model, folder / "bundle", sentences=sentences)
    print(keras_seq2seq.load(folder / "bundle", "litert").translate("Monday, 14 July 2014"))


def arguments() -> tuple[pathlib.Path, int]:
    """Returns the folder, which then exists, and the number of epochs; checked before training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="where dates.keras and bundle/ go")
    parser.add_argument("epochs", type=int, nargs="?", default=10, help="default: %(default)s")
    given = parser.parse_args()
    if given.epochs < 1:
        parser.error(f"EPOCHS must be at least 1. Received: {given.epochs}.")
    if (given.folder / "bundle").exists():
        parser.error(f"{given.folder} has a bundle already. Name another folder.")
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=given.folder):
            pass
    except OSError as error:
        parser.error(f"nothing can be written to {given.folder}: {error}.")
    for row in FORMATS.values():
        row.check_installed()
    return given.folder, given.epochs


if __name__ == "__main__":
    main()
