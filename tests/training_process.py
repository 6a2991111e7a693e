"""One process of a training: python training_process.py RECIPE FOLDER [STEP SIGNAL] [SETTING ...].

After STEP steps it sends the signal to itself; 0 sends none. It prints the digest of its weights.
"""

import hashlib
import json
import os
import pathlib
import sys

import keras
import numpy as np

from keras_seq2seq import Recipe
from keras_seq2seq.training import train as run_module
from keras_seq2seq.training.training_state import TrainingState


class Signalling(run_module.Throughput):
    """Counts the steps of this process and sends it a signal after one of them."""

    done = 0

    def on_train_batch_end(self, batch, logs=None):
        Signalling.done += 1
        if Signalling.done == STEP:
            os.kill(os.getpid(), SIGNAL)
        super().on_train_batch_end(batch, logs)


Signalling.__name__ = "Throughput"


def shards(model):
    """Returns the share of each weight that one device holds."""
    found = {}
    for weight in model.trainable_weights:
        one = weight.value.addressable_shards[0].data
        found[weight.path] = one.size / weight.value.size
    return found


def main(recipe_path, folder, settings):
    run_module.Throughput = Signalling
    made = []
    original = run_module.begin

    def begin(*arguments):
        made.append(original(*arguments))
        return made[-1]

    run_module.begin = begin
    recipe = Recipe.load(recipe_path, settings)
    report = run_module.train(recipe, folder)
    state = TrainingState.load(pathlib.Path(folder) / "state.npz")
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(v).tobytes() for v in state.variables))
    found = {name: report.get(name) for name in ("interrupted", "signal", "devices", "shares")}
    found |= {"test": report.get("test"), "digest": digest.hexdigest()}
    found |= {"place": (state.epoch, state.batch), "steps": report["steps_per_epoch"]}
    if keras.distribution.distribution() is None and report.get("devices"):
        found["shards"] = shards(made[-1][1])
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    STEP, SIGNAL = int(sys.argv[3]), int(sys.argv[4])
    main(sys.argv[1], sys.argv[2], sys.argv[5:])
