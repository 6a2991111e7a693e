"""Inspections as values and as text: grouping, names, JSON."""

import json

import pytest

from keras_seq2seq.inspection.findings import (
    Operator,
    Problem,
    Requirement,
    Signature,
    StoredTensor,
    TensorSpec,
    layer_of,
    stored_bytes,
    weights,
)
from keras_seq2seq.inspection.inspection import Inspection
from keras_seq2seq.inspection.rendering import rendered

TENSORS = (
    StoredTensor("a/kernel", "a", "int8", (3, 2), 6, 6, scales=2),
    StoredTensor("a/bias", "a", "float32", (2,), 2, 8),
    StoredTensor("b/kernel", "b", "float16", (9,), 9, 18),
    StoredTensor("shape", "b", "int64", (2,), 0, 16),
)


def inspection(**options):
    return Inspection(path="file", format="onnx", bytes=60, tensors=TENSORS, **options)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("encoder/bridge_0/kernel", "encoder/bridge_0"),
        ("decoder/embedding_3/transpose:0/transposed/input_0", "decoder/embedding_3"),
        ("encoder/rnn/native/GRU/input_1_quantized", "encoder/rnn"),
        ("while/decoder/projection/Tensordot/MatMul;other/name", "decoder/projection"),
        ("Add_2/input_1", "(other)"),
        ("", "(other)"),
    ],
)
def test_layer_is_the_part_of_the_name_that_says_where(name, layer):
    assert layer_of(name) == layer


@pytest.mark.parametrize(
    ("dtype", "size", "count", "stored"),
    [
        ("float32", 5, 5, 20),
        ("bfloat16", 5, 5, 10),
        ("int4", 5, 5, 3),
        ("uint8", 5, 5, 5),
        ("int32", 5, 0, 20),
        ("bool", 5, 0, 5),
        ("string", 5, 0, None),
    ],
)
def test_weights_are_floats_and_small_integers(dtype, size, count, stored):
    assert weights(dtype, size) == count
    assert stored_bytes(dtype, size) == stored


def test_other_integers_are_weights_if_they_have_a_scale():
    assert weights("int32", 5, scales=1) == 5


def test_groups_add_up_and_begin_with_the_largest():
    found = inspection()
    assert [(g.name, g.tensors, g.parameters, g.bytes) for g in found.layers] == [
        ("b", 1, 9, 18),
        ("(constants)", 1, 0, 16),
        ("a", 2, 8, 14),
    ]
    assert {g.name: g.bytes for g in found.dtypes} == {
        **{"float16": 18, "int64": 16, "float32": 8, "int8": 6}
    }
    assert found.parameters == 17
    assert found.layers[2].dtypes == ("float32", "int8")


def test_dict_is_plain_json_with_the_parts_inside():
    part = inspection(operators=(Operator("ai.onnx", "Add", 17, 2),))
    values = Inspection(path="bundle", format="bundle", bytes=1, parts=(part,)).to_dict()
    assert json.loads(json.dumps(values))["parts"][0]["tensors"][0]["shape"] == [3, 2]
    assert values["report_version"] == 1
    assert set(values) - {"report_version"} == set(values["parts"][0])
    assert values["parts"][0]["parameters"] == 17


def test_text_names_what_would_not_load_and_what_to_do():
    problem = Problem("FlexRoll", "FlexRoll is foreign.", "Replace it.")
    part = inspection(problems=(problem,), requirements=(Requirement("R", None, "Because."),))
    text = str(Inspection(path="folder", format="bundle", bytes=1, parts=(part,)))
    assert "- file: FlexRoll is foreign. Replace it." in text
    assert "loads in: R (release unknown). Because." in text
    assert "nothing in it that the stock runtime lacks" not in text


def test_text_of_a_large_model_ends_with_a_sum_of_the_other_layers():
    many = tuple(StoredTensor(str(i), f"layer {i}", "int8", (1,), 1, 20 - i) for i in range(20))
    text = str(Inspection(path="file", format="keras", bytes=300, tensors=many))
    assert "layer 11" in text and "layer 12" not in text
    assert ["and", "8", "more", "8", "8", "36"] in [line.split() for line in text.splitlines()]


def test_summary_leaves_out_the_artefacts_one_by_one():
    signature = Signature("run", (TensorSpec("ids", "int32", (None, 3)),), ())
    bundle = Inspection("folder", "bundle", 1, parts=(inspection(signatures=(signature,)),))
    assert "(any, 3)" in rendered(bundle)
    assert "(any, 3)" not in rendered(bundle, summary=True)


def test_names_in_a_file_cannot_steer_the_terminal():
    evil = "\x1b[31m[bold]red"
    signature = Signature(evil, (TensorSpec(evil, "int32", None),), ())
    text = str(inspection(signatures=(signature,), facts={"producer": evil}))
    assert "\x1b" not in text
    assert text.count("\\x1b[31m[bold]red") == 3
