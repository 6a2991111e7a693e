"""A script of your own: written dates to ISO dates, from pairs to files for every runtime.

Usage: python training/dates.py FOLDER [EPOCHS]
"""

import datetime
import pathlib
import sys

import keras

import keras_seq2seq

folder = pathlib.Path(sys.argv[1])
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 10

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
model.fit(batches, epochs=epochs)

model.save(folder / "dates.keras")
model = keras_seq2seq.load_model(folder / "dates.keras")
keras_seq2seq.export(model, folder / "bundle", sentences=[source for source, _ in pairs[:20]])
print(keras_seq2seq.load(folder / "bundle", "litert").translate("Monday, 14 July 2014"))
