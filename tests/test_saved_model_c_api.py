import json
import subprocess
import sys
from pathlib import Path

import pytest
from exported_models import exported_with_text

from keras_seq2seq.runtimes.saved_model_folder import SavedModelRuntime

PROGRAM = Path(__file__).parent / "saved_model_c_api.py"
TEXTS = ["", "one", "six five four three", "two  one\0 é", "three one"]
BATCHES = [TEXTS, TEXTS[2:3], [], TEXTS * 3]


def text_request(texts):
    return {"signature": "serving_default", "inputs": {"text": texts}}


@pytest.fixture(scope="module")
def folder():
    return exported_with_text().folder / "saved_model"


@pytest.fixture(scope="module")
def answers(folder):
    requests = [
        *map(text_request, BATCHES),
        {"signature": "serving_default", "inputs": {"texts": TEXTS}},
        {"signature": "translate_ids", "inputs": {"source_ids": [[9999, 3]]}},
        {"signature": "translate_ids", "inputs": {"source_ids": [[5, 6, 3]]}},
        text_request(TEXTS),
    ]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder / "1")],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_texts_translate_as_in_python(folder, answers):
    runtime = SavedModelRuntime(folder)
    translations = [answer["outputs"]["translation"] for answer in answers[: len(BATCHES)]]
    assert translations == [runtime.translate_texts(batch) for batch in BATCHES]
    assert len(set(translations[0])) > 2


def test_scores_come_beside_translations(answers):
    outputs = answers[0]["outputs"]
    assert set(outputs) == {"translation", "score", "finished"}
    assert outputs["score"][0] == 0.0 and outputs["finished"][0] is True
    assert all(score < 0 for score in outputs["score"][1:])


def test_empty_batch_gives_empty_outputs(answers):
    assert answers[2]["outputs"] == {"translation": [], "score": [], "finished": []}


def test_wrong_requests_fail_and_good_ones_follow(answers):
    unnamed, outside, good, repeated = answers[len(BATCHES) :]
    assert "takes ['text']" in unnamed["error"]
    assert "9999" in outside["error"]
    assert len(good["outputs"]["target_ids"]) == 1
    assert repeated == answers[0]
