"""A bundle under every name that a file system allows: it translates, or is refused in words."""

import os
import shutil

import pytest
from grid import grid
from nasty_names import NASTY_NAMES

import keras_seq2seq

GOOD = {key: name for key, name in NASTY_NAMES.items() if key != "not UTF-8"}


@pytest.mark.parametrize("key", grid(GOOD, list(GOOD)[::4]))
def test_a_bundle_is_opened_and_inspected_under_any_name(onnx_bundle, tmp_path, key):
    folder = shutil.copytree(onnx_bundle, tmp_path / GOOD[key], copy_function=os.link)
    assert keras_seq2seq.load(folder).translate("the dog")
    assert "\x1b" not in str(keras_seq2seq.inspect(folder))


def test_a_path_that_is_not_utf8_is_refused_before_anything_is_written(
    onnx_bundle, translating_model, tmp_path
):
    folder = tmp_path / NASTY_NAMES["not UTF-8"]
    with pytest.raises(ValueError, match="must be a path in UTF-8"):
        keras_seq2seq.export(translating_model, folder / "bundle", formats=["onnx"])
    assert not list(tmp_path.iterdir())
    shutil.copytree(onnx_bundle, folder)
    with pytest.raises(ValueError, match="must be a path in UTF-8"):
        keras_seq2seq.load(folder)
