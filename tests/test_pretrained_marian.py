"""Models of Marian: what this package writes in Marian's formats comes back as the same model."""

import functools
import struct

import keras
import numpy as np
import pytest
from conftest import tiny_model, word_pairs
from marian_files import (
    is_matrix,
    marian_options,
    marian_tensors,
    marian_vocabulary,
    quantized,
    with_options,
    write_bin,
    write_lex,
)

from keras_seq2seq import (
    BeamSearch,
    Seq2SeqConfig,
    Tokenizer,
    TokenizerPair,
    Translator,
    import_pretrained,
)
from keras_seq2seq.pretrained.tokenizers import NEVER

yaml = pytest.importorskip("yaml", reason="the extra pretrained is not installed")
TEXTS = [source for source, _ in word_pairs(8, seed=3)]
STUDENT = {"decoder_cell": "ssru", "share_embeddings": True, "tie_output": True}
SELF = {"share_embeddings": True, "tie_output": True, "activation": "swish"}
SEPARATE = {"share_embeddings": False, "tie_output": False, "num_decoder_layers": 2}
CONFIGS = {"student": STUDENT, "self-attention": SELF, "separate": SEPARATE}
DEFAULT_SEARCH = BeamSearch(
    4, length_penalty="average", alpha=1.0, max_length_factor=3.0, suppress=(1,)
)


@functools.cache
def tokenizers():
    pairs = word_pairs(200)
    joint = Tokenizer.train([text for pair in pairs for text in pair], 300)
    sides = [Tokenizer.train(texts, 290) for texts in zip(*pairs, strict=True)]
    return TokenizerPair(joint, joint), TokenizerPair(*sides)


@functools.cache
def marian_model(name):
    """A model as Marian has them: no rows for pad and bos, which no search may choose."""
    pair = tokenizers()[name == "separate"]
    config = Seq2SeqConfig(
        *pair.vocabulary_sizes,
        encoder="transformer",
        decoder="transformer",
        embedding_dim=16,
        units=16,
        num_heads=2,
        feedforward_dim=24,
        normalization="post",
        positions="marian",
        norm_epsilon=1e-9,
        output_bias=CONFIGS[name]["tie_output"],
        max_length=24,
        dropout=0.1,
        **CONFIGS[name],
    )
    model = tiny_model(config, scale=1.7, tokenizers=pair)
    for weight in model.weights:
        value = keras.ops.convert_to_numpy(weight).copy()
        if "embedding" in weight.path:
            value[[0, 2]] = 0
        elif weight.path.endswith("logits/kernel"):
            value[:, [0, 2]] = 0
        elif weight.path.endswith(("logits/bias", "logits_bias/bias")):
            value += np.random.default_rng(0).normal(size=value.shape)
            value[[0, 2]] = NEVER
        weight.assign(value)
    return model


def write(folder, name, *, form="npz", tensors=None, **changes):
    """Writes a model with its vocabularies as Marian does; returns the path of the model."""
    model = marian_model(name)
    pair = model.tokenizers
    sides = [marian_vocabulary(side) for side in dict.fromkeys((pair.source, pair.target))]
    files = ("vocab.spm",) if len(sides) == 1 else ("srcvocab.spm", "trgvocab.spm")
    for file, (data, _) in zip(files, sides, strict=True):
        (folder / file).write_bytes(data)
    found = marian_tensors(model, sides[0][1], sides[-1][1]) | (tensors or {})
    options = marian_options(model.config, **changes)
    options = {key: value for key, value in options.items() if value is not ...}
    arrays = with_options({k: v for k, v in found.items() if v is not ...}, options)
    path = folder / f"model.{form.split()[0]}"
    if form == "npz":
        np.savez(path, **arrays)
    else:
        write_bin(path, arrays, eight_bits="8" in form)
    return path


