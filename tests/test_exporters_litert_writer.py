import keras
import numpy as np
import pytest
from exported_models import GRID, QUANTISED, exported, litert_operators, tiny_model

import keras_seq2seq
from keras_seq2seq import Seq2Seq
from keras_seq2seq.exporters.litert.embedding_lookup import with_embedding_lookup
from keras_seq2seq.exporters.litert.packing import unpacked
from keras_seq2seq.exporters.litert.writer import write_litert
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.litert_schema import litert_schema
from keras_seq2seq.inspection.litert_model import LiteRTModel

FILES = {
    quantization: {
        "translate": f"model_{quantization}.tflite",
        "steps": f"steps_{quantization}.tflite",
    }
    for quantization in ("float32", "dynamic_int8")
}
NAMES = sorted(name for parts in FILES.values() for name in parts.values())
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
    prepared = PreparedExport(model, 4, max_source_length=20)
    return model, folder, write_litert(prepared, folder, list(FILES))


@pytest.mark.parametrize("name", GRID)
def test_files_of_every_model_are_written(name):
    folder = exported(name).folder / "litert"
    expected = NAMES if name in QUANTISED else sorted(FILES["float32"].values())
    assert sorted(path.name for path in folder.iterdir()) == expected


def test_entry_names_files_and_tensors(large):
    _, _, entry = large
    step = entry["signatures"]["decode_step"]
    assert entry["files"] == FILES
    assert entry["source_lengths"] == [20, 8]
    searches = {"translate_greedy_20", "translate_greedy_8"}
    assert set(entry["signatures"]) == {"encode", "decode_step", *searches}
    assert {"name": "target_ids", "dtype": "int32", "shape": [1, 1]} in step["inputs"]
    assert {"name": "keys", "dtype": "float32", "shape": [1, None, 64]} in step["inputs"]
    assert {"name": "attention", "dtype": "float32", "shape": [1, None]} in step["outputs"]
    assert {"name": "log_probs", "dtype": "float32", "shape": [1, 500]} in step["outputs"]
    search = entry["signatures"]["translate_greedy_8"]
    assert search["inputs"] == [{"name": "source_ids", "dtype": "int32", "shape": [1, 8]}]
    found = {tensor["name"]: tensor for tensor in search["outputs"]}
    assert found["target_ids"] == {"name": "target_ids", "dtype": "int32", "shape": [1, 4]}
    assert found["finished"]["dtype"] == "int32"
    assert found["attention"]["shape"] == [1, 4, 8]


@pytest.mark.parametrize("name", GRID)
def test_every_mobile_api_can_take_the_file_of_translations(name):
    folder = exported(name).folder / "litert"
    for file in folder.glob("model_*.tflite"):
        model = unpacked(file.read_bytes())
        types = litert_schema().TensorType
        for graph in (model.subgraphs[s.subgraphIndex] for s in model.signatureDefs):
            tensors = [graph.tensors[i] for i in [*graph.inputs, *graph.outputs]]
            assert all(tensor.type in (types.INT32, types.FLOAT32) for tensor in tensors)
            assert all(tensor.shapeSignature is None for tensor in tensors)
        first = max(model.signatureDefs, key=lambda s: int(s.signatureKey.split(b"_")[-1]))
        assert first.subgraphIndex == 0
        requirement = keras_seq2seq.inspect(file).requirements[0]
        # The newest TensorFlow Lite that iOS has a stable release of.
        assert tuple(map(int, requirement.oldest.split("."))) <= (2, 17, 0)


def test_encoder_gives_what_the_step_takes(large):
    signatures = large[2]["signatures"]
    given = signatures["encode"]["outputs"]
    assert [t for t in signatures["decode_step"]["inputs"] if t["name"] != "target_ids"] == given


def test_weights_are_stored_once(large):
    model, folder, _ = large
    for name in FILES["float32"].values():
        assert 1.0 <= (folder / name).stat().st_size / (4 * model.count_params()) < 1.3


def test_shared_embedding_is_stored_once(tmp_path):
    model = tiny_model(**LARGE, share_embeddings=True, tie_output=True)
    write_litert(PreparedExport(model, 4, max_source_length=12), tmp_path, list(FILES))
    full = 4 * model.count_params()
    for quantization, share in (("float32", 1.3), ("dynamic_int8", 0.5)):
        for name in FILES[quantization].values():
            assert (tmp_path / name).stat().st_size < share * full


def test_dynamic_int8_file_is_smaller(large):
    _, folder, _ = large
    for part in ("translate", "steps"):
        sizes = {name: (folder / files[part]).stat().st_size for name, files in FILES.items()}
        assert sizes["dynamic_int8"] < 0.5 * sizes["float32"]


def operator_names(file):
    return [name for graph in LiteRTModel(file).operators for _, name, _ in graph]


@pytest.mark.parametrize(("part", "lookups"), [("translate", 4), ("steps", 2)])
@pytest.mark.parametrize("quantization", FILES)
def test_embeddings_are_read_by_row(large, quantization, part, lookups):
    names = operator_names(large[1] / FILES[quantization][part])
    if quantization == "float32":
        assert names.count("EMBEDDING_LOOKUP") == lookups
    else:  # int8 lookups are too new for iOS; rows and scales are gathered
        others = operator_names(large[1] / FILES["float32"][part]).count("GATHER")
        assert names.count("GATHER") == others + 2 * lookups
        assert "EMBEDDING_LOOKUP" not in names
    assert not {"ONE_HOT", "DEQUANTIZE"} & set(names)


@pytest.mark.parametrize("name", GRID)
def test_decode_step_has_no_loop(name):
    folder = exported(name).folder / "litert"
    steps, searches = (
        litert_operators(folder / FILES["float32"][p]) for p in ("steps", "translate")
    )
    assert "WHILE" not in steps["decode_step"]
    for operators in searches.values():
        assert operators["WHILE"] == 1 + steps["encode"]["WHILE"]


def test_unknown_quantization_is_refused(tmp_path):
    known = r"\('float32', 'float16', 'dynamic_int8', 'int8'\)"
    with pytest.raises(ValueError, match=rf"among {known}.*'int4'"):
        write_litert(PreparedExport(tiny_model(), 2), tmp_path, ["int4"])


def test_only_wanted_quantizations_are_written_and_nothing_is_printed(tmp_path, capfd):
    entry = write_litert(PreparedExport(tiny_model(), 2), tmp_path, ["dynamic_int8"])
    assert entry["files"] == {"dynamic_int8": FILES["dynamic_int8"]}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(FILES["dynamic_int8"].values())
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
