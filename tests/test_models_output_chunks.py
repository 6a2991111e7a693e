"""The loss over a few positions at a time is the loss over all."""

import keras
import pytest
from conftest import last_json, needs_jax, run_python, tiny_config, tiny_model

SCRIPT = """
import json
import keras, numpy as np
from conftest import random_ids, tiny_config, tiny_model
from keras_seq2seq.models.losses import RDrop

transformer = dict(encoder="transformer", decoder="transformer", num_heads=2, feedforward_dim=16)
tied = dict(share_embeddings=True, tie_output=True, output_bias=True)
KINDS = {"gru": ({}, None), "tied": ({**transformer, **tied}, RDrop(1.0, 0.1))}
y = random_ids(4, 7, 2)
target_ids = np.where(y == 0, 0, random_ids(4, 7, 1, start=2))
x = {"source_ids": random_ids(4, 6), "target_ids": target_ids}

def trained(options, loss, positions):
    model = tiny_model(tiny_config(dropout=0.2, **options), scale=1.0)
    smoothing = {} if loss else {"label_smoothing": 0.1}
    model.compile(keras.optimizers.SGD(0.5), loss, **smoothing)
    if positions:
        model.chunk_loss(positions)
    weights = np.linspace(0.5, 2.0, 4)
    history = model.fit(x, y, sample_weight=weights, epochs=3, verbose=0, batch_size=4,
                        shuffle=False).history
    found = {"fit": history, "evaluate": model.evaluate(x, y, verbose=0, return_dict=True)}
    found["weights"] = [np.asarray(w).ravel().tolist() for w in model.trainable_weights]
    found["logits"] = model.predict(x, verbose=0).shape
    return found

def memory(positions):
    import jax
    model = tiny_model(tiny_config(target_vocabulary_size=20_000), scale=1.0)
    model.compile(keras.optimizers.SGD(0.5))
    if positions:
        model.chunk_loss(positions)
    ids = np.full((16, 32), 5, "int32")
    batch = {"source_ids": ids % 17, "target_ids": ids}, ids
    model._symbolic_build(data_batch=batch)
    model.optimizer.build(model.trainable_variables)
    names = ("trainable", "non_trainable", "optimizer", "metrics")
    state = model._get_jax_state(**{f"{name}_variables": True for name in names})
    compiled = jax.jit(model.train_step).lower(state, batch).compile()
    return compiled.memory_analysis().temp_size_in_bytes

def refused():
    model = tiny_model()
    model.compile(metrics=[keras.metrics.MeanMetricWrapper(lambda y, p: y, name="own")])
    try:
        model.chunk_loss(4)
    except ValueError as error:
        return str(error)

found = {name: [trained(*kind, positions) for positions in (0, 3)] for name, kind in KINDS.items()}
print(json.dumps({**found, "bytes": [memory(0), memory(4)], "refused": refused()}))
"""


@pytest.fixture(scope="module")
def said():
    return last_json(run_python(SCRIPT, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu"))


@pytest.mark.long
@needs_jax
@pytest.mark.parametrize("kind", ["gru", "tied"])
def test_loss_gradients_and_metrics_are_those_of_all_positions(said, kind):
    whole, chunked = said[kind]
    for name, values in whole["fit"].items():
        assert chunked["fit"][name] == pytest.approx(values, rel=1e-5), name
    assert chunked["evaluate"] == pytest.approx(whole["evaluate"], rel=1e-5)
    for a, b in zip(chunked["weights"], whole["weights"], strict=True):
        assert a == pytest.approx(b, abs=2e-6)
    assert chunked["logits"] == whole["logits"] == [4, 7, 17]


@pytest.mark.long
@needs_jax
def test_not_all_logits_are_there_at_once(said):
    whole, chunked = said["bytes"]
    logits = 16 * 32 * 20_000 * 4
    assert whole > logits > 2 * chunked


@pytest.mark.long
@needs_jax
def test_other_metrics_are_refused(said):
    assert "knows the metrics TokenAccuracy and Perplexity alone" in said["refused"]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can do it")
def test_another_backend_is_refused():
    model = tiny_model(tiny_config())
    model.compile()
    with pytest.raises(ValueError, match="needs the JAX backend.*Received: tensorflow, Masked"):
        model.chunk_loss(4)
