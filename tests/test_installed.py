import importlib.metadata

import pytest

from keras_seq2seq import installed
from keras_seq2seq.version import __version__


def test_the_hint_installs_from_a_checkout():
    hint = installed.how_to_install("litert", "onnx-text")
    assert hint == 'run `pip install ".[litert,onnx-text]"` in a checkout of keras_seq2seq'


@pytest.mark.parametrize("cause", [None, ImportError("no such thing")])
def test_a_missing_package_names_what_brings_it(cause):
    error = installed.missing_package("Plots need matplotlib", "train", cause)
    assert str(error).startswith('Plots need matplotlib: run `pip install ".[train]"`')
    assert ("no such thing" in str(error)) == (cause is not None)


def test_versions_leave_out_what_is_not_installed():
    found = installed.versions(("keras_seq2seq", "no_such_package"))
    assert found == {"keras_seq2seq": __version__}


def test_every_extra_that_a_message_names_is_one():
    extras = set(importlib.metadata.metadata("keras_seq2seq").get_all("Provides-Extra"))
    assert {"tensorflow", "jax", "litert", "onnx-runtime", "onnx", "onnx-text"} <= extras
    assert {"train", "export", "sentences", "all"} <= extras


def test_packages_are_found_without_importing_them():
    assert installed.is_installed("json")
    assert installed.missing_packages(["json", "no_such_package"]) == ["no_such_package"]
