import copy
import json
import os
import pickle
import shutil

import pytest
from command_line import released_bundle
from conftest import TEXTS, run_python

from keras_seq2seq import BeamSearch, Translator, load

OPENED = [
    {"runtime": "onnx"},
    {"runtime": "onnx", "strategy": BeamSearch(3, 2), "search": "host"},
    {"runtime": "litert", "quantization": "dynamic_int8", "num_threads": 2, "xnnpack": False},
]
CODE = """
import json, pathlib, pickle, sys
found = [pickle.loads(pathlib.Path(name).read_bytes()) for name in sys.argv[2:]]
print(json.dumps([[repr(one), one.translate(json.loads(sys.argv[1]))] for one in found]))
"""


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(released_bundle(), tmp_path / "bundle")


def test_another_process_opens_the_same_and_says_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(released_bundle().parent)
    translators = [load(released_bundle().name, **options) for options in OPENED]
    said = [[repr(one), one.translate(TEXTS)] for one in translators]  # all have been used
    names = [tmp_path / str(i) for i in range(len(translators))]
    for name, translator in zip(names, translators, strict=True):
        name.write_bytes(pickle.dumps(translator))
        assert name.stat().st_size < 2000
    assert json.loads(run_python(CODE, json.dumps(TEXTS), *names).stdout) == said


def test_what_was_set_later_is_kept():
    translator = load(released_bundle(), "onnx").with_strategy(BeamSearch(2), search="host")
    translator.max_length = 3
    again = pickle.loads(pickle.dumps(translator))
    assert repr(again) == repr(translator)
    assert again.translate(TEXTS) == translator.translate(TEXTS)


def test_a_bundle_that_is_not_there_is_told(copied):
    pickled = pickle.dumps(load(copied, "onnx"))
    os.rename(copied, copied.with_name("moved"))
    with pytest.raises(FileNotFoundError, match="bundle is no bundle: copy the bundle to this"):
        pickle.loads(pickled)


def test_another_bundle_in_its_place_is_told(copied):
    pickled = pickle.dumps(load(copied, "onnx", check=False))
    manifest = copied / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(ValueError, match=r"needs the bundle that it was opened from. Received: .*"):
        pickle.loads(pickled)


def test_an_altered_file_is_told(copied):
    pickled = pickle.dumps(load(copied, "onnx"))
    path = copied / "onnx" / "encoder.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="altered \\['onnx/encoder.onnx'\\]"):
        pickle.loads(pickled)


def test_a_model_in_memory_is_no_bundle(translating_model):
    translator = Translator.from_model(translating_model)
    with pytest.raises(pickle.PicklingError, match="Only a translator that `load` opened can be"):
        pickle.dumps(translator)
    assert copy.copy(translator).translate(TEXTS) == translator.translate(TEXTS)