@pytest.mark.parametrize("form", ["npz", "bin"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_comes_back(tmp_path, name, form):
    if (name, form) == ("self-attention", "bin"):
        return
    found = import_pretrained(write(tmp_path, name, form=form), max_length=24)
    model = marian_model(name)
    assert found.family == "Marian"
    assert found.model.config == model.config
    assert found.strategy == DEFAULT_SEARCH
    assert found.shortlist is None
    for mine, given in zip(found.model.weights, model.weights, strict=True):
        np.testing.assert_array_equal(mine, given, err_msg=given.path)
    assert found.model.tokenizers.source.encode(TEXTS) == model.tokenizers.source.encode(TEXTS)


def test_it_translates_as_before(tmp_path):
    found = import_pretrained(write(tmp_path, "student"), max_length=24)
    wanted = marian_model("student").translate(TEXTS)
    assert found.model.translate(TEXTS) == wanted
    assert len(set(wanted)) > 1


def test_numbers_of_8_bits_become_what_they_stand_for(tmp_path):
    alphas = {
        "none_QuantMultA": np.ones((1, 1), "float32"),
        "Wemb_QuantMultA": np.ones((1, 1), "float32"),
    }
    path = write(tmp_path, "student", form="bin 8", tensors=alphas)
    assert path.stat().st_size < 80_000
    tensors = marian_tensors(import_pretrained(path).model, np.array([3, 1, *range(4, 300)]))
    rows = np.array([3, 1, *range(4, 300)])
    for name, value in marian_tensors(marian_model("student"), rows).items():
        if is_matrix(name):
            numbers, multiplier = quantized(name, value)
            numbers = numbers if name.endswith("Wemb") else numbers.T
            value = numbers.astype("float32") * np.float32(1 / multiplier)
        np.testing.assert_array_equal(tensors[name], value, err_msg=name)


def test_the_rates_of_positions_may_be_chosen(tmp_path):
    path = write(tmp_path, "student")
    assert import_pretrained(path, positions="sinusoidal").model.config.positions == "sinusoidal"
    with pytest.raises(ValueError, match="`positions` must be one of .*Received: 'learned'"):
        import_pretrained(path, positions="learned")
    with pytest.raises(ValueError, match="`max_length` must be 1 to 65,536. Received: 0"):
        import_pretrained(path, max_length=0)


def test_the_search_is_that_of_the_decoders_options(tmp_path):
    path = write(tmp_path, "student")
    options = {"beam-size": 2, "normalize": 0.6, "allow-unk": True, "models": ["x"]}
    (tmp_path / "decoder.yml").write_text(yaml.safe_dump(options))
    wanted = BeamSearch(2, length_penalty="average", alpha=0.6, max_length_factor=3.0)
    assert import_pretrained(tmp_path).strategy == wanted
    (tmp_path / "model.npz.decoder.yml").write_text("word-penalty: 0.5")
    with pytest.raises(ValueError, match="`word-penalty` must be 0"):
        import_pretrained(path)


def lists(first=5):
    """The candidates of each id of Marian: random ones, none for some."""
    draw = np.random.default_rng(0)
    return [sorted(draw.choice(298, draw.integers(0, 6), replace=False)) for _ in range(298)]


def test_a_shortlist_comes_along(tmp_path):
    path = write(tmp_path, "student")
    write_lex(tmp_path / "lex.s2t.bin", lists(), 5)
    found = import_pretrained(path)
    new = [3, 1, *range(4, 300)]
    assert found.shortlist.always.tolist() == sorted(new[:5])
    for old, row in enumerate(lists()):
        listed = set(found.shortlist.candidates[new[old]].tolist()) - {0}
        assert listed == {new[i] for i in [*row, old]}  # both sides have one vocabulary
    translator = Translator.from_model(found.model, shortlist=found.shortlist)
    ids = np.array([found.model.tokenizers.source.encode(TEXTS[0], add_eos=True)])
    allowed = set(np.flatnonzero(found.shortlist.mask(ids)[0]))
    assert set(translator.search_ids(ids)[0][0].ids) <= allowed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-4], "bytes for 299 offsets"),
        (lambda data: b"x" + data[1:], "does not begin as one"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]) + b"", None),
        (lambda data: data[:60] + b"\1" + data[61:], "its checksum differs"),
        (lambda data: data[:20], "requires a buffer"),
    ],
)
def test_a_damaged_shortlist_is_refused(tmp_path, damage, message):
    path, lex = write(tmp_path, "student"), tmp_path / "lex.bin"
    write_lex(lex, lists(), 5)
    lex.write_bytes(damage(lex.read_bytes()))
    with pytest.raises(
        ValueError, match=f"lex.bin cannot be read as the shortlist.*{message or ''}"
    ):
        import_pretrained(path)
    write_lex(tmp_path / "lex2.bin", lists(), 5)
    with pytest.raises(ValueError, match="there must be one shortlist"):
        import_pretrained(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "s2s"}, "`type` is 's2s', and only 'transformer' can be imported"),
        ({"transformer-preprocess": "n"}, "Marian then normalizes the queries of an attention alo"),
        ({"transformer-postprocess-top": "n"}, "`transformer-postprocess-top` is 'n'"),
        ({"transformer-decoder-autoreg": "average-attention"}, "`transformer-decoder-autoreg` is"),
        ({"dec-cell": "gru"}, "`dec-cell` is 'gru', and only 'ssru' can be imported"),
        ({"transformer-ffn-activation": "gelu"}, "`transformer-ffn-activation` is 'gelu'"),
        ({"transformer-tied-layers": [1, 1]}, r"`transformer-tied-layers` is \[1, 1\]"),
        ({"transformer-ffn-depth": 3}, "`transformer-ffn-depth` is 3"),
        ({"dim-emb": ...}, "`dim-emb` is missing"),
        ({"dim-emb": "16"}, "`dim-emb` is '16', not of type int"),
        ({"tied-embeddings-all": 1}, "`tied-embeddings-all` is 1, not of type bool"),
        ({"new-thing": 1}, "`new-thing` is unknown: what it asks for may be lost"),
    ],
)
def test_options_are_refused_by_name(tmp_path, changes, message):
    path = write(tmp_path, "student", **changes)
    with pytest.raises(ValueError, match=f"(?s)cannot be imported:.*{message}"):
        import_pretrained(path)


