import sys
import types

import keras
import pytest
from conftest import last_json, run_python, tiny_model, word_pairs
from light_model import light_model

from keras_seq2seq import PairBatches
from keras_seq2seq.models.replicas import check_one_replica

SCRIPT = """
import json
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from conftest import tiny_model, word_pairs, word_tokenizers
from keras_seq2seq import PairBatches

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
batches = PairBatches(word_pairs(9), word_tokenizers(), tokens_per_batch=60, num_shapes=1)
model = tiny_model()
model.compile()
inputs, labels = batches[0]

def compile_there():
    tiny_model().compile()

calls = {
    "compile": compile_there,
    "fit": lambda: model.fit(batches, verbose=0),
    "evaluate": lambda: model.evaluate(batches, verbose=0),
    "train_on_batch": lambda: model.train_on_batch(inputs, labels),
    "test_on_batch": lambda: model.test_on_batch(inputs, labels),
}
said = {}
for name, call in calls.items():
    with strategy.scope():
        try:
            call()
        except ValueError as error:
            said[name] = str(error)
print(json.dumps(said))
"""


def test_two_replicas_are_refused():
    pytest.importorskip("tensorflow")
    said = last_json(run_python(SCRIPT, CUDA_VISIBLE_DEVICES="-1"))
    assert set(said) == {"compile", "fit", "evaluate", "train_on_batch", "test_on_batch"}
    for message in said.values():
        assert "on one replica" in message
        assert "Received: MirroredStrategy with 2 replicas; leave out its scope" in message


def test_one_replica_trains_as_without_a_strategy(tokenizers):
    tf = pytest.importorskip("tensorflow")
    batches = PairBatches(word_pairs(20), tokenizers, tokens_per_batch=60, num_shapes=1)
    plain = light_model(dropout=0.0).fit(batches, steps_per_epoch=2, verbose=0).history["loss"]
    batches.epoch = 0
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        model = light_model(dropout=0.0)
        check_one_replica(model)
        found = model.fit(batches, steps_per_epoch=2, verbose=0).history["loss"]
    assert found == pytest.approx(plain)


def test_a_distribution_of_keras_is_refused_where_it_has_no_effect():
    if keras.backend.backend() == "jax":
        pytest.skip("it has an effect on JAX")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        with pytest.raises(ValueError, match="except on the JAX backend.*Received: DataParallel"):
            tiny_model().compile()
    finally:
        keras.distribution.set_distribution(None)


def test_several_processes_of_torch_are_refused(monkeypatch):
    """No torch runs here: only what it is asked."""
    distributed = types.SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, get_world_size=lambda: 2
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(distributed=distributed))
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=r"Received: torch\.distributed with 2 processes; set KER"):
        check_one_replica(None)
    distributed.get_world_size = lambda: 1
    check_one_replica(None)
