"""The warm-up requests: parsed by TensorFlow Serving's own messages, and run."""

import numpy as np
import pytest
import tensorflow as tf
from exported_models import exported, exported_with_text
from grid import grid

prediction_log_pb2 = pytest.importorskip(
    "tensorflow_serving.apis.prediction_log_pb2", reason="needs tensorflow-serving-api"
)
TEXT_SIGNATURES = {"serving_default", "translate_greedy", "score"}


def version_of(built):
    return built.folder / "saved_model" / "1"


def records(version, name):
    path = str(version / "assets.extra" / name)
    return [record.numpy() for record in tf.data.TFRecordDataset(path)]


def requests(version, name="tf_serving_warmup_requests"):
    logs = map(prediction_log_pb2.PredictionLog.FromString, records(version, name))
    return [log.predict_log.request for log in logs]


def inputs(request):
    return {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}


@pytest.fixture(scope="module")
def with_text():
    return version_of(exported_with_text())


@pytest.mark.parametrize("name", ["tf_serving_warmup_requests", "n_best_warmup_requests"])
def test_records_are_what_the_package_writes(with_text, name):
    for record in records(with_text, name):
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.SerializeToString(deterministic=True) == record
        assert log.WhichOneof("log_type") == "predict_log"


def test_a_server_that_batches_takes_every_request_that_it_reads(with_text):
    found = requests(with_text)
    assert {request.model_spec.signature_name for request in found} == TEXT_SIGNATURES
    for request in found:
        rows = {array.shape[0] for array in inputs(request).values()}
        assert len(rows) == 1 and max(rows) <= 8
    by_signature = {
        name: [inputs(r) for r in found if r.model_spec.signature_name == name]
        for name in TEXT_SIGNATURES
    }
    ids = [given["source_ids"].shape for given in by_signature["translate_greedy"]]
    assert [rows for rows, _ in ids] == [1, 1, 4, 8]
    assert len({length for _, length in ids}) > 1


def test_n_best_requests_have_their_scalars(with_text):
    found = requests(with_text, "n_best_warmup_requests")
    assert {r.model_spec.signature_name for r in found} == {"translate", "translate_ids"}
    for request in found:
        sizes = inputs(request)
        assert sizes["beam_size"] == 4 and sizes["num_hypotheses"] == 1
        assert sizes["alpha"] == np.float32(0.6) and sizes["alpha"].shape == ()


@pytest.mark.parametrize("with_text", grid([True, False], [True]))
def test_every_request_runs(with_text):
    version = version_of(exported_with_text() if with_text else exported("gru_general"))
    signatures = tf.saved_model.load(str(version)).signatures
    found = [*requests(version), *requests(version, "n_best_warmup_requests")]
    assert found
    for request in found:
        given = inputs(request)
        function = signatures[request.model_spec.signature_name]
        outputs = function(**{name: tf.constant(array) for name, array in given.items()})
        rows = len(given["text"] if "text" in given else given["source_ids"])
        assert {len(tensor) for tensor in outputs.values()} == {rows}


def test_appended_files_are_one_file(with_text, tmp_path):
    folder = with_text / "assets.extra"
    names = ("tf_serving_warmup_requests", "n_best_warmup_requests")
    both = tmp_path / "assets.extra" / names[0]
    both.parent.mkdir()
    both.write_bytes(b"".join((folder / name).read_bytes() for name in names))
    assert len(requests(tmp_path)) == sum(len(requests(with_text, name)) for name in names)
