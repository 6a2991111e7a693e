import keras
import numpy as np
import pytest
from exported_models import CONFIGS, exported, litert_operators, tiny_model

from keras_seq2seq import Seq2Seq
from keras_seq2seq.exporters.litert.embedding_lookup import with_embedding_lookup
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.inspection.litert_model import LiteRTModel

FILES = {"float32": "model_float32.tflite", "dynamic_int8": "model_dynamic_int8.tflite"}
LARGE = {
    "source_vocabulary_size": 500,
    "target_vocabulary_size": 500,
    "embedding_dim": 128,
    "units": 64,
}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A model of which weights are most of the file, and what was written of it."""
    folder = tmp_path_factory.mktemp("large")
    model = tiny_model(**LARGE)
    return model, folder, write_litert(PreparedExport(model, 4), folder, FILES)


@pytest.mark.parametrize("name", CONFIGS)
def test_files_of_every_model_are_written(name):
    folder = exported(name).folder / "litert"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES.values())


def test_entry_names_files_and_tensors(large):
    _, _, entry = large
    step = entry["signatures"]["decode_step"]
    assert entry["files"] == FILES
    assert set(entry["signatures"]) == {"encode", "decode_step", "translate_greedy"}
    assert {"name": "target_ids", "dtype": "int32", "shape": [1, 1]} in step["inputs"]
    assert {"name": "keys", "dtype": "float32", "shape": [1, None, 64]} in step["inputs"]
    assert {"name": "attention", "dtype": "float32", "shape": [1, None]} in step["outputs"]
    assert {"name": "log_probs", "dtype": "float32", "shape": [1, 500]} in step["outputs"]
    found = {
        tensor["name"]: tensor for tensor in entry["signatures"]["translate_greedy"]["outputs"]
    }
    assert found["target_ids"] == {"name": "target_ids", "dtype": "int32", "shape": [1, 4]}
    assert found["attention"]["shape"] == [1, 4, None]


def test_encoder_gives_what_the_step_takes(large):
    signatures = large[2]["signatures"]
    given = signatures["encode"]["outputs"]
    assert [t for t in signatures["decode_step"]["inputs"] if t["name"] != "target_ids"] == given


def test_weights_are_stored_once(large):
    model, folder, _ = large
    size = (folder / FILES["float32"]).stat().st_size
    assert 1.0 <= size / (4 * model.count_params()) < 1.3


def test_shared_embedding_is_stored_once(tmp_path):
    model = tiny_model(**LARGE, share_embeddings=True, tie_output=True)
    write_litert(PreparedExport(model, 4), tmp_path, FILES)
    count = model.count_params()
    assert (tmp_path / FILES["float32"]).stat().st_size < 1.3 * 4 * count
    assert (tmp_path / FILES["dynamic_int8"]).stat().st_size < 0.5 * 4 * count


def test_dynamic_int8_file_is_smaller(large):
    _, folder, _ = large
    sizes = {name: (folder / file).stat().st_size for name, file in FILES.items()}
    assert sizes["dynamic_int8"] < 0.5 * sizes["float32"]


@pytest.mark.parametrize("quantization", FILES)
def test_embeddings_are_read_by_row(large, quantization):
    file = large[1] / FILES[quantization]
    operators = [key for graph in LiteRTModel(file).operators for key in graph]
    names = [name for _, name, _ in operators]
    assert names.count("EMBEDDING_LOOKUP") == 4
    assert not {"ONE_HOT", "DEQUANTIZE"} & set(names)


@pytest.mark.parametrize("name", CONFIGS)
def test_decode_step_has_no_loop(name):
    operators = litert_operators(exported(name).folder / "litert" / FILES["float32"])
    assert "WHILE" not in operators["decode_step"]
    assert operators["translate_greedy"]["WHILE"] == 1 + operators["encode"]["WHILE"]


def test_unknown_quantization_is_refused(tmp_path):
    known = r"\('float32', 'float16', 'dynamic_int8', 'int8'\)"
    with pytest.raises(ValueError, match=rf"among {known}.*'int4'"):
        write_litert(PreparedExport(tiny_model(), 2), tmp_path, ["int4"])


def test_only_wanted_quantizations_are_written_and_nothing_is_printed(tmp_path, capfd):
    entry = write_litert(PreparedExport(tiny_model(), 2), tmp_path, ["dynamic_int8"])
    assert entry["files"] == {"dynamic_int8": FILES["dynamic_int8"]}
    assert [path.name for path in tmp_path.iterdir()] == [FILES["dynamic_int8"]]
    assert capfd.readouterr() == ("", "")


def test_model_with_a_foreign_operator_is_refused_with_its_name(tmp_path):
    model = tiny_model(context="last")
    ids = keras.Input((None,), dtype="int32", name="source_ids")
    outputs = model.encoder(ids)
    outputs["state_0"] = keras.ops.erfinv(outputs["state_0"])
    own = Seq2Seq(encoder=keras.Model(ids, outputs), decoder=model.decoder)
    with pytest.raises(ValueError, match=r"builtin operators only.* Received: Erfinv\.$"):
        write_litert(PreparedExport(own, 2), tmp_path)


def test_embedding_lookup_keeps_values_masks_and_weights():
    ids = keras.Input((None,), dtype="int32", name="source_ids")
    embedding = keras.layers.Embedding(9, 4, mask_zero=True)
    outputs = keras.layers.GRU(3, return_sequences=True)(embedding(ids))
    model = keras.Model(ids, {"outputs": outputs, "reverse": embedding(ids[:, ::-1])})
    changed = with_embedding_lookup(model)
    batch = np.array([[4, 5, 0], [6, 7, 8]], "int32")
    expected, received = model(batch), changed(batch)
    for name in expected:
        np.testing.assert_allclose(received[name], expected[name], atol=1e-6)
    assert {id(w) for w in changed.weights} == {id(w) for w in model.weights}
