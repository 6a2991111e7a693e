import shutil
import sys

import numpy as np
import onnx
import pytest
from conftest import run_python
from exported_models import same_hypotheses, searched_on_host
from onnx_models import GRID, MAX_LENGTH, exported, runtime, sources

from keras_seq2seq.runtimes.onnx import OnnxRuntime

SHAPES = [(2, 7), (5, 4)]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
NO_TENSORFLOW = """
import pathlib, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
import numpy as np
from keras_seq2seq.decoding.host.single import single_search
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.runtimes.onnx import OnnxRuntime
folder = pathlib.Path(sys.argv[1])
files = {"encode": "encoder", "decode_step": "decoder_step", "translate_greedy": "translate_greedy"}
runtime = OnnxRuntime({name: folder / f"{file}.onnx" for name, file in files.items()})
ids = np.array([[5, 9, 3], [7, 3, 0]])
inside = runtime.search(ids)
host = single_search(runtime.step, runtime.encode(ids), ids, GREEDY, max_length=6)
assert [h.ids for (h,) in inside] == [h.ids for (h,) in host]
print([h.ids for (h,) in inside])
"""


def tokens(found):
    return [(hypothesis.ids, hypothesis.finished) for (hypothesis,) in found]


def assert_equal(got, wanted):
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        assert got[name].dtype == value.dtype
        np.testing.assert_allclose(got[name], value, **CLOSE, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GRID)
def test_encode_and_step_equal_keras(name, shape):
    bundle = exported(name)
    ids = sources(*shape)
    state, wanted_state = bundle.onnx.encode(ids), bundle.keras.encode(ids)
    assert_equal(state, wanted_state)
    for last in (2, 6, 11):
        target_ids = np.full(len(ids), last, "int32")
        log_probs, state = bundle.onnx.step(target_ids, state)
        wanted, wanted_state = bundle.keras.step(target_ids, wanted_state)
        np.testing.assert_allclose(log_probs, wanted, **CLOSE)
        assert_equal(state, wanted_state)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GRID)
def test_translate_equals_keras_and_the_search_on_the_host(name, shape):
    bundle = exported(name)
    ids = sources(*shape)
    found = bundle.onnx.search(ids)
    same_hypotheses(found, bundle.keras.search(ids))
    same_hypotheses(found, searched_on_host(bundle.onnx, ids, max_length=MAX_LENGTH))


@pytest.mark.parametrize("name", GRID)
def test_translations_depend_on_the_source(name):
    found = exported(name).onnx.search(sources(5, 4))
    assert len({hypothesis.ids for (hypothesis,) in found}) > 2


@pytest.mark.parametrize("name", GRID)
def test_empty_source_gives_an_empty_translation(name):
    *_, empty = exported(name).onnx.search(sources(3, 4))
    assert tokens([empty]) == [((), True)]
    assert tokens(exported(name).onnx.search(np.zeros((1, 2), "int32"))) == [((), True)]


def test_no_row_is_refused():
    given = exported("gru_general").onnx
    with pytest.raises(ValueError, match=r"at least one row. Received: .*'source_ids': \(0, 4\)"):
        given.encode(np.zeros((0, 4), "int32"))
    with pytest.raises(ValueError, match="at least one row"):
        given.search(np.zeros((0, 4), "int32"))


def test_padding_and_batch_change_nothing():
    bundle = exported("lstm_dot_layers")
    ids = sources(4, 6)
    together = bundle.onnx.search(np.pad(ids, ((0, 0), (0, 3))))
    alone = [bundle.onnx.search(row[None, : max(1, (row != 0).sum())])[0] for row in ids]
    assert tokens(together) == tokens(alone)


def test_step_ignores_what_the_file_does_not_take():
    bundle = exported("rnn_mean_layers")
    state = {**bundle.onnx.encode(sources(2, 3)), "beam": np.arange(2)}
    _, new = bundle.onnx.step(np.array([2, 2]), state)
    assert set(new) == {"beam", "state_0", "state_1"}


def test_runs_without_tensorflow_and_keras():
    bundle = exported("gru_general")
    process = run_python(NO_TENSORFLOW, bundle.folder)
    found = bundle.onnx.search(np.array([[5, 9, 3], [7, 3, 0]]))
    assert process.stdout.strip() == str([hypothesis.ids for (hypothesis,) in found])


def test_a_file_is_read_when_it_is_first_used(tmp_path):
    shutil.copy(exported("gru_general").folder / "translate_greedy.onnx", tmp_path)
    alone = runtime(tmp_path)
    assert len(alone.search(sources(2, 3))) == 2
    with pytest.raises(FileNotFoundError, match=r"missing: .*encoder\.onnx\. Export the model"):
        alone.encode(sources(2, 3))


def test_damaged_file_is_named(tmp_path):
    whole = (exported("gru_general").folder / "encoder.onnx").read_bytes()
    (tmp_path / "encoder.onnx").write_bytes(whole[: len(whole) // 2])
    told = (
        r"encoder\.onnx cannot be read as an ONNX file: it is damaged.*\. Export the model to ONNX"
    )
    with pytest.raises(ValueError, match=told):
        runtime(tmp_path).encode(sources(2, 3))


def test_a_file_for_a_later_onnxruntime_is_named(tmp_path):
    later = onnx.load(exported("gru_general").folder / "encoder.onnx")
    later.ir_version = 99
    onnx.save(later, tmp_path / "encoder.onnx")
    told = r"encoder\.onnx .*needs a later onnxruntime than 1\..*lower onnx_opset .* IR version: 99"
    with pytest.raises(ValueError, match=told):
        runtime(tmp_path).encode(sources(2, 3))


def test_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        ImportError, match=r'need onnxruntime: run `pip install "\.\[onnx-runtime\]"'
    ):
        runtime(tmp_path)


def test_num_threads_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match=r"`num_threads` must be at least 1\. Received: 0\."):
        OnnxRuntime({}, num_threads=0)
