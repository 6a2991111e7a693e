import dataclasses
import json
import time

import pytest
from conftest import tiny_config
from grid import grid

from keras_seq2seq import Seq2Seq, Seq2SeqConfig
from keras_seq2seq.models.presets import PRESETS


def config(**options):
    return Seq2SeqConfig(**{"source_vocabulary_size": 10, "target_vocabulary_size": 12, **options})


def test_all_faults_come_at_once():
    with pytest.raises(ValueError, match="Seq2SeqConfig") as caught:
        config(units=0, dropout=1.0, cell="rnn", bridge="zero", context="last", max_length=0)
    faults = str(caught.value).splitlines()[1:]
    assert [fault.split("`")[1] for fault in faults if "`" in fault] == [
        "units",
        "max_length",
        "dropout",
        "cell",
    ]
    assert "bridge='zero' with a fixed context" in faults[-1]


def test_a_wrong_type_hides_no_other_fault():
    with pytest.raises(ValueError, match="(?s)`units` must be of type int.*`dropout`.*`cell`"):
        config(units=1.5, dropout=1.0, cell="rnn")


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("source_vocabulary_size", 4, 1_000_000),
        ("target_vocabulary_size", 4, 1_000_000),
        ("embedding_dim", 1, 16_384),
        ("units", 1, 16_384),
        ("num_encoder_layers", 1, 64),
        ("num_decoder_layers", 1, 64),
        ("max_length", 1, 65_536),
    ],
)
def test_every_size_has_a_lowest_and_a_highest(name, low, high):
    for value in (low, high):
        assert getattr(config(bidirectional=False, **{name: value}), name) == value
    for value in (low - 1, high + 1, -1):
        with pytest.raises(ValueError, match=rf"`{name}` must be {low} to {high:,}. Received: "):
            config(bidirectional=False, **{name: value})


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan"), float("inf")])
def test_dropout_is_a_share_below_one(value):
    with pytest.raises(ValueError, match="`dropout` must be at least 0 and below 1. Received: "):
        config(dropout=value)


@pytest.mark.parametrize("value", [0, 0.0, 0.99])
def test_dropout_takes_the_ends_of_its_range(value):
    assert config(dropout=value).dropout == value


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("cell", ("simple_rnn", "gru", "lstm")),
        ("decoder_cell", ("", "simple_rnn", "gru", "lstm", "ssru")),
        ("context", ("last", "mean", "max", "attention")),
        ("context_use", ("initial_state", "every_step")),
        ("attention", ("dot", "general", "scaled", "additive")),
        ("bridge", ("copy", "dense", "zero")),
    ],
)
def test_a_choice_names_what_it_takes(name, accepted):
    for value in accepted:
        context = "mean" if name == "context_use" else "attention"
        assert getattr(config(**{"context": context, name: value}), name) == value
    with pytest.raises(ValueError, match=rf"`{name}` must be one of .*Received: 'other'"):
        config(**{name: "other"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 7}, "`units` must be even with `bidirectional`.*Received: 7"),
        ({"share_embeddings": True}, "needs equal vocabulary sizes.*Received: 10 and 12"),
        ({"context_use": "every_step"}, "`context_use` must be 'initial_state' with context="),
        ({"context": "mean", "input_feeding": True}, "`input_feeding` needs context='attention'"),
        ({"context": "max", "bridge": "zero"}, "bridge='zero' with a fixed context .*loses"),
        ({"bridge": "copy", "num_encoder_layers": 2}, "as many decoder layers as encoder layers"),
        ({"cell": "ssru"}, "cell='ssru' is for a decoder only; use decoder_cell='ssru'"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        config(**options)


def test_a_pooled_context_is_copied_to_any_number_of_layers():
    assert config(context="mean", bridge="copy", num_decoder_layers=3).num_decoder_layers == 3


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("units", 8.0, "int"),
        ("units", True, "int"),
        ("units", None, "int"),
        ("dropout", "0.1", "float"),
        ("bidirectional", 1, "bool"),
        ("cell", None, "str"),
        ("source_vocabulary_size", "10", "int"),
    ],
)
def test_a_wrong_type_is_told(name, value, wanted):
    with pytest.raises(ValueError, match=rf"`{name}` must be of type {wanted}. Received: "):
        config(**{name: value})


def test_a_configuration_from_a_file_is_refused_before_anything_is_built():
    values = {**tiny_config().to_dict(), "units": 10**9}
    started = time.perf_counter()
    with pytest.raises(ValueError, match="`units` must be 1 to 16,384. Received: 1000000000"):
        Seq2Seq.from_config({"name": "seq2seq", "config": values})
    assert time.perf_counter() - started < 1


def test_json_gives_the_configuration_back():
    first = config(cell="lstm", context="mean", dropout=0.25, bridge="copy")
    assert Seq2SeqConfig.from_dict(json.loads(json.dumps(first.to_dict()))) == first


def test_defaults_may_be_missing_in_a_file():
    values = {"source_vocabulary_size": 10, "target_vocabulary_size": 12}
    assert Seq2SeqConfig.from_dict(values) == config()


def test_unknown_and_missing_keys_are_named():
    values = {"source_vocabulary_size": 10, "heads": 8}
    message = r"Received: unknown \['heads'\], missing \['target_vocabulary_size'\]"
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig.from_dict(values)


def test_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="units"):
        config().units = 3


@pytest.mark.parametrize(("cell", "states"), [("simple_rnn", 1), ("gru", 1), ("lstm", 2)])
def test_states_per_layer(cell, states):
    assert config(cell=cell).states_per_layer == states


@pytest.mark.parametrize(
    ("cell", "decoder_cell", "states"),
    [("lstm", "ssru", 1), ("lstm", "gru", 1), ("gru", "lstm", 2), ("lstm", "lstm", 2)],
)
def test_states_per_layer_are_those_of_the_decoder(cell, decoder_cell, states):
    assert config(cell=cell, decoder_cell=decoder_cell).states_per_layer == states


@pytest.mark.parametrize(("tie", "size"), [(False, 30), (True, 20)])
def test_a_tied_output_reads_vectors_of_the_embedding(tie, size):
    assert config(units=30, embedding_dim=20, tie_output=tie).output_dim == size


COUNTS = {
    "gru_small": 4_545_280,
    "lstm_small": 5_461_248,
    "transformer_tiny": 2_349_056,
    "transformer_small": 7_578_624,
    "transformer_base": 48_236_544,
    "transformer_big": 184_553_472,
    "student_tiny": 10_739_008,
    "student_base": 30_374_720,
    "hybrid_tiny": 1_702_400,
}
LARGE = {"transformer_base", "transformer_big", "student_base"}


@pytest.mark.parametrize("name", grid(PRESETS, set(PRESETS) - LARGE))
def test_presets_have_their_size(name):
    model = Seq2Seq(Seq2SeqConfig.from_preset(name, 8000, 8000))
    assert model.count_params() == COUNTS[name]


def test_options_go_before_a_preset():
    config = Seq2SeqConfig.from_preset("gru_small", 9, 7, share_embeddings=False, units=64)
    assert (config.units, config.cell, config.target_vocabulary_size) == (64, "gru", 7)
    with pytest.raises(ValueError, match="A preset must be one of .* Received: 'gru_huge'"):
        Seq2SeqConfig.from_preset("gru_huge", 9, 9)
    with pytest.raises(ValueError, match="`share_embeddings` needs equal vocabulary sizes"):
        Seq2SeqConfig.from_preset("gru_small", 9, 7)
    with pytest.raises(ValueError, match="unknown"):
        Seq2SeqConfig.from_preset("gru_small", 9, 9, colour="red")
