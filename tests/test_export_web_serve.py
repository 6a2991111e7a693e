"""The page of `keras-seq2seq serve` in a real Chromium: texts, errors in words, a phone."""

import json
import shutil
import subprocess

import pytest
from command_line import released_bundle
from web_kit import MARKS, installed_tools

pytest.importorskip("fastapi", reason="needs the extra serve")
from http_server import serving

from keras_seq2seq import Bundle, load

CHROMIUM = shutil.which("chromium")
pytestmark = [*MARKS, pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")]
TEXT = "the dog\na cat sees the old bird here"


@pytest.fixture(scope="module")
def found():
    """What the page showed in check_serve.mjs."""
    with serving("--languages", "en", "fr-CA", "--max-characters", "500") as (_, client, _):
        address = f"http://127.0.0.1:{client.port}/"
        job = {"address": address, "chromium": CHROMIUM, "text": TEXT}
        done = subprocess.run(
            ["node", "check_serve.mjs"],
            input=json.dumps(job),
            cwd=installed_tools(),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_texts_are_translated_and_named_by_their_languages(found):
    beam = Bundle.open(released_bundle()).beam
    expected = load(released_bundle(), "onnx", strategy=beam).translate(TEXT.split("\n"))
    assert found["title"] == "English to French (CA)" and found["codes"] == ["en", "fr-CA"]
    for one in (found["translated"], found["again"]):
        assert one == {"answer": "\n".join(expected), "status": "Translated."}


def test_errors_are_told_in_words_and_leave_no_old_translation(found):
    messages = {
        "long": "A text must have at most 500 characters. Received: 800",
        "offline": "The server does not answer; look at the network",
        "proxy": "Something before the server answered with status 502",
    }
    for name, message in messages.items():
        assert message in found[name]["status"] and found[name]["answer"] == ""


def test_it_fits_a_phone_and_axe_finds_no_fault(found):
    assert found["phone"] == 360 and found["violations"] == []
