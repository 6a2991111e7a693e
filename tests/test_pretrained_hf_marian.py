"""Models of Transformers' MarianMTModel: the same numbers, words and tokens as there.

`tests/data/write_pretrained.py` made the models and wrote what Transformers makes of texts.
"""

import functools
import json
import shutil
import tarfile

import numpy as np
import pytest
from closeness import assert_close
from conftest import ROOT
from grid import grid
from written_once import written_once

from keras_seq2seq import BeamSearch, Greedy, Translator, import_pretrained
from keras_seq2seq.pretrained.tokenizers import NEVER, WORD_MARK

LAYOUTS = ("half", "languages", "separate", "tied", "untied")
MAX_LENGTH = 64


@functools.cache
def folders():
    def extract(room):
        with tarfile.open(ROOT / "tests" / "data" / "pretrained_hf.tar.xz") as archive:
            archive.extractall(room, filter="data")

    return written_once("pretrained_hf", extract) / "pretrained_hf"


@functools.cache
def imported(layout):
    return import_pretrained(folders() / layout, max_length=MAX_LENGTH)


@functools.cache
def expected(layout):
    return json.loads((folders() / layout / "expected.json").read_text("utf-8"))


def tables(layout):
    """Returns the tokens of the source and of the target by Transformers' ids."""
    folder = folders() / layout
    names = ("vocab.json", "target_vocab.json" if layout == "separate" else "vocab.json")
    return [json.loads((folder / name).read_text("utf-8")) for name in names]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_logits_are_those_of_transformers(layout):
    model = imported(layout).model
    source, target = model.tokenizers.source, model.tokenizers.target
    ids = {piece: i for i, piece in enumerate(target.pieces(range(target.vocabulary_size)))}
    for one in expected(layout)["logits"]:
        inputs = {
            "source_ids": np.array([source.encode(one["source"], add_eos=True)], "int32"),
            "target_ids": np.array([[2, *target.encode(one["target"])]], "int32"),
        }
        found = np.asarray(model(inputs))[0]
        columns = [ids[t] if t in ids else ids[WORD_MARK + t] for t in one["tokens"]]
        assert_close(found[:, columns], one["values"], 1e-6)
        others = np.delete(found, columns, axis=1)
        assert others.max(initial=NEVER) < NEVER / 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_texts_become_the_same_tokens(layout):
    known = tables(layout)[0]
    tokenizer = imported(layout).model.tokenizers.source
    for line, wanted in zip(
        expected(layout)["lines"], expected(layout)["line_tokens"], strict=True
    ):
        pieces = tokenizer.pieces(tokenizer.encode(line))
        pieces = [p.removeprefix(WORD_MARK) if ">>" in p else p for p in pieces]
        assert [p if p in known else "<unk>" for p in pieces] == wanted, line


@functools.cache
def hostile():
    path = ROOT / "tests" / "data" / "pretrained_hf_hostile.json"
    return json.loads(path.read_text("utf-8"))


def is_other_on_purpose(line):
    """Returns True for a line that docs/pretrained.md says is split otherwise."""
    names_special = "\0" in line or "<unk>" in line
    names_language = ">>" in line  # the second code of a line is none of the model
    unknown_run = line.startswith("xqzwk")
    return names_special or names_language or unknown_run


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hostile_lines_become_the_same_tokens(layout):
    # `tests/data/write_pretrained_hostile.py` asked MarianTokenizer.
    known = tables(layout)[0]
    tokenizer = imported(layout).model.tokenizers.source
    for line, wanted in zip(hostile()["lines"], hostile()["tokens"][layout], strict=True):
        pieces = tokenizer.pieces(tokenizer.encode(line))
        pieces = [p.removeprefix(WORD_MARK) if ">>" in p else p for p in pieces]
        found = [p if p in known else "<unk>" for p in pieces]
        assert (found == wanted) is not is_other_on_purpose(line), line
        if is_other_on_purpose(line):
            assert "<unk>" in wanted, line
    assert sum(map(is_other_on_purpose, hostile()["lines"])) == 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ids_become_the_same_texts(layout):
    tokenizer = imported(layout).model.tokenizers.target
    found = [tokenizer.decode(ids) for ids in tokenizer.encode(expected(layout)["references"])]
    assert found == expected(layout)["decoded"]


