"""What a forked process does with a model of its parent: an answer or an error, never a wait."""

import json
import os
import sys

import pytest
from conftest import needs_jax, run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
CODE = """
import json, os, signal, sys, warnings
import keras_seq2seq
folder, runtimes = sys.argv[1], sys.argv[2:]
warnings.simplefilter("ignore", RuntimeWarning)  # JAX warns of every fork
calls = {}
for name in runtimes:
    if name == "model":
        model = keras_seq2seq.load_model(folder + "/model.keras")  # never called before the fork
        calls[name] = lambda: model.translate("the dog")
        calls["load"] = lambda: keras_seq2seq.load(folder, "keras").translate("the dog")
    else:
        loaded = keras_seq2seq.load(folder, name, num_threads=4)
        loaded.translate("the dog")
        calls[name] = lambda loaded=loaded: loaded.translate("the dog")
read, write = os.pipe()
if os.fork() == 0:
    signal.alarm(60)  # a wait ends without an answer
    answers = {}
    for name, call in calls.items():
        try:
            answers[name] = call()
        except RuntimeError as error:
            answers[name] = f"RuntimeError: {error}"
    os.write(write, json.dumps(answers).encode())
    os._exit(0)
os.close(write)
with os.fdopen(read) as pipe:
    print(pipe.read())
"""


def answers(folder, *runtimes, **environment):
    done = run_python(CODE, folder, *runtimes, **environment)
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.long
def test_tensorflow_tells_what_to_do_and_the_others_answer(
    bundle_of_all_formats, translating_model
):
    found = answers(bundle_of_all_formats, "onnx", "litert", "saved_model", "keras", "model")
    wanted = translating_model.translate("the dog")
    assert (found.pop("onnx"), found.pop("litert")) == (wanted, wanted)
    assert set(found) == {"saved_model", "keras", "model", "load"}
    for text in found.values():
        assert text.startswith("RuntimeError: ")
        assert "forked from process" in text and "gunicorn without --preload" in text


@pytest.mark.long
@needs_jax
def test_jax_tells_what_to_do(bundle_of_all_formats):
    found = answers(bundle_of_all_formats, "model", KERAS_BACKEND="jax")
    assert all("after jax had started there" in text for text in found.values())


def test_a_process_that_was_not_forked_may_do_what_it_likes():
    from keras_seq2seq.runtimes.process import check_started_here, started

    check_started_here("an engine", "A model")
    started("an engine")
    check_started_here("an engine", "A model")
    assert sys.modules["keras_seq2seq.runtimes.process"]._STARTED["an engine"] == os.getpid()
