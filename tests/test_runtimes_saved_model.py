import numpy as np
import pytest
from conftest import run_python
from exported_models import (
    GRID,
    exported,
    exported_with_text,
    same_arrays,
    same_hypotheses,
    searched_on_host,
    source_batch,
)

from keras_seq2seq.runtimes.saved_model import SavedModelRuntime
from keras_seq2seq.text.vocabulary import EOS_ID

SOURCES = [source_batch(1, 6), source_batch(3, 6, padding=2), source_batch(3, 11)]
TEXTS = ["one", "", "six five four", "two  one three\0 é"]


def runtime_of(name):
    return SavedModelRuntime(exported(name).folder / "saved_model")


@pytest.mark.parametrize("name", GRID)
def test_every_signature_equals_keras(name):
    keras, saved = exported(name).keras, runtime_of(name)
    longest = exported(name).model.config.longest_source
    for source_ids in (ids for ids in SOURCES if longest is None or ids.shape[1] <= longest):
        expected, received = keras.encode(source_ids), saved.encode(source_ids)
        same_arrays(received, expected)
        for token in (2, 9):
            ids = np.full(len(source_ids), token, "int32")
            expected_log_probs, expected = keras.step(ids, expected)
            log_probs, received = saved.step(ids, received)
            np.testing.assert_allclose(log_probs, expected_log_probs, rtol=1e-5, atol=1e-5)
            same_arrays(received, expected)
        translated = saved.search(source_ids)
        same_hypotheses(translated, keras.search(source_ids))
        same_hypotheses(translated, searched_on_host(saved, source_ids))


def test_empty_sources_and_an_empty_batch():
    saved = runtime_of("gru_general")
    empty = np.array([[EOS_ID, 0, 0]], "int32")
    ((found,),) = saved.search(empty)
    assert (found.ids, found.score, found.finished) == ((), 0.0, True)
    assert saved.search(empty[:0]) == []


@pytest.fixture(scope="module")
def with_text():
    return SavedModelRuntime(exported_with_text().folder / "saved_model")


def test_texts_translate_as_by_the_host_tokenizers(with_text):
    built = exported_with_text()
    tokenizers, expected = built.model.tokenizers, []
    for text in TEXTS:
        ids = np.array([[*tokenizers.source.encode(text), EOS_ID]], "int32")
        expected.append(tokenizers.target.decode(built.keras.search(ids)[0][0].ids))
    assert with_text.translate_texts(TEXTS) == expected
    assert len(set(expected)) > 2 and expected[1] == ""


def test_no_texts_give_no_translations(with_text):
    assert with_text.translate_texts([]) == []


def test_ids_translate_beside_texts(with_text):
    same_hypotheses(with_text.search(SOURCES[1]), exported_with_text().keras.search(SOURCES[1]))


def test_texts_need_tokenizers():
    with pytest.raises(ValueError, match="written with tokenizers; call `search` with ids"):
        runtime_of("gru_general").translate_texts(["one"])


def test_version_folder_and_latest_version_are_found(tmp_path):
    folder = exported("gru_general").folder / "saved_model"
    assert SavedModelRuntime(folder / "1").folder == folder / "1"
    for version in ("2", "10"):
        (tmp_path / version).symlink_to(folder / "1")
    assert SavedModelRuntime(tmp_path).folder == tmp_path / "10"


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No saved_model.pb in .*nothing"):
        SavedModelRuntime(tmp_path / "nothing")


def test_damaged_folder_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(ValueError, match="cannot be read as a SavedModel"):
        SavedModelRuntime(tmp_path)


@pytest.mark.parametrize("missing", ["tensorflow", "tensorflow_text"])
def test_missing_package_is_named(missing):
    folder = exported_with_text().folder / "saved_model"
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from keras_seq2seq.runtimes.saved_model import SavedModelRuntime\n"
        f"SavedModelRuntime({str(folder)!r})"
    )
    process = run_python(code, check=False)
    assert 'needs TensorFlow: run `pip install ".[tensorflow]"` in a checkout' in process.stderr