@pytest.mark.parametrize("layout", grid(LAYOUTS, ["tied", "separate"]))
def test_searches_find_the_same_words(layout):
    found = imported(layout)
    assert found.strategy == BeamSearch(4, length_penalty="average", alpha=1.0, patience=None)
    strategies = {
        "greedy": Greedy(),
        "beam": found.strategy,
        "early": BeamSearch(3, length_penalty="average", alpha=0.6, patience=1.0),
    }
    texts = expected(layout)["texts"]
    runtime = Translator.from_model(found.model).runtime
    options = {"max_length": MAX_LENGTH, "search": "host"}
    for name, strategy in strategies.items():
        translator = Translator(runtime, found.model.tokenizers, strategy=strategy, **options)
        assert translator.translate(texts) == expected(layout)[name], name


def test_the_words_that_are_compared_differ():
    # Two of the small models hardly read their source; their numbers are compared all the same.
    distinct = {layout: len(set(expected(layout)["beam"])) for layout in LAYOUTS}
    assert sum(distinct.values()) > 40, distinct


def test_what_differs_between_layouts_is_in_the_model():
    configs = {layout: imported(layout).model.config for layout in LAYOUTS}
    assert {layout: c.activation for layout, c in configs.items()} == {
        "half": "gelu_exact",
        "languages": "swish",
        "separate": "gelu",
        "tied": "swish",
        "untied": "relu",
    }
    assert [la for la, c in configs.items() if not c.share_embeddings] == ["separate", "untied"]
    assert [la for la, c in configs.items() if not c.tie_output] == ["untied"]
    assert [la for la, c in configs.items() if not c.scale_embeddings] == ["untied"]
    assert {c.positions for c in configs.values()} == {"sinusoidal"}


def test_a_language_is_one_token():
    tokenizer = imported("languages").model.tokenizers.source
    (code, *rest) = tokenizer.encode(">>por<< We sing.")
    assert tokenizer.piece(code) == WORD_MARK + ">>por<<"
    assert rest == tokenizer.encode("We sing.")


@pytest.mark.parametrize("layout", ["tied", "untied"])  # without and with a table of them
def test_the_positions_of_marian_may_be_asked_for(layout):
    other = import_pretrained(folders() / layout, positions="marian")
    assert other.model.config.positions == "marian"
    for mine, given in zip(other.model.weights, imported(layout).model.weights, strict=True):
        np.testing.assert_array_equal(mine, given)


