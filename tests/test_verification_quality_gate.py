import json
import math

import numpy as np
import onnx
import pytest
from conftest import tiny_model, word_pairs
from onnx import numpy_helper

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.exporters.export import FEWEST_JUDGED
from keras_seq2seq.exporters.onnx import quantization as onnx_quantization
from keras_seq2seq.verification.quality_gate import (
    Gate,
    Quality,
    disagreement,
    losses,
    repeats,
)

PAIRS = [("the dog", "le chien"), ("a cat", "un chat"), ("the old bird", "le vieux oiseau")]
BLEU = Gate(PAIRS)


def quality(value=40.0, rate=1.0, metric="bleu"):
    return Quality({metric: value}, rate, latency_ms=1.0, bytes=10)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((), False),
        ((7,), False),
        ((7, 7), False),
        ((7, 7, 7), True),
        ((5, 7, 7, 7, 3), True),
        ((4, 5, 4, 5), False),
        ((4, 5, 4, 5, 4, 5), True),
        ((9, 4, 5, 6, 8, 4, 5, 6, 8, 4, 5, 6, 8), True),
        ((4, 5, 6, 7, 8) * 3, False),
        ((4, 5, 4, 6, 4, 5, 4, 6), False),
    ],
)
def test_repeats(ids, expected):
    assert repeats(ids) is expected


def test_small_losses_are_allowed():
    assert losses(BLEU, quality(40.0), quality(39.8)) == []
    assert losses(BLEU, quality(40.0), quality(41.0)) == []
    assert losses(BLEU, quality(rate=1.0), quality(rate=2.0)) == []


def test_losses_are_told_with_both_figures():
    (drop,) = losses(BLEU, quality(40.0), quality(39.5))
    assert drop == "bleu is 0.50 points worse (from 40.00 to 39.50); at most 0.3 are allowed."
    (rise,) = losses(BLEU, quality(rate=1.0), quality(rate=9.5))
    assert "repetition rate rose by 8.50 points (from 1.00 to 9.50); at most 1 are" in rise
    assert len(losses(BLEU, quality(), quality(math.nan, math.nan))) == 2


def test_of_an_error_rate_more_is_worse():
    gate = Gate(PAIRS, metric="wer", max_quality_drop=2.0)
    assert losses(gate, quality(40.0, metric="wer"), quality(30.0, metric="wer")) == []
    assert len(losses(gate, quality(40.0, metric="wer"), quality(42.5, metric="wer"))) == 1


@pytest.fixture(scope="module")
def evaluation(translating_model):
    """Sources with what the model itself says: float32 has 100 in every metric."""
    sources = [source for source, _ in word_pairs(12, seed=3)]
    return list(zip(sources, translating_model.translate(sources), strict=True))


def exported(model, folder, evaluation, **options):
    given = {"formats": ["onnx"], "quality_metric": "chrf", "verbose": False, **options}
    keras_seq2seq.export(model, folder, evaluation=evaluation, **given)
    return Bundle.open(folder)


@pytest.mark.long
def test_figures_of_what_is_accepted_are_in_the_manifest(translating_model, evaluation, tmp_path):
    options = {"formats": ["onnx", "litert"], "quantization": ["float16", "dynamic_int8"]}
    allowed = {"max_quality_drop": 100, "max_repetition_rise": 100}
    bundle = exported(translating_model, tmp_path / "b", evaluation, **allowed, **options)
    judged = {(v["runtime"], v["quantization"]): v for v in bundle.manifest["quantization"]}
    assert set(judged) == {(r, q) for r, q in bundle.artefacts if q != "float32"}
    assert len(judged) == 4
    for (runtime, quantization), verdict in judged.items():
        assert verdict["accepted"]
        assert verdict["before"]["scores"]["chrf"] == pytest.approx(100)
        assert {"bleu", "chrf", "exact_match"} <= set(verdict["after"]["scores"])
        assert 0 <= verdict["identical"] <= 100
        assert verdict["after"]["latency_ms"] > 0
        assert verdict["before"]["bytes"] == bundle.size(runtime)
        assert verdict["after"]["bytes"] == bundle.size(runtime, quantization)
    assert judged["onnx", "float16"]["identical"] >= judged["onnx", "dynamic_int8"]["identical"]
    assert bundle.refused == []


def with_broken_scales(function):
    """Returns the quantiser with the scales of its weights shuffled and turned round."""

    def broken(*given):
        result = function(*given)
        for tensor in result.graph.initializer:
            value = numpy_helper.to_array(tensor)
            if tensor.data_type == onnx.TensorProto.FLOAT and value.ndim == 1 and value.size > 8:
                worse = (-np.random.default_rng(0).permutation(value)).astype("float32")
                tensor.CopyFrom(numpy_helper.from_array(worse, tensor.name))
        return result

    return broken


