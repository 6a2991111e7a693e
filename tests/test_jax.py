import keras
import numpy as np
import pytest
from conftest import TEXTS, last_json, needs_jax, run_python

from keras_seq2seq import BeamSearch, Sampling, load_model

RULES = BeamSearch(3, coverage_penalty=0.2, repetition_penalty=1.3, no_repeat_ngram_size=2)
SAMPLING = Sampling(0.8, 9, 0.9, seed=3)
OPTIONS = {
    "plain": {"cell": "lstm"},
    "feeding": {"cell": "lstm", "input_feeding": True},
    "ssru": {"cell": "lstm", "decoder_cell": "ssru"},
    "transformer": {
        "encoder": "transformer",
        "decoder": "transformer",
        "num_heads": 2,
        "feedforward_dim": 12,
    },
}

SCRIPT = """
import sys

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_text"):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, NoTensorFlow())
import json
import keras, numpy as np
from conftest import TEXTS, tiny_model, tiny_config, word_pairs, word_tokenizers
from keras_seq2seq import PairBatches
from test_jax import OPTIONS, RULES, SAMPLING
from test_models_recurrent import step_through, whole
from test_seq2seq import inputs, logits
from light_model import light_model
from test_training_batch_reading import CALLS, PAIRS, read

def trained(options, path):
    pair = word_tokenizers()
    sizes = pair.source.vocabulary_size, pair.target.vocabulary_size
    config = tiny_config(
        source_vocabulary_size=sizes[0], target_vocabulary_size=sizes[1], **options
    )
    model = tiny_model(config, tokenizers=pair)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0))
    batches = PairBatches(word_pairs(60), pair, tokens_per_batch=80, num_shapes=1)
    losses = model.fit(batches, epochs=3, verbose=0).history["loss"]
    ids = {name: np.array(value) for name, value in inputs().items()}
    gap = np.abs(step_through(model, **ids) - whole(model, **ids)).max()
    model.save(path)
    return {
        "backend": keras.backend.backend(),
        "steps": int(model.optimizer.iterations) / len(batches),
        "epoch": batches.epoch,
        "jit_compile": model.jit_compile,
        "losses": losses,
        "gap": float(gap),
        "texts": model.translate(TEXTS),
        "again": model.translate(TEXTS),
        "beam": model.translate(TEXTS, strategy=RULES),
        "sampled": model.translate(TEXTS, strategy=SAMPLING),
        "max_length_4": model.translate(TEXTS, max_length=4),
        "logits": logits(model).tolist(),
        "tensorflow": "tensorflow" in sys.modules,
    }

found = {name: trained(o, f"{sys.argv[1]}/{name}.keras") for name, o in OPTIONS.items()}
found["read"] = [read(calls) for calls in CALLS]

def losses(devices):
    spread = keras.distribution.DataParallel(devices=devices) if devices else None
    keras.distribution.set_distribution(spread)
    batches = PairBatches(PAIRS, word_tokenizers(), tokens_per_batch=108, num_shapes=1)
    history = light_model(dropout=0.0).fit(batches, epochs=2, verbose=0).history["loss"]
    keras.distribution.set_distribution(None)
    return history

found["losses"] = [losses(devices) for devices in (None, ["cpu:0", "cpu:1"])]
print(json.dumps(found))
"""

pytestmark = [needs_jax, pytest.mark.long]


@pytest.fixture(scope="module")
def of_one_process(tmp_path_factory):
    """What a process with JAX and without TensorFlow found, and the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("jax")
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    return last_json(run_python(SCRIPT, folder, **environment)), folder


@pytest.fixture(scope="module", params=OPTIONS)
def trained(request, of_one_process):
    """What it found of one model, and the file of that."""
    found, folder = of_one_process
    return found[request.param], folder / f"{request.param}.keras"


def test_jax_trains_without_tensorflow(trained):
    found, _ = trained
    assert (found["backend"], found["tensorflow"]) == ("jax", False)
    assert found["jit_compile"] is True
    assert (found["steps"], found["epoch"]) == (3, 3)
    assert found["losses"][-1] < found["losses"][0]


def test_fits_on_jax_read_one_batch_after_the_other(of_one_process):
    from test_training_batch_reading import CALLS, count, in_order

    assert of_one_process[0]["read"] == [in_order(count(calls)) for calls in CALLS]


def test_two_devices_have_the_losses_of_one_on_jax(of_one_process):
    one, two = of_one_process[0]["losses"]
    assert two == pytest.approx(one, rel=1e-5)


def test_stepping_gives_the_training_logits_on_jax(trained):
    assert trained[0]["gap"] < 1e-5


def test_jax_translates(trained):
    found, _ = trained
    assert found["texts"] == found["again"]
    assert found["texts"][TEXTS.index("")] == ""
    assert len(set(found["texts"])) > 2
    assert all(len(text.split()) <= 4 for text in found["max_length_4"])


def test_another_backend_says_the_same(trained):
    import test_seq2seq as own

    found, path = trained
    assert keras.backend.backend() == "tensorflow"
    model = load_model(path)
    assert model.jit_compile is False  # the default of this backend, not of that
    assert model.translate(TEXTS) == found["texts"]
    assert model.translate(TEXTS, strategy=RULES) == found["beam"]
    assert model.translate(TEXTS, strategy=SAMPLING) == found["sampled"]
    np.testing.assert_allclose(own.logits(model), np.array(found["logits"]), atol=1e-5, rtol=1e-4)
    assert int(model.optimizer.iterations.numpy()) > 0
