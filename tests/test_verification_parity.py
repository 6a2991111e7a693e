"""What verify says: words, scores within a tolerance, a table and JSON."""

import json
import math
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.main import main
from keras_seq2seq.verification.parity import Agreement, Difference, Parity, _compare, _Said

KEYS = {
    *("runtime", "quantization", "search", "sentences", "hypotheses", "identical", "passed"),
    *("largest_gap", "largest_gap_per_token", "largest_ranking_gap", "tolerance", "differences"),
}


def agreement(quantization="float32", gap=0.0, differences=()):
    return Agreement("onnx", quantization, "host", 3, tuple(differences), 5 * gap, gap)


@pytest.mark.parametrize(
    ("quantization", "gap", "passed"),
    [
        ("float32", 9e-5, True),
        ("float32", 2e-4, False),
        ("float32", math.nan, False),
        ("float16", 9e-3, True),
        ("float16", 2e-2, False),
        ("dynamic_int8", 0.09, True),
        ("dynamic_int8", 0.2, False),
    ],
)
def test_scores_have_a_tolerance_that_fails_float32_alone(quantization, gap, passed):
    one = agreement(quantization, gap)
    assert one.passed is passed
    assert Parity((one,)).passed is (passed or quantization != "float32")
    assert ("differs" in str(Parity((one,)))) is not passed


def said(words, score=-1.0, ranking=None, tokens=2):
    return _Said(words, str(words), score, ranking, tokens)


def test_of_the_same_words_the_scores_are_compared():
    expected = [[said("a", -1.0, -0.5), said("b", -3.0, -2.0)], [said("c", -2.0, -1.0, tokens=4)]]
    found = [[said("a", -1.5, -0.5), said("b", -3.0, -1.75)], [said("c", -2.8, -1.0)]]
    one = _compare(("onnx", "float32", "host"), ["x", "y"], expected, found)
    assert (one.identical, one.sentences, one.hypotheses) == (2, 2, 3)
    assert one.largest_gap == pytest.approx(0.8)
    assert one.largest_gap_per_token == pytest.approx(0.25)
    assert one.largest_ranking_gap == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        ([said("b"), said("a")], ("x", "a", "b", 0.0)),
        ([said("a"), said("c", -4.0)], ("x", "b", "c", 3.0)),
        ([said("a"), said("b"), said("c")], ("x", "", "c", math.nan)),
        ([said("a")], ("x", "b", "", math.nan)),
        ([], ("x", "a", "", math.nan)),
    ],
)
def test_n_best_lists_must_have_the_same_order_and_length(found, difference):
    one = _compare(("onnx", "float32", "host"), ["x"], [[said("a"), said("b")]], [found])
    (received,) = one.differences
    np.testing.assert_equal(
        (received.source, received.expected, received.found, received.gap), difference
    )
    assert not one.passed and one.hypotheses == 0


def test_a_score_that_is_no_number_does_not_pass():
    rows = [[said("a")]], [[said("a", math.nan)]]
    assert not _compare(("onnx", "float32", "host"), ["x"], *rows).passed


def test_the_summary_names_the_worst_quantised_way():
    rough = agreement("dynamic_int8", 0.05, [Difference("s", "a", "b", 0.5)])
    text = str(Parity((agreement(), rough, agreement("float16"))))
    assert "float32: 1 of 1 combinations of runtime and search give" in text
    assert "1 of 2 do; fewest same translations: 2 of 3 (onnx dynamic_int8 host)" in text
    assert text.endswith("passed")


def test_json_is_alone_on_standard_output_and_has_stable_keys(onnx_bundle, capsys):
    assert main(["verify", str(onnx_bundle), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"passed", "altered_files", "agreements"}
    assert found["passed"] is True and found["altered_files"] == []
    beams = [a for a in found["agreements"] if a["search"] == "beam in_file"]
    assert {a["quantization"] for a in beams} == {"float32", "dynamic_int8"}
    for one in found["agreements"]:
        assert set(one) == KEYS
        assert one["hypotheses"] >= one["identical"]
        if one["quantization"] == "float32":
            assert one["passed"] and one["largest_gap_per_token"] < one["tolerance"] == 1e-4
    (exact,) = (a for a in beams if (a["runtime"], a["quantization"]) == ("onnx", "float32"))
    assert exact["hypotheses"] > exact["sentences"]
    # The same keys are in the manifest.
    assert all(set(a) == KEYS for a in Bundle.open(onnx_bundle).manifest["parity"]["agreements"])


def test_same_words_with_other_scores_fail(onnx_bundle, tmp_path, capsys):
    """All logits of the decoder step a little larger: the same order, other probabilities."""
    folder = shutil.copytree(onnx_bundle, tmp_path / "copy")
    path = folder / "onnx" / "decoder_step.onnx"
    model = onnx.load(path)
    (log_softmax,) = (n for n in model.graph.node if n.op_type == "LogSoftmax")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1.01), "sharper"))
    scaled = onnx.helper.make_node("Mul", [log_softmax.input[0], "sharper"], ["scaled"])
    place = list(model.graph.node).index(log_softmax)
    log_softmax.input[0] = "scaled"
    model.graph.node.insert(place, scaled)
    path.write_bytes(model.SerializeToString())
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"]["onnx/decoder_step.onnx"]["bytes"] = path.stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    parity = keras_seq2seq.verify(folder, verbose=False)
    failed = {(a.runtime, a.quantization, a.search) for a in parity.agreements if not a.passed}
    assert ("onnx", "float32", "host") in failed
    assert ("onnx", "float32", "in_file") not in failed
    greedy = next(a for a in parity.agreements if a.search == "host" and a.runtime == "onnx")
    assert not greedy.differences and not parity.passed
