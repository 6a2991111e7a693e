import numpy as np
import onnx
import pytest
from onnx_models import SHARED, noisy_model, runtime, sources

from keras_seq2seq.exporters import outside_weights
from keras_seq2seq.exporters.onnx.files import SharedWeights, write_whole
from keras_seq2seq.exporters.onnx.placement import place_weights
from keras_seq2seq.exporters.onnx.weights import Numbers, Weights, outside_tensors
from keras_seq2seq.exporters.onnx.writer import write_onnx
from keras_seq2seq.exporters.prepared import PreparedExport
from keras_seq2seq.file_formats.onnx_graph import graphs

MODELS = {
    "transformer": {"encoder": "transformer", "decoder": "transformer", "num_heads": 2},
    "gru": {"attention": "scaled", "input_feeding": True},
}
QUANTIZATIONS = ("float32", "float16", "dynamic_int8")


def write(model, folder, **options):
    return write_onnx(PreparedExport(model, 6, **options), folder, QUANTIZATIONS)["files"]


@pytest.fixture(scope="module", params=MODELS)
def written(request, tmp_path_factory):
    """Folders with shared weights, with weights in each file, and from whole graphs."""
    folder = tmp_path_factory.mktemp(request.param)
    model = noisy_model(**MODELS[request.param], **SHARED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outside_weights, "SMALLEST", 16)
        patch.setattr("keras_seq2seq.exporters.onnx.quantization.SMALLEST", 16)
        patch.setattr("keras_seq2seq.exporters.onnx.quantization.SMALLEST_TABLE", 16)
        files = {
            "shared": write(model, folder / "shared"),
            "single": write(model, folder / "single", onnx_single_files=True),
        }
        patch.setattr(outside_weights, "SMALLEST", 10**9)
        files["whole"] = write(model, folder / "whole")
    return folder, files


def outputs(folder, files):
    names = {function: name for function, name in files.items() if function != "weights"}
    engine = runtime(folder, names)
    found = engine.encode(sources(3, 5))
    searched = engine._files["translate_greedy"].run({"source_ids": sources(3, 5)})
    return {**found, **searched}


@pytest.mark.long
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_weights_outside_the_graphs_change_no_number(written, quantization):
    folder, files = written
    expected = outputs(folder / "whole", files["whole"][quantization])
    for place in ("shared", "single"):
        found = outputs(folder / place, files[place][quantization])
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


@pytest.mark.long
def test_the_files_of_a_quantization_share_theirs(written):
    folder, files = written
    for quantization, names in files["shared"].items():
        shared = folder / "shared" / names["weights"]
        assert shared.name == f"weights_{quantization}.bin"
        places = set()
        for function in ("encode", "decode_step", "translate_greedy"):
            model = onnx.load(folder / "shared" / names[function], load_external_data=False)
            for tensor in outside_tensors(model.graph):
                entries = {entry.key: entry.value for entry in tensor.external_data}
                assert entries["location"] == shared.name
                places.add((int(entries["offset"]), int(entries["length"])))
        assert len({offset for offset, _ in places}) == len(places)
        end = max(offset + length for offset, length in places)
        assert end == shared.stat().st_size
    for names in (*files["single"].values(), *files["whole"].values()):
        assert "weights" not in names


@pytest.mark.long
def test_a_file_with_its_weights_has_the_bytes_of_protobuf(written, tmp_path):
    folder, files = written
    for name in files["single"]["float32"].values():
        whole = onnx.load(folder / "single" / name)
        weights = Weights()
        thin = type(whole)()
        thin.CopyFrom(whole)
        for graph in graphs(thin.graph):
            for tensor in graph.initializer:
                if tensor.raw_data and len(tensor.raw_data) > 64:
                    array = onnx.numpy_helper.to_array(tensor)
                    tensor.CopyFrom(weights.tensor(Numbers.of(array), tensor.name))
        write_whole(thin, weights, tmp_path / name)
        expected = place_weights(whole).SerializeToString(deterministic=True)
        assert (tmp_path / name).read_bytes() == expected


@pytest.mark.long
def test_writing_again_replaces_the_weights(tmp_path):
    model = noisy_model(**MODELS["transformer"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outside_weights, "SMALLEST", 16)
        sizes = []
        for _ in range(2):
            write(model, tmp_path)
            sizes.append((tmp_path / "weights_float32.bin").stat().st_size)
    assert sizes[0] == sizes[1]


def test_weights_in_inner_graphs_are_written_too(tmp_path):
    weights, float_ = Weights(), onnx.TensorProto.FLOAT
    array = np.arange(12, dtype="float32").reshape(3, 4)
    result = onnx.helper.make_tensor_value_info("y", float_, [3, 4])

    def model(tensor):
        branches = {}
        for i, name in enumerate(("then_branch", "else_branch")):
            inner = onnx.helper.make_tensor_value_info(f"y{i}", float_, [3, 4])
            nodes = [onnx.helper.make_node("Neg", [f"w{i}"], [f"y{i}"])]
            branches[name] = onnx.helper.make_graph(nodes, name, [], [inner], [tensor(f"w{i}")])
        asked = onnx.helper.make_tensor_value_info("is_first", onnx.TensorProto.BOOL, [])
        node = onnx.helper.make_node("If", ["is_first"], ["y"], **branches)
        return onnx.helper.make_model(onnx.helper.make_graph([node], "g", [asked], [result]))

    thin = model(lambda name: weights.tensor(Numbers.of(array * (name == "w1")), name))
    whole = model(lambda name: onnx.numpy_helper.from_array(array * (name == "w1"), name))
    write_whole(thin, weights, tmp_path / "whole.onnx")
    expected = whole.SerializeToString(deterministic=True)
    assert (tmp_path / "whole.onnx").read_bytes() == expected
    SharedWeights(tmp_path / "weights.bin", weights).write(thin, tmp_path / "shared.onnx")
    loaded = onnx.load(tmp_path / "shared.onnx")
    held = [tensor for graph in graphs(loaded.graph) for tensor in graph.initializer]
    assert sorted(onnx.numpy_helper.to_array(tensor).sum() for tensor in held) == [0, 66]


def test_weights_are_stored_once_and_aligned(tmp_path):
    weights = Weights()
    store = SharedWeights(tmp_path / "weights.bin", weights)
    first, second = (np.arange(1, 9, dtype="float32").reshape(2, 4) * k for k in (1, 2))
    for i, arrays in enumerate(([first, second], [second, first.copy()])):
        inputs = [weights.tensor(Numbers.of(array), f"w{k}") for k, array in enumerate(arrays)]
        nodes = [onnx.helper.make_node("Add", ["w0", "w1"], ["sum"])]
        result = onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [2, 4])
        graph = onnx.helper.make_graph(nodes, "g", [], [result], inputs)
        store.write(onnx.helper.make_model(graph), tmp_path / f"{i}.onnx")
        loaded = onnx.load(tmp_path / f"{i}.onnx")
        for tensor, array in zip(loaded.graph.initializer, arrays, strict=True):
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), array)
    assert (tmp_path / "weights.bin").stat().st_size == 4096 + second.nbytes
