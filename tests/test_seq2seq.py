import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from conftest import TEXTS, last_json, random_ids, run_python, tiny_config, tiny_model, word_pairs

from keras_seq2seq import (
    MaskedCrossentropy,
    PairBatches,
    Perplexity,
    Seq2Seq,
    TokenAccuracy,
    TokenizerPair,
)
from keras_seq2seq.models.contract import source_names, state_names
from keras_seq2seq.seq2seq import load_model

layers = keras.layers
FRESH = """
import json, sys
from conftest import TEXTS, random_ids
from keras_seq2seq import load_model
import test_seq2seq as own
model = load_model(sys.argv[1])
print(json.dumps([model.translate(TEXTS, max_length=9), own.logits(model).tolist()]))
"""


def inputs(rows=3):
    ids = {"source_ids": random_ids(rows, 5), "target_ids": random_ids(rows, 4, 1, start=2)}
    return {name: keras.ops.convert_to_tensor(value) for name, value in ids.items()}


def logits(model):
    return keras.ops.convert_to_numpy(model(inputs()))


def labels(batch):
    ids = keras.ops.convert_to_numpy(batch["target_ids"])
    return np.concatenate([ids[:, 1:], np.zeros((len(ids), 1), "int32")], 1)


def fit(model, steps=2):
    batch = inputs()
    return model.fit(batch, labels(batch), epochs=steps, verbose=0).history


@pytest.fixture
def sizes(tokenizers):
    return {
        "source_vocabulary_size": tokenizers.source.vocabulary_size,
        "target_vocabulary_size": tokenizers.target.vocabulary_size,
    }


# Compiling


def test_fit_traces_its_step_once(monkeypatch):
    traced, original = [], Seq2Seq.compute_loss
    monkeypatch.setattr(
        Seq2Seq, "compute_loss", lambda *given, **o: traced.append(1) or original(*given, **o)
    )
    model = tiny_model()
    model.compile()
    fit(model)
    assert len(traced) == 1


def test_the_loss_of_fit_is_that_of_the_formula():
    model = tiny_model(tiny_config(dropout=0.0))
    model.compile("sgd", metrics=[TokenAccuracy(), Perplexity()])
    batch = inputs()
    found = model.evaluate(batch, labels(batch), verbose=0, return_dict=True)
    expected = float(MaskedCrossentropy()(labels(batch), model(batch)))
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(expected), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"input_feeding": True, "attention": "additive"}])
def test_half_precision_trains_and_steps(options):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_model(tiny_config(**options))
        model.compile()
        assert np.isfinite(fit(model)["loss"]).all()
        found = model.decoder_step(step_inputs(model))["logits"]
    finally:
        keras.config.set_dtype_policy(before)
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(found, "float32"))).all()


def step_inputs(model):
    batch = inputs()
    encoded = model.encoder(batch["source_ids"])
    names = (*source_names(model.decoder), *state_names(model.decoder))
    return {"target_ids": batch["target_ids"][:, 0], **{name: encoded[name] for name in names}}


def test_rows_of_padding_change_no_gradient():
    models = [tiny_model(tiny_config(dropout=0.0)) for _ in range(2)]
    for model, pads in zip(models, (0, 2), strict=True):
        model.compile("sgd")
        batch = {k: np.pad(v, [(0, pads), (0, 0)]) for k, v in inputs().items()}
        model.fit(batch, labels(batch), batch_size=9, verbose=0)
    np.testing.assert_allclose(logits(models[0]), logits(models[1]), atol=1e-5)


def test_fit_learns_to_copy(tokenizers, sizes):
    pairs = [(text, text) for text, _ in word_pairs(400, longest=4)]
    both = type(tokenizers)(tokenizers.source, tokenizers.source)
    sizes["target_vocabulary_size"] = sizes["source_vocabulary_size"]
    keras.utils.set_random_seed(0)
    config = tiny_config(**sizes, dropout=0.0, **{"units": 32, "embedding_dim": 16})
    model = Seq2Seq(config, tokenizers=both)
    model.compile(keras.optimizers.Adam(0.02, global_clipnorm=1.0))
    batches = PairBatches(pairs, both, tokens_per_batch=160, num_shapes=1)
    history = model.fit(batches, epochs=10, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 5
    assert history["token_accuracy"][-1] > 0.95
    assert model.translate(["the red dog", "bird"]) == ["the red dog", "bird"]


def test_sample_weights_of_rows_and_of_tokens_train_one_model():
    model = tiny_model()
    model.compile("sgd", weighted_metrics=[Perplexity()])
    batch = inputs()
    for shape in ((3,), (3, 4), (3,), (3, 1)):
        model.fit(batch, labels(batch), sample_weight=np.ones(shape), verbose=0)
    with pytest.raises(ValueError, match="`sample_weight` must have the shape"):
        MaskedCrossentropy()(labels(batch), model(batch), sample_weight=np.ones((3, 4, 1)))


def test_class_weight_is_refused():
    model = tiny_model()
    model.compile()
    batch = inputs()
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match="`class_weight` weighs rows by one label each"):
            train(batch, labels(batch), class_weight={3: 2.0})


