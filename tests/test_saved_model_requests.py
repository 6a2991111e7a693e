"""Requests of any mix of lengths, and bad ones, through TensorFlow's C API, as a server sends them.

docs/tf_serving.md tells the answers to bad requests; this file holds them.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from exported_models import exported_with_text

PROGRAM = Path(__file__).parent / "saved_model_c_api.py"
INVALID_ARGUMENT, FLOAT, STRING = 3, 1, 7
TEXTS = ["", "one", "six five four three two one six five four three", "two  one\0 é", "four"]
GOOD = {"signature": "serving_default", "inputs": {"text": TEXTS}}
LONG_LINE = "one two " * 2**17  # 1 MiB, character by character
NOT_UTF8 = {"b64": base64.b64encode(b"one \xff\xc3 two").decode()}
LONGEST_TEXT = 1024
MIXED = {
    "serving_default": {"text": TEXTS},
    "translate": {"text": TEXTS},
    "score": {"text": TEXTS, "translation": ["", "un", "deux", "six cinq un deux un", "un un"]},
}


def text(*texts, **options):
    return {"signature": "serving_default", "inputs": {"text": texts}, **options}


def ids(rows, signature="translate_greedy", **more):
    return {"signature": signature, "inputs": {"source_ids": rows, **more}}


def request(signature, **inputs):
    return {"signature": signature, "inputs": inputs}


# By name: the request, and what the error says.
REFUSED = {
    "text of floats": (text(1.0, dtypes={"text": FLOAT}), "to be string but float"),
    "text of rank 2": (text(["one", "two"]), "[1,2] is not compatible with expected shape [?]"),
    "text of rank 0": (request("serving_default", text="one"), "[] is not compatible"),
    "ids of strings": (
        {**ids([["5", "3"]]), "dtypes": {"source_ids": STRING}},
        "to be int32 but string",
    ),
    "ids of rank 1": (ids([5, 3]), "[2] is not compatible with expected shape [?,?]"),
    "ids below 0": (ids([[-1, 3]]), "`source_ids` must be 0 to"),
    "ids of another vocabulary": (ids([[9999, 3]], "translate_ids"), "Received:] [9999]"),
    "no columns": (ids([[], []], "encode"), "`source_ids` must have at least one column"),
    "more texts than translations": (
        request("score", text=["one", "two"], translation=["un"]),
        "`text` and `translation` must have equally many rows. Received:] [2 1]",
    ),
    "beam size as a vector": (
        request("translate", text=["one"], beam_size=[4]),
        "[1] is not compatible with expected shape []",
    ),
    "beam size as a float": (
        {**request("translate", text=["one"], beam_size=4.0), "dtypes": {"beam_size": FLOAT}},
        "to be int32 but float",
    ),
}
ANSWERED = {
    "nothing": text(),
    "nothing to score": request("score", text=[], translation=[]),
    "nothing to translate": request("translate", text=[]),
    "not UTF-8": text(NOT_UTF8),
    "replaced": text("one ��� two"),
    "long line": text("one", LONG_LINE),
    "its start": text(LONG_LINE[: LONGEST_TEXT - 1]),
    "wide line": text(" " * (64 * LONGEST_TEXT - 3) + "one two"),
    "long line to score": request("score", text=["one", LONG_LINE], translation=["un", "un"]),
    "long translation": request("score", text=["one", "one"], translation=["un", "un " * 2000]),
    "one to score": request("score", text=["one"], translation=["un"]),
    "only pads": ids([[0, 0]]),
}


def refuse_constant(name):
    raise ValueError(f"JSON has no {name}: one such number makes a whole answer unreadable.")


@pytest.fixture(scope="module")
def answers():
    """Answers by name; after each bad request the good one follows."""
    alone = {
        (signature, row): request(signature, **{n: [v[row]] for n, v in inputs.items()})
        for signature, inputs in MIXED.items()
        for row in range(len(TEXTS))
    }
    mixed = {signature: request(signature, **inputs) for signature, inputs in MIXED.items()}
    named = {**ANSWERED, **alone, **mixed}
    sent = [named[name] for name in named]
    for bad, _ in REFUSED.values():
        sent += [bad, GOOD]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(exported_with_text().folder / "saved_model" / "1")],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout, parse_constant=refuse_constant)
    after = {name: found[len(named) + 2 * i :][:2] for i, name in enumerate(REFUSED)}
    return {**dict(zip(named, found, strict=False)), **after}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_request_is_refused_and_the_next_answered(answers, name):
    refused, good = answers[name]
    assert REFUSED[name][1] in refused["error"]
    assert refused["code"] == INVALID_ARGUMENT
    assert good == answers["serving_default"]


@pytest.mark.parametrize("signature", MIXED)
def test_mixed_lengths_give_what_each_gives_alone(answers, signature):
    mixed = answers[signature]["outputs"]
    for row in range(len(TEXTS)):
        for name, values in answers[signature, row]["outputs"].items():
            (wanted,), found = values, mixed[name][row]
            if name == "token_log_probs":  # as wide as the longest translation of the request
                assert not any(found[len(wanted) :])
                found = found[: len(wanted)]
            numbers = not isinstance(str_or_first(wanted), str)
            assert found == (pytest.approx(wanted, rel=1e-4, abs=1e-4) if numbers else wanted), name


def str_or_first(value):
    return value[0] if isinstance(value, list) else value


def outputs(answers, name):
    return answers[name]["outputs"]


def test_bytes_beyond_any_text_are_not_even_read(answers):
    wide, one = outputs(answers, "wide line"), answers["serving_default", TEXTS.index("one")]
    assert wide["translation"] == one["outputs"]["translation"]
    assert wide["finished"] == [False]


def test_nothing_gives_nothing(answers):
    for name in ("nothing", "nothing to score", "nothing to translate"):
        assert not any(outputs(answers, name).values())


def test_bytes_that_are_not_utf8_are_replaced(answers):
    assert outputs(answers, "not UTF-8") == outputs(answers, "replaced")


def test_a_long_line_is_cut_and_says_so(answers):
    found, start = outputs(answers, "long line"), outputs(answers, "its start")
    assert found["finished"][1] is False
    assert found["translation"][1] == start["translation"][0]
    assert found["translation"][0] == outputs(answers, "serving_default")["translation"][1]


@pytest.mark.parametrize("name", ["long line to score", "long translation"])
def test_what_is_cut_has_no_score(answers, name):
    found, alone = outputs(answers, name), outputs(answers, "one to score")
    for key in ("scores", "perplexities"):
        assert found[key][0] == pytest.approx(alone[key][0], rel=1e-4)
    assert found["scored"] == [True, False]
    assert found["scores"][1] < -5e8 and found["perplexities"][1] > 1e38
    assert all(value < -5e8 for value in found["token_log_probs"][1])


def test_only_pads_give_an_empty_translation(answers):
    found = outputs(answers, "only pads")
    assert not any(found["target_ids"][0]) and found["finished"] == [True]
