import numpy as np
import pytest
from exported_models import exported, litert_runtime, same_hypotheses, source_batch

from keras_seq2seq.exporters.litert.outside_data import OutsideData
from keras_seq2seq.exporters.litert.packing import ALIGNMENT, packed, unpacked, write_packed
from keras_seq2seq.file_formats.litert_schema import litert_schema
from keras_seq2seq.inspection.inspect import inspect
from keras_seq2seq.inspection.litert_callers import LITERT_JS, SWIFT


@pytest.fixture(scope="module", params=["float32", "dynamic_int8"])
def content(request):
    folder = exported("transformer").folder / "litert"
    return (folder / f"model_{request.param}.tflite").read_bytes()


def values(table):
    """Returns a table of a model as plain values."""
    if isinstance(table, list):
        return [values(item) for item in table]
    if isinstance(table, np.ndarray):
        return table.dtype.str, table.tolist()
    return {k: values(v) for k, v in vars(table).items()} if hasattr(table, "Pack") else table


def test_what_is_packed_is_unpacked_the_same(content):
    model = unpacked(content)
    assert values(unpacked(packed(model))) == values(model)


def test_packing_again_changes_nothing(content):
    assert packed(unpacked(content)) == content


def with_outside_data(content, fewest=64):
    """Returns a model whose larger constants are made when they are read."""
    model = unpacked(content)
    for index, buffer in enumerate(model.buffers):
        if buffer.data is not None and len(buffer.data) >= fewest:
            data = buffer.data
            rows = {"make": lambda start, end, data=data: data[start:end]}
            buffer.data = OutsideData(index, data.shape, "u1", **rows)
    return model


def test_constants_that_are_made_later_are_where_they_would_be(content, tmp_path):
    model = with_outside_data(content)
    write_packed(model, tmp_path / "model.tflite")
    written = (tmp_path / "model.tflite").read_bytes()
    assert written == packed(model)
    assert values(unpacked(written)) == values(unpacked(content))
    start = np.frombuffer(written, "uint8").ctypes.data
    tables = litert_schema().Model.GetRootAs(written)
    found = [tables.Buffers(i).DataAsNumpy() for i in range(tables.BuffersLength())]
    constants = [data for data in found if isinstance(data, np.ndarray)]
    assert all((data.ctypes.data - start) % ALIGNMENT == 0 for data in constants)


def test_what_a_flatbuffer_cannot_hold_lies_after_it(tmp_path, monkeypatch):
    folder = exported("transformer").folder / "litert"
    monkeypatch.setattr("keras_seq2seq.exporters.litert.packing.LARGEST_FLATBUFFER", 0)
    for file in folder.glob("*_float32.tflite"):
        write_packed(with_outside_data(file.read_bytes()), tmp_path / file.name)
    tables = litert_schema().Model.GetRootAs((tmp_path / "model_float32.tflite").read_bytes())
    offsets = [tables.Buffers(i).Offset() for i in range(tables.BuffersLength())]
    assert sum(offset > 1 for offset in offsets) > 10
    first, second = (litert_runtime(place) for place in (folder, tmp_path))
    source_ids = source_batch(1, 5)
    same_hypotheses(first.search(source_ids), second.search(source_ids), atol=0)
    state, again = (runtime.encode(source_ids) for runtime in (first, second))
    for name in state:
        np.testing.assert_array_equal(state[name], again[name])
    found = inspect(tmp_path / "model_float32.tflite")
    refusing = [caller.name for caller in found.callers if not caller.takes]
    assert refusing == [SWIFT, LITERT_JS]
    assert found.requirements[0].oldest == "2.14.0"


def test_constants_are_aligned(content):
    model = litert_schema().Model.GetRootAs(content)
    start = np.frombuffer(content, "uint8").ctypes.data
    found = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    constants = [data for data in found if isinstance(data, np.ndarray)]
    assert len(constants) > 10
    assert all((data.ctypes.data - start) % ALIGNMENT == 0 for data in constants)


def test_equal_parts_are_stored_once():
    content = (exported("transformer").folder / "litert" / "model_float32.tflite").read_bytes()
    model = unpacked(content)
    largest = max(model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    again = litert_schema().BufferT()
    again.data = largest.data.copy()
    model.buffers.append(again)
    assert len(packed(model)) < len(content) + 100 < len(content) + len(again.data)


def test_a_packed_file_says_what_it_said(tmp_path):
    folder = exported("transformer").folder / "litert"
    for file in folder.glob("*_float32.tflite"):
        (tmp_path / file.name).write_bytes(packed(unpacked(file.read_bytes())))
    first, second = (litert_runtime(place) for place in (folder, tmp_path))
    source_ids = source_batch(1, 5)
    state, again = (runtime.encode(source_ids) for runtime in (first, second))
    for name in state:
        np.testing.assert_array_equal(state[name], again[name])
    same_hypotheses(first.search(source_ids), second.search(source_ids), atol=0)