def test_all_options_that_are_refused_are_listed(tmp_path):
    path = write(tmp_path, "student", **{"right-left": True, "ulr": True, "new": 0})
    with pytest.raises(ValueError, match="(?s)`right-left`.*`ulr`.*`new`"):
        import_pretrained(path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"extra_W": np.zeros((2, 2), "f4")}, "Received: extra_W without one"),
        ({"decoder_l1_rnn_bf": ...}, "has the tensor decoder_l1_rnn_bf, which is missing"),
        ({"encoder_l1_self_Wq": np.zeros((16, 8), "f4")}, r"the shape \(16, 16\).*\(16, 8\)"),
        ({"encoder_l1_self_bq": np.full((1, 16), np.nan, "f4")}, "encoder_l1_self_bq must hold fi"),
        ({"encoder_l1_self_bq": np.zeros((1, 16), "i4")}, "must hold floating point numbers"),
        ({"Wemb": np.zeros((299, 16), "f4")}, "Wemb must have a row for each piece"),
    ],
)
def test_tensors_are_refused_by_name(tmp_path, tensors, message):
    path = write(tmp_path, "student", tensors=tensors)
    with pytest.raises(ValueError, match=message):
        import_pretrained(path)


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path):
    path = write(tmp_path, "student", form="bin 8")
    content = path.read_bytes()
    for size in [*range(0, 4000, 211), *range(4000, len(content), 9973), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"model.bin cannot be read as a model of Marian"):
            import_pretrained(path)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [(0, 2, "it is of version 2, not 1"), (8, 2**60, "it is cut"), (24, 0x4280, "0x4280, packed")],
)
def test_a_changed_header_is_refused(tmp_path, at, value, message):
    path = write(tmp_path, "student", form="bin 8")
    content = bytearray(path.read_bytes())
    content[at : at + 8] = struct.pack("<Q", value)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"cannot be read as a model of Marian: .*{message}"):
        import_pretrained(path)


