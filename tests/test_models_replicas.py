import sys
import types

import keras
import pytest
from conftest import last_json, needs_jax, run_python, tiny_model, word_pairs
from light_model import light_model
from several_processes import ended, found, start

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


# Data that are no PairBatches, and mixed precision, in one process or in several.
SHARING = """
import json
import keras
import numpy as np
import tensorflow as tf
from conftest import tiny_config, tiny_model, word_pairs, word_tokenizers
from light_model import light_model
from keras_seq2seq import PairBatches, data_parallel, initialize_processes
from keras_seq2seq.models.precision import dtype_policy

processes = initialize_processes()
batches = PairBatches(word_pairs(60), word_tokenizers(), tokens_per_batch=99, num_shapes=1,
                      rows_multiple=2)
mine = batches.share(processes.index, processes.count)
parts = [batches.batch(0, index) for index in range(len(batches))]
inputs = {name: np.concatenate([one[0][name] for one in parts]) for name in parts[0][0]}
labels = np.concatenate([one[1] for one in parts])
dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(len(parts[0][1]))

def told(data, labels=None, validation=None):
    mine.epoch = 0
    try:
        model = light_model()
        return model.fit(data, labels, epochs=2, verbose=0, validation_data=validation
                         ).history["loss"]
    except ValueError as error:
        return str(error)

def of_policy(policy, **options):
    mine.epoch = 0
    with dtype_policy(policy):
        model = tiny_model(tiny_config(dropout=0.2, **options), scale=1.0)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0))
    losses = model.fit(mine, epochs=2, verbose=0).history["loss"]
    return [type(model.optimizer).__name__, *losses]

said = {}
if processes.several:  # what is refused, before anything is compiled
    said["no distribution"] = told(mine)
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    said["twice"] = told(mine)
    said["tf.data, to be shared out by Keras"] = told(dataset)
    keras.distribution.set_distribution(data_parallel())
    said["tf.data"] = told(dataset)
    said["as_tf_dataset"] = told(batches.as_tf_dataset())
    said["arrays"] = told(inputs, labels)
    said["validation"] = told(mine, validation=dataset)
keras.distribution.set_distribution(data_parallel())
said["PairBatches"] = told(mine)
transformer = dict(encoder="transformer", decoder="transformer", num_heads=2)
said["mixed_bfloat16"] = of_policy("mixed_bfloat16", **transformer)
said["mixed_float16"] = of_policy("mixed_float16")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def sharing():
    """What one process with one device says, and what two say."""
    pytest.importorskip("tensorflow")
    return [found(ended(start([["-c", SHARING]] * count))) for count in (1, 2)]


@pytest.mark.long
@needs_jax
def test_two_processes_have_the_losses_of_one(sharing):
    one, two = (said["PairBatches"] for said in sharing)
    assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.long
@needs_jax
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no distribution", "A training in several processes needs keras.distribution"),
        ("twice", "Keras must not do it again. Received: DataParallel with auto_shard_dataset=Tr"),
        ("tf.data, to be shared out by Keras", "Received: _BatchDataset in 2 processes, each of"),
        ("tf.data", "Received: _BatchDataset in 2 processes, each of which might read all rows"),
        ("as_tf_dataset", "Received: _PrefetchDataset in 2 processes, each of which might read"),
        ("arrays", "Received: dict in 2 processes, each of which might read all rows"),
        ("validation", "Received: _BatchDataset in 2 processes, each of which might read all"),
    ],
)
def test_what_processes_must_not_read_is_refused(sharing, name, message):
    assert message in sharing[1][name]


@pytest.mark.long
@needs_jax
@pytest.mark.parametrize(
    ("policy", "optimizer", "tolerance"),
    [("mixed_bfloat16", "Adam", 1e-2), ("mixed_float16", "LossScaleOptimizer", 1e-3)],
)
def test_mixed_precision_in_two_processes_trains_as_in_one(sharing, policy, optimizer, tolerance):
    one, two = (said[policy] for said in sharing)
    assert one[0] == two[0] == optimizer
    assert two[1:] == pytest.approx(one[1:], rel=tolerance)