@pytest.fixture
def copied(tmp_path):
    """Returns a function that copies a layout and changes its files."""

    def copy(layout, **files):
        folder = tmp_path / layout
        shutil.copytree(folders() / layout, folder)
        for name, changes in files.items():
            path = folder / f"{name}.json"
            values = json.loads(path.read_text("utf-8")) | changes
            values = {key: value for key, value in values.items() if value is not ...}
            path.write_text(json.dumps(values), "utf-8")
        return folder

    return copy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "tanh"}, "`activation_function` is 'tanh', not one of relu"),
        ({"decoder_ffn_dim": 48}, "`encoder_ffn_dim` is 36 and `decoder_ffn_dim` 48"),
        ({"decoder_attention_heads": 2}, "`decoder_attention_heads` 2, which must be equal"),
        ({"d_model": ...}, "`d_model` is missing"),
        ({"scale_embedding": 1}, "`scale_embedding` is 1, not of type bool"),
        ({"eos_token_id": 5}, "`eos_token_id` is 5, and </s> is 0 in the vocabulary"),
        ({"pad_token_id": 0}, "`pad_token_id` is 0, and <pad> is "),
        ({"is_encoder_decoder": False}, "`is_encoder_decoder` is False, and only True"),
        ({"quantization_config": {}}, "`quantization_config` is unknown"),
        ({"pruned_heads": {"1": [0]}}, "`pruned_heads` is"),
        ({"vocab_size": 7}, "`vocab_size` must be the number of tokens"),
        ({"decoder_start_token_id": 10**6}, "the start of the decoder one of them"),
    ],
)
def test_options_are_refused_by_name(copied, changes, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        import_pretrained(copied("tied", config=changes))


@pytest.mark.parametrize(
    ("family", "missing"),
    [
        ("m2m_100", "begin at 2 at Marian's rates, and the target begins with a language"),
        ("nllb-moe", "mixtures of experts"),
        ("mbart", "positions are learned and begin at 2, and embeddings are normalized"),
        ("bart", "positions are learned and begin at 2, and embeddings are normalized"),
        ("pegasus", "end with a normalization, and its ids are shifted by 103"),
        ("fsmt", "begin at 2 at Marian's rates, and its texts are split by Moses and BPE"),
        ("t5", "positions are relative, its norms have no mean, its layers no bias"),
        ("mt5", "positions are relative"),
        ("umt5", "positions are relative"),
        ("llama", "no reader is known for it"),
        (None, "no reader is known for it"),
    ],
)
def test_other_families_are_refused_with_what_is_missing(copied, family, missing):
    wanted = f'must be of the type "marian". Received: {family!r} in .*config.json: .*{missing}'
    with pytest.raises(ValueError, match=wanted):
        import_pretrained(copied("tied", config={"model_type": family}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repetition_penalty": 1.2}, "`repetition_penalty` is 1.2, and only 1.0 or 1 can be"),
        ({"do_sample": True}, "`do_sample` is True, and only False can be imported"),
        ({"forced_bos_token_id": 3}, "`forced_bos_token_id` is 3"),
        ({"early_stopping": "maybe"}, "`early_stopping` is 'maybe', not true, false or 'never'"),
        ({"bad_words_ids": [[1, 2]]}, r"`bad_words_ids` has \[1, 2\], not a list with one id"),
        ({"suppress_tokens": [10**6]}, r"has \[1000000\], no ids"),
        ({"num_beams": 100}, "`beam_size` must be 1 to 64"),
        ({"new_rule": True}, "`new_rule` is unknown"),
    ],
)
def test_searches_are_refused_by_name(copied, changes, message):
    with pytest.raises(ValueError, match=f"(?s)generation_config.json describes .*{message}"):
        import_pretrained(copied("tied", generation_config=changes))


def test_the_search_may_be_in_either_file(copied):
    folder = copied("half", config={"num_beams": 6, "early_stopping": True, "max_length": 512})
    (folder / "generation_config.json").unlink()
    wanted = BeamSearch(6, length_penalty="average", alpha=1.0, patience=1.0)
    assert import_pretrained(folder).strategy == wanted
    values = {"bad_words_ids": [[4], [0]], "no_repeat_ngram_size": 3, "min_length": 2}
    (folder / "generation_config.json").write_text(json.dumps(values))
    target = imported("half").model.tokenizers.target
    token = next(t for t, i in tables("half")[1].items() if i == 4)
    suppressed = (3, target.pieces(range(target.vocabulary_size)).index(token))
    assert import_pretrained(folder).strategy == BeamSearch(
        1,
        length_penalty="average",
        alpha=1.0,
        patience=None,
        min_length=2,
        suppress=suppressed,
        no_repeat_ngram_size=3,
    )


@pytest.mark.parametrize("missing", ["model.safetensors", "source.spm", "vocab.json"])
def test_a_missing_file_is_told(copied, missing):
    folder = copied("tied")
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        import_pretrained(folder)


def test_weights_in_several_files_are_refused(copied):
    folder = copied("tied")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ValueError, match="must be in one file.*max_shard_size"):
        import_pretrained(folder)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"<unk>": ...}, r"must have the special tokens \['<unk>'\]"),
        ({"new": 0}, "must have the ids 0 to 278, each once"),
        ({"new": "x"}, "must have the ids 0 to 278, each once"),
    ],
)
def test_a_vocabulary_with_errors_is_refused(copied, table, message):
    with pytest.raises(ValueError, match=message):
        import_pretrained(copied("tied", vocab=table))


def test_vocabularies_belong_to_files_of_marian():
    with pytest.raises(ValueError, match="`vocabularies` is for files of Marian"):
        import_pretrained(folders() / "tied", vocabularies=["vocab.spm"])
