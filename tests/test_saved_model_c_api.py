import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from exported_models import MAX_LENGTH, exported_with_text
from grid import grid

from keras_seq2seq import BeamSearch, Translator
from keras_seq2seq.runtimes.saved_model import SavedModelRuntime

PROGRAM = Path(__file__).parent / "saved_model_c_api.py"
TEXTS = ["", "one", "six five four three", "two  one\0 é", "three one"]
SCORED = TEXTS, ["", "un", "six cinq", "deux un un", "zéro"]
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
        {"signature": "translate_greedy", "inputs": {"source_ids": [[9999, 3]]}},
        {"signature": "translate_greedy", "inputs": {"source_ids": [[5, 6, 3]]}},
        text_request(TEXTS),
        {"signature": "translate", "inputs": {"text": TEXTS}},
        {"signature": "translate", "inputs": {"text": TEXTS, "beam_size": 3, "num_hypotheses": 2}},
        {"signature": "translate", "inputs": {"text": TEXTS, "beam_size": 1, "alpha": 0.0}},
        {"signature": "translate", "inputs": {"text": TEXTS, "beam_size": 0}},
        {"signature": "translate", "inputs": {"text": TEXTS, "num_hypotheses": 5}},
        {"signature": "translate", "inputs": {"text": TEXTS, "alpha": -1.0}},
        {"signature": "score", "inputs": {"text": SCORED[0], "translation": SCORED[1]}},
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
    assert set(outputs) == {"translation", "score", "confidence", "finished"}
    assert outputs["score"][0] == 0.0 and outputs["finished"][0] is True
    assert all(score < 0 for score in outputs["score"][1:])


def test_empty_batch_gives_empty_outputs(answers):
    assert set(map(str, answers[2]["outputs"].values())) == {"[]"}


def test_wrong_requests_fail_and_good_ones_follow(answers):
    unnamed, outside, good, repeated = answers[len(BATCHES) : len(BATCHES) + 4]
    assert "takes ['text']" in unnamed["error"]
    assert "9999" in outside["error"]
    assert len(good["outputs"]["target_ids"]) == 1
    assert repeated == answers[0]


def n_best(strategy):
    built = exported_with_text()
    return Translator.from_model(built.model, strategy=strategy, max_length=MAX_LENGTH)


SIZES = [(-7, BeamSearch()), (-6, BeamSearch(3, 2)), (-5, BeamSearch(1, alpha=0.0))]


@pytest.mark.parametrize(
    ("place", "strategy"),
    grid(SIZES, SIZES[1:2]),
)
def test_sizes_of_the_beam_have_defaults_and_may_be_given(answers, place, strategy):
    outputs = answers[place]["outputs"]
    for row, found in enumerate(n_best(strategy).n_best(TEXTS)):
        missing = strategy.num_hypotheses - len(found)
        assert outputs["translations"][row] == [one.text for one in found] + [""] * missing
        scores = [one.score for one in found]
        assert outputs["scores"][row][: len(found)] == pytest.approx(scores, abs=1e-4)
        confidences = [one.confidence for one in found]
        assert outputs["confidences"][row][: len(found)] == pytest.approx(confidences, abs=1e-4)
        assert all(score < -5e8 for score in outputs["scores"][row][len(found) :])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (-4, "`beam_size` must be 1 to 64. Received:.*0"),
        (-3, "`num_hypotheses` must be 1 to `beam_size`. Received:.*5"),
        (-2, "`alpha` must be finite and at least 0. Received:.*-1"),
    ],
)
def test_wrong_sizes_are_named(answers, place, message):
    assert re.search(message, answers[place]["error"], re.DOTALL)


def test_given_translations_are_scored(answers):
    outputs = answers[-1]["outputs"]
    for row, wanted in enumerate(n_best(None).score(*SCORED)):
        assert outputs["scores"][row] == pytest.approx(wanted.log_prob, abs=1e-4)
        assert outputs["perplexities"][row] == pytest.approx(wanted.perplexity, rel=1e-4)
        tokens = outputs["token_log_probs"][row]
        assert tokens[: len(wanted.token_log_probs)] == pytest.approx(
            wanted.token_log_probs.tolist(), abs=1e-4
        )
        assert not any(tokens[len(wanted.token_log_probs) :])