def test_a_file_without_options_is_refused(tmp_path):
    np.savez(tmp_path / "model.npz", Wemb=np.zeros((2, 2), "f4"))
    with pytest.raises(ValueError, match="must hold the options of its model"):
        import_pretrained(tmp_path)


def test_vocabularies_are_found_or_named(tmp_path):
    path = write(tmp_path, "student")
    (tmp_path / "vocab.spm").rename(tmp_path / "other.spm")
    with pytest.raises(FileNotFoundError, match="holds no vocabulary"):
        import_pretrained(path)
    found = import_pretrained(path, vocabularies=[tmp_path / "other.spm"])
    assert found.model.tokenizers.joint
    for name in ("vocab.a.spm", "vocab.b.spm"):
        (tmp_path / name).write_bytes((tmp_path / "other.spm").read_bytes())
    with pytest.raises(ValueError, match="It must be clear which vocabularies belong"):
        import_pretrained(path)
    with pytest.raises(ValueError, match="one SentencePiece model, or that of the source"):
        import_pretrained(path, vocabularies=[tmp_path / "other.spm"] * 3)
    (tmp_path / "bad.spm").write_bytes(b"\xff\xff")
    with pytest.raises(ValueError, match="bad.spm.*cannot be read as a SentencePiece model"):
        import_pretrained(path, vocabularies=[tmp_path / "bad.spm"])


def test_a_table_of_tokens_is_read_as_texts(tmp_path):
    path = write(tmp_path, "student")
    data = (tmp_path / "vocab.spm").read_bytes()
    (tmp_path / "vocab.spm").unlink()
    for side in ("source", "target"):
        (tmp_path / f"{side}.spm").write_bytes(data)
    pieces = marian_model("student").tokenizers.source.pieces(range(300))
    tokens = ["</s>", "<unk>", *pieces[4:]]
    tokens[2] = "no"  # which YAML 1.1 takes for False
    table = "".join(f"{_quoted(token)}: {i}\n" for i, token in enumerate(tokens))
    (tmp_path / "opus.vocab.yml").write_text(table, "utf-8")
    found = import_pretrained(path, max_length=24).model
    sides = found.tokenizers.source, marian_model("student").tokenizers.source
    assert sides[0].piece(4) == "no"
    assert sides[0].encode(TEXTS) == sides[1].encode(TEXTS)
    # The piece that "no" replaced is one more, which reads as unk and is never chosen.
    assert sides[0].piece(300) == sides[1].piece(4)
    for mine, given in zip(found.weights, marian_model("student").weights, strict=True):
        rows = given.shape[0]
        np.testing.assert_array_equal(np.asarray(mine)[:rows], given, err_msg=given.path)
    assert found.decoder.get_layer("logits_bias").bias[300] == NEVER


def _quoted(token):
    return token if token == "no" else "'" + token.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, FileNotFoundError, "holds no model"),
        ({"a.npz": b"", "b.npz": b""}, ValueError, "a.npz, b.npz in .*; name the file itself"),
        ({"model.npz": b"x"}, ValueError, "cannot be read as .npz"),
        ({"config.json": b'{"model_type": "t5"}'}, ValueError, "Received: 't5' .*relative"),
        ({"config.json": b'{"model_type": "x"}'}, ValueError, "no reader is known for it"),
        ({"config.json": b"[]"}, ValueError, "must hold a table"),
        ({"config.json": b"{"}, ValueError, "cannot be read as JSON"),
    ],
)
def test_other_folders_are_refused(tmp_path, files, error, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        import_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist; a model of the Hub"):
        import_pretrained(tmp_path / "nothing")
