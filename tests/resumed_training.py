"""A small training for test_training_resumable_fit.py: python resumed_training.py FOLDER KIND."""

import hashlib
import json
import pathlib
import sys

import keras
import numpy as np
from conftest import tiny_config, word_pairs

from keras_seq2seq import PairBatches, Seq2Seq, TokenizerPair, resumable_fit
from keras_seq2seq.training.callbacks import EarlyStopping, KeepBest

KINDS = {
    "recurrent": {},
    "transformer": {
        "encoder": "transformer",
        "decoder": "transformer",
        "num_heads": 2,
        "feedforward_dim": 16,
    },
}
EPOCHS = 3


class Steps(keras.callbacks.Callback):
    """Prints a line after each step, so that whoever kills this process knows where it is."""

    def on_train_batch_end(self, batch, logs=None):
        print("step", batch, flush=True)


def digest(variables):
    found = hashlib.sha256()
    for variable in variables:
        found.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return found.hexdigest()


def main(folder, kind, **optimizer_options):
    keras.utils.set_random_seed(3)
    tokenizers = TokenizerPair.train(word_pairs(300), 290, joint=True)
    size = tokenizers.source.vocabulary_size
    config = tiny_config(
        source_vocabulary_size=size,
        target_vocabulary_size=size,
        dropout=0.2,
        max_length=40,
        **KINDS[kind],
    )
    model = Seq2Seq(config, tokenizers=tokenizers)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 60)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0, **optimizer_options))
    batches = PairBatches(
        word_pairs(160),
        tokenizers,
        tokens_per_batch=80,
        num_shapes=2,
        max_length=40,
        sampling_alpha=0.5,
    )
    validation = PairBatches(word_pairs(20, 1), tokenizers, num_shapes=1, shuffle=False)
    keep_best = KeepBest(folder / "model.keras", "val_loss", "min")
    stop = EarlyStopping("val_loss", mode="min", patience=9)
    history = resumable_fit(
        model,
        batches,
        epochs=EPOCHS,
        state_path=folder / "state.npz",
        save_every=4,
        validation_data=validation,
        callbacks=[Steps(), keep_best, stop],
        verbose=0,
    ).history
    return {
        "digest": digest([*model.variables, *model.optimizer.variables]),
        "best": (keep_best.best, keep_best.best_epoch, stop.wait, stop.best),
        "epochs": len(history.get("loss", ())),
        "last": {name: values[-1] for name, values in history.items()},
        "steps": len(batches),
    }


if __name__ == "__main__":
    print(json.dumps(main(pathlib.Path(sys.argv[1]), sys.argv[2])), flush=True)
