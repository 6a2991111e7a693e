import functools
import os
import pickle
import shutil

import numpy as np
import pytest
from command_line import released_bundle
from conftest import TEXTS

from keras_seq2seq import BeamSearch, load
from keras_seq2seq.bulk import FrameTranslator, translate_frames

NAMES = {"runtime": "onnx", "source": "en", "target": "fr"}


@pytest.fixture(scope="module")
def wanted():
    return load(released_bundle(), "onnx").translate(TEXTS)


def test_a_mapping_gets_a_column(wanted):
    frame = {"id": np.arange(len(TEXTS)), "en": np.array(TEXTS, dtype=object)}
    found = FrameTranslator(released_bundle(), **NAMES)(frame)
    assert list(found) == ["id", "en", "fr"] and found["fr"].tolist() == wanted
    assert found["id"] is frame["id"] and "fr" not in frame


def test_missing_texts_have_missing_translations():
    frame = {"en": [None, "the dog", float("nan"), "", np.float64("nan")]}
    found = FrameTranslator(released_bundle(), **NAMES)(frame)["fr"].tolist()
    assert [one is None for one in found] == [True, False, True, False, True]
    assert found[3] == ""
    assert FrameTranslator(released_bundle(), **NAMES)({"en": []})["fr"].tolist() == []


def test_a_frame_of_pandas_keeps_its_index_and_its_columns(wanted):
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"en": [*TEXTS, None], "n": range(len(TEXTS) + 1)})
    frame.index = frame.index[::-1]
    (found,) = translate_frames([frame], released_bundle(), **NAMES)
    assert list(found.columns) == ["en", "n", "fr"] and list(found.index) == list(frame.index)
    assert found["fr"].tolist()[:-1] == wanted and pandas.isna(found["fr"].iloc[-1])
    frame["en"] = frame["en"].astype("string")
    (again,) = translate_frames([frame], released_bundle(), **NAMES)
    assert again["fr"].tolist()[:-1] == wanted and "fr" not in frame


def test_tables_of_arrow_get_a_column(wanted):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    table = pyarrow.table({"en": [*TEXTS, None]})
    for frame in (table, table.to_batches()[0]):
        (found,) = translate_frames([frame], released_bundle(), **NAMES)
        assert type(found) is type(frame) and found.schema.names == ["en", "fr"]
        assert found.column("fr").to_pylist() == [*wanted, None]


def test_a_worker_loads_a_bundle_once_for_all_its_tasks():
    one, two = (FrameTranslator(released_bundle(), runtime="onnx") for _ in range(2))
    other = FrameTranslator(released_bundle(), runtime="onnx", strategy=BeamSearch(2))
    assert one.translator is two.translator and other.translator is not one.translator


def test_another_bundle_in_the_same_place_is_loaded_anew(tmp_path):
    folder = shutil.copytree(released_bundle(), tmp_path / "bundle")
    first = FrameTranslator(folder, runtime="onnx", check=False).translator
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8") + "\n", "utf-8")
    assert FrameTranslator(folder, runtime="onnx", check=False).translator is not first


def test_what_engines_send_is_small_and_opens_there(wanted):
    translator = load(released_bundle(), "onnx")
    for bundle in (released_bundle(), translator):
        options = NAMES if bundle is not translator else {"source": "en", "target": "fr"}
        sent = pickle.dumps(functools.partial(translate_frames, bundle=bundle, **options))
        assert len(sent) < 2000
        (found,) = pickle.loads(sent)([{"en": TEXTS}])
        assert found["fr"].tolist() == wanted


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        ({"text": ["a"]}, ValueError, "`source` must name a column. Received: 'en'; there are"),
        ({"en": ["a"], "fr": ["b"]}, ValueError, "`target` must name a new column. Received: 'fr'"),
        ({"en": ["a", 3]}, TypeError, "'en' must hold texts. Received: 3 .int. in row 1 of a fr"),
        (["a"], TypeError, "A frame must be a mapping of columns, .* Received: list."),
    ],
)
def test_errors(frame, error, message):
    with pytest.raises(error, match=message):
        list(translate_frames([frame], released_bundle(), **NAMES))


def test_a_bundle_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a bundle: it has no manifest.json"):
        FrameTranslator(tmp_path)
    with pytest.raises(ValueError, match="A translator has its options already. Received: .'run"):
        FrameTranslator(load(released_bundle(), "onnx"), runtime="onnx")
    assert os.path.isabs(FrameTranslator(released_bundle()).translator.reopen.folder)