def test_broken_scales_are_refused_and_not_left(
    translating_model, evaluation, tmp_path, monkeypatch
):
    broken = with_broken_scales(onnx_quantization.quantized)
    monkeypatch.setattr(onnx_quantization, "quantized", broken)
    folder = tmp_path / "b"
    with pytest.warns(UserWarning, match=r"Left out of .*: onnx dynamic_int8: chrf is"):
        bundle = exported(translating_model, folder, evaluation, max_quality_drop=40)
    assert bundle.artefacts == [("onnx", "float32"), ("keras", "float32")]
    assert not [path.name for path in folder.rglob("*dynamic_int8*")]
    assert not [name for name in bundle.manifest["files"] if "dynamic_int8" in name]
    (refused,) = bundle.refused
    assert refused.startswith("onnx dynamic_int8: chrf is ")
    (verdict,) = json.loads((folder / "manifest.json").read_text("utf-8"))["quantization"]
    assert verdict["accepted"] is False
    with pytest.raises(ValueError, match="must be one of"):
        keras_seq2seq.load(folder, "onnx", quantization="dynamic_int8")


@pytest.mark.long
def test_without_pairs_agreement_is_measured(translating_model, tmp_path):
    keras_seq2seq.export(
        translating_model, tmp_path / "b", formats=["onnx"], sentences=["the dog"], verbose=False
    )
    (verdict,) = Bundle.open(tmp_path / "b").manifest["quantization"]
    assert (verdict["metric"], verdict["accepted"]) == ("agreement", True)
    assert verdict["before"]["scores"]["sentences"] == FEWEST_JUDGED
    assert 90 < verdict["after"]["scores"].get("agreement", 100) <= 100
    assert "as in float32" in (tmp_path / "b" / "REPORT.md").read_text("utf-8")


def test_without_pairs_gibberish_is_refused(tokenizers, tmp_path, monkeypatch):
    model = tiny_model(tokenizers=tokenizers, scale=12.0)  # decided about what it says
    broken = with_broken_scales(onnx_quantization.quantized)
    monkeypatch.setattr(onnx_quantization, "quantized", broken)
    with pytest.warns(UserWarning, match=r"onnx dynamic_int8: Its agreement .* at least 50 % are"):
        keras_seq2seq.export(
            model, tmp_path / "b", formats=["onnx"], sentences=["the dog"], verbose=False
        )
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.artefacts == [("onnx", "float32"), ("keras", "float32")]
    assert not [path.name for path in bundle.folder.rglob("*dynamic_int8*")]


def test_any_agreement_is_allowed_by_option():
    assert disagreement(Gate(min_agreement=0), 0.0, 3) == []
    assert disagreement(Gate(), 50.0, 3) == []
    (fault,) = disagreement(Gate(), 3.125, 20)
    assert fault.startswith("Its agreement with float32 is 3.1 % on 20 sentences; at least 50 %")
    assert "--min-agreement" in fault


def test_equal_drops_are_not_lost_to_rounding():
    for drop in np.arange(0.1, 3, 0.1).round(1).tolist():
        gate = Gate(PAIRS, max_quality_drop=drop, max_repetition_rise=drop)
        before, after = quality(36.15, 0.3), quality(36.15 - drop, 0.3 + drop)
        assert losses(gate, before, after) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluation": []}, "`evaluation` must hold at least one pair. Received: none"),
        ({"evaluation": [("a", ""), ("b", " ")]}, "with a word. Received: 2 empty references"),
        ({"evaluation": ["ab", "cd"]}, "must hold pairs .* Received: pair 1 is a str: 'ab'"),
        ({"evaluation": [{"en": "a", "fr": "b"}]}, "must hold pairs .* pair 1 with the names"),
        ({"evaluation": [*PAIRS, ("a", None)]}, f"Received: pair {len(PAIRS) + 1} with None"),
        ({"metric": "meteor"}, "`quality_metric` must be one of"),
        ({"max_quality_drop": math.nan}, "`max_quality_drop` must be at least 0. Received: nan"),
        ({"max_repetition_rise": "1"}, "`max_repetition_rise` must be at least 0. Received: '1'"),
        ({"min_agreement": 101}, "`min_agreement` must be 0 to 100. Received: 101"),
        ({"min_agreement": None}, "`min_agreement` must be 0 to 100. Received: None"),
    ],
)
def test_a_gate_that_could_judge_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Gate(**options)


def test_pairs_may_come_from_a_generator():
    assert Gate(pair for pair in PAIRS).evaluation == tuple(PAIRS)


def test_an_unknown_way_to_split_words_is_refused_before_writing():
    with pytest.raises(ValueError, match="`tokenize` must be one of .* Received: 'spaces'"):
        Gate(PAIRS, tokenize="spaces").check_installed()
    Gate(tokenize="spaces").check_installed()  # not used without pairs


@pytest.mark.long
def test_float32_alone_is_possible(translating_model, tmp_path):
    keras_seq2seq.export(
        translating_model, tmp_path / "b", formats=["onnx"], quantization="float32", verbose=False
    )
    assert {quantization for _, quantization in Bundle.open(tmp_path / "b").artefacts} == {
        "float32"
    }