def test_predict_takes_arrays_only():
    model = tiny_model()
    batch = {name: np.array(value) for name, value in inputs().items()}
    np.testing.assert_allclose(model.predict(batch, verbose=0), logits(model), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"call model\.translate\(texts\).*Received: list"):
        model.predict(["the dog"])


# Splitting


def test_splitting_copies_nothing():
    model = tiny_model()
    assert model.decoder_step is model.decoder_step
    assert {id(w) for w in model.decoder_step.weights} == {id(w) for w in model.decoder.weights}
    parts = {id(w) for part in (model.encoder, model.decoder) for w in part.weights}
    assert {id(w) for w in model.weights} == parts
    assert len(model.weights) == len(parts)


def test_a_step_has_the_names_and_shapes_of_the_contract():
    step, decoder = tiny_model().decoder_step, tiny_model().decoder
    assert step.input["target_ids"].shape == (None,)
    assert step.input.keys() == decoder.input.keys()
    shapes = {name: tensor.shape for name, tensor in step.output.items()}
    assert shapes == {"logits": (None, 17), "attention": (None, None), "state_0": (None, 8)}


def test_names_of_the_contract():
    model = Seq2Seq(tiny_config(cell="lstm", num_decoder_layers=6))
    assert state_names(model.decoder) == [f"state_{i}" for i in range(12)]
    assert source_names(model.decoder) == ["keys", "memory", "source_mask"]


def test_summary_tells_of_encoder_and_decoder():
    lines = []
    tiny_model().summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    for name in ('"encoder"', '"decoder"', '"seq2seq"', "encoder_rnn_0", "decoder_rnn_0"):
        assert name in text


# Saving


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cell": "lstm", "num_encoder_layers": 2, "residual": True, "context": "max"},
        {"share_embeddings": True, "tie_output": True, "input_feeding": True},
    ],
)
def test_a_file_gives_the_model_back(tmp_path, options):
    model = tiny_model(tiny_config(**options))
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(loaded), logits(model))
    assert loaded.config == model.config
    assert loaded.tokenizers is None
    assert len(loaded.weights) == len(model.weights)
    if options.get("share_embeddings"):
        shared = {id(w) for w in loaded.encoder.weights} & {id(w) for w in loaded.decoder.weights}
        assert len(shared) == 1


def test_a_fresh_process_says_the_same(translating_model, tmp_path):
    path = tmp_path / "model.keras"
    translating_model.save(path)
    texts, found = last_json(run_python(FRESH, path))
    assert texts == translating_model.translate(TEXTS, max_length=9)
    assert len(set(texts)) > 2
    np.testing.assert_allclose(found, logits(translating_model), atol=1e-6)


def test_tokenizers_travel_in_the_file(translating_model, tmp_path):
    translating_model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", compile=False)
    assert loaded.tokenizers == translating_model.tokenizers
    assert loaded.translate(TEXTS) == translating_model.translate(TEXTS)


def test_training_goes_on_where_it_stopped(tmp_path):
    config = tiny_config(dropout=0.0)
    model = tiny_model(config, scale=2)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0), label_smoothing=0.1)
    fit(model, 3)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations.numpy()) == 3
    assert loaded.loss.label_smoothing == 0.1
    for found, expected in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert fit(loaded, 2)["loss"] == pytest.approx(fit(model, 2)["loss"], rel=1e-5)
    np.testing.assert_allclose(logits(loaded), logits(model), atol=1e-5)


def test_weights_alone_can_be_saved(tmp_path):
    model, other = tiny_model(), tiny_model(seed=1)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(logits(other), logits(model))


def test_another_kind_of_file_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="must hold a Seq2Seq model. Received: .*Sequential"):
        load_model(tmp_path / "other.keras")


