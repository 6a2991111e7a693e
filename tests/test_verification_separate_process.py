import dataclasses
import pathlib

import numpy as np
import pytest
from conftest import TEXTS, random_ids

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.verification import opened as opening
from keras_seq2seq.verification.opened import opened
from keras_seq2seq.verification.parity import verify
from keras_seq2seq.verification.separate_process import SeparateRuntime


@pytest.fixture(scope="module")
def bundle(onnx_bundle):
    return Bundle.open(onnx_bundle)


@pytest.fixture(scope="module")
def separate(bundle):
    found = SeparateRuntime(bundle, "onnx", "float32")
    yield found
    found.close()


def said(hypotheses):
    return [
        [(one.ids, one.finished, one.token_log_probs.tolist()) for one in row] for row in hypotheses
    ]


def test_it_gives_what_the_runtime_gives(bundle, separate):
    own = bundle.runtime("onnx")
    ids = random_ids(3, 5)
    assert (separate.name, separate.beam) == ("onnx", own.beam)
    assert separate.has(GREEDY) and separate.holds(ids)
    assert said(separate.search(ids)) == said(own.search(ids))
    state, expected = separate.encode(ids), own.encode(ids)
    for name, values in expected.items():
        np.testing.assert_array_equal(state[name], values)
    last = np.full(3, 2)
    np.testing.assert_array_equal(separate.step(last, state)[0], own.step(last, expected)[0])
    separate.release()
    assert said(separate.search(ids)) == said(own.search(ids))


def test_its_errors_are_those_of_the_runtime(bundle, separate):
    wrong = dataclasses.replace(bundle.beam, beam_size=7)
    with pytest.raises(ValueError, match="A search inside this onnx artefact must be one of"):
        separate.search(random_ids(1, 4), wrong)
    with pytest.raises(ValueError, match="`runtime` and `quantization` must be one of"):
        SeparateRuntime(bundle, "onnx", "int3")


def test_a_process_that_was_killed_is_told(bundle):
    killed = SeparateRuntime(bundle, "onnx", "float32")
    killed._channel._process.kill()
    killed._channel._process.wait()
    told = "ended with status -9; if it was killed, there was too little memory"
    with pytest.raises(ChildProcessError, match=told):
        killed.search(random_ids(1, 4))


def test_a_process_ends_with_its_runtime(bundle):
    ended = SeparateRuntime(bundle, "onnx", "float32")
    process = ended._channel._process
    del ended
    assert process.poll() is not None


def test_of_a_large_model_one_artefact_is_open(bundle, monkeypatch):
    monkeypatch.setattr(opening, "LARGE", 0)
    engines = opened(bundle)
    first = engines("onnx", "float32")
    assert engines("onnx", "float32") is first
    assert isinstance(first, SeparateRuntime)
    process = first._channel._process
    with pytest.raises(ValueError, match="`runtime` and `quantization` must be one of"):
        engines("onnx", "int3")
    assert process.poll() is not None


@pytest.mark.long
def test_a_large_model_is_verified_as_a_small_one(bundle_of_all_formats, monkeypatch):
    texts = [text for text in TEXTS if text][:4]
    expected = verify(bundle_of_all_formats, texts, verbose=False)
    monkeypatch.setattr(opening, "LARGE", 0)
    assert verify(bundle_of_all_formats, texts, verbose=False) == expected
    assert pathlib.Path(bundle_of_all_formats).is_dir()