def test_the_configuration_of_a_model_is_json(tmp_path):
    model = tiny_model()
    config = json.loads(json.dumps(model.get_config()))
    assert Seq2Seq.from_config(config).config == model.config


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "model"])
def test_only_a_keras_file_keeps_all(tmp_path, name):
    model = tiny_model()
    with pytest.raises(ValueError, match=r"saved to a `.keras` file, which holds its tokenizers"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="Received: an HDF5 file"):
        keras.saving.save_model(model, tmp_path / "model.h5")


@pytest.mark.long
def test_a_file_without_the_optimizer_leaves_the_model_as_it_was(tmp_path):
    model = tiny_model(tiny_config(share_embeddings=True, dropout=0.0))
    model.compile(keras.optimizers.Adam(0.01))
    fit(model)
    sizes = []
    for include in (True, False):
        path = tmp_path / f"{include}.keras"
        model.save(path, include_optimizer=include)
        sizes.append(sum(w.size for w in stored(path)))
    assert sizes[0] > 2.5 * sizes[1]
    loaded = load_model(tmp_path / "False.keras")
    assert not loaded.compiled and model.compiled and int(model.optimizer.iterations) == 2
    np.testing.assert_array_equal(logits(loaded), logits(model))
    assert np.isfinite(fit(model)["loss"]).all()


def stored(path):
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        found = []
        with h5py.File(io.BytesIO(file.read())) as weights:
            weights.visititems(lambda _, v: found.append(v) if hasattr(v, "size") else None)
            return [np.array(v) for v in found]


def test_calls_of_keras_that_lose_the_model_say_what_to_call():
    model = tiny_model()
    with pytest.raises(ValueError, match=r"Call Seq2Seq.from_config\(model.get_config\(\)\)"):
        keras.models.clone_model(model)
    with pytest.raises(ValueError, match=r"Call keras_seq2seq.export\(model, output_dir\)"):
        model.export("folder")


# Translating


def test_translate_needs_tokenizers():
    with pytest.raises(ValueError, match="set `model.tokenizers = TokenizerPair"):
        tiny_model().translate("the dog")


def test_tokenizers_must_have_the_sizes_of_the_model(tokenizers):
    model = tiny_model(tiny_config(source_vocabulary_size=18))
    with pytest.raises(ValueError, match=r"\(18, 17\). Received: \(17, 17\); take both from one"):
        model.tokenizers = tokenizers
    assert model.tokenizers is None
    with pytest.raises(
        ValueError, match="The tokenizers must have the vocabulary sizes of the mod"
    ):
        tiny_model(tiny_config(target_vocabulary_size=16), tokenizers=tokenizers)


def test_translate_follows_the_weights(sizes, tokenizers):
    model = tiny_model(tiny_config(**sizes), tokenizers=tokenizers)
    first = model.translate(TEXTS)
    for weight in model.trainable_weights:
        weight.assign(-weight)
    assert model.translate(TEXTS) != first


def test_translate_follows_what_keras_did_to_layers(sizes, tokenizers):
    model = tiny_model(tiny_config(**sizes), tokenizers=tokenizers)
    first = model.translate(TEXTS)
    output = model.decoder.get_layer("logits")
    output.enable_lora(2)
    for weight in output.trainable_variables:
        weight.assign(np.random.default_rng(0).normal(0, 20, weight.shape))
    assert model.translate(TEXTS) != first


def test_translate_follows_the_tokenizers(sizes, tokenizers):
    model = tiny_model(tiny_config(**sizes), tokenizers=tokenizers)
    first = model.translate(TEXTS)
    model.tokenizers = type(tokenizers)(tokenizers.source, tokenizers.source)
    assert model.translate(TEXTS) != first


def test_max_length_cuts_a_translation(translating_model):
    longest = max(translating_model.translate(TEXTS), key=lambda text: len(text.split()))
    assert len(longest.split()) > 2
    for text in translating_model.translate(TEXTS, max_length=2):
        assert len(text.split()) <= 2


def test_one_embedding_needs_one_vocabulary(tokenizers):
    size = tokenizers.source.vocabulary_size
    assert size == tokenizers.target.vocabulary_size
    config = tiny_config(
        source_vocabulary_size=size, target_vocabulary_size=size, share_embeddings=True
    )
    with pytest.raises(ValueError, match="joint=True. Received: .* ids that differ, .*'▁"):
        Seq2Seq(config, tokenizers=tokenizers)
    model = Seq2Seq(config)
    with pytest.raises(ValueError, match="share_embeddings=True needs one vocabulary"):
        model.tokenizers = tokenizers
    model.tokenizers = TokenizerPair(tokenizers.source, tokenizers.source)
