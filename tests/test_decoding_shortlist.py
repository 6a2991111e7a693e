"""A shortlist: learnt from a corpus, obeyed alike by the host, the graph and every file."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from conftest import LEXICON, TEXTS, random_ids, tiny_config, tiny_model, word_pairs
from grid import grid
from opened_bundles import opened
from test_models_contract import CUSTOM
from written_once import written_once

from keras_seq2seq import BeamSearch, Greedy, Sampling, Shortlist, Translator, export, load, verify
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.decoding.graph.search_model import search_models
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID

TRANSFORMER = {
    **{"encoder": "transformer", "decoder": "transformer", "num_heads": 2},
    **{"feedforward_dim": 12, "tie_output": True, "output_bias": True},
}
STRATEGIES = [
    Greedy(),
    Greedy(min_length=3, no_repeat_ngram_size=1, suppress=(6,)),
    Greedy(repetition_penalty=1.5),
    BeamSearch(4, 4),
    BeamSearch(3, 2, min_length=2, no_repeat_ngram_size=2, suppress=(7, 8), repetition_penalty=1.2),
    Sampling(top_k=5, seed=1),
    Sampling(temperature=2.0, top_p=0.9, seed=2),
]


def shortlist(seed=0, vocabulary=17, candidates=4):
    """Returns a random one; some ids are candidates twice, some places are empty."""
    draw = np.random.default_rng(seed)
    table = draw.integers(4, vocabulary, (vocabulary, candidates)).astype("int32")
    table[draw.random(table.shape) < 0.2] = PAD_ID
    table[PAD_ID] = PAD_ID
    return Shortlist(np.array([UNK_ID, EOS_ID, 5], "int32"), table, vocabulary)


def everything(vocabulary=17):
    ids = np.setdiff1d(np.arange(vocabulary), [PAD_ID, BOS_ID]).astype("int32")
    return Shortlist(ids, np.zeros((vocabulary, 1), "int32"), vocabulary)


@pytest.fixture(scope="module", params=grid(["gru", "transformer"], ["transformer"]))
def model(request, tokenizers):
    return make(request.param, tokenizers)


def make(name, tokenizers):
    sizes = {
        "source_vocabulary_size": tokenizers.source.vocabulary_size,
        "target_vocabulary_size": tokenizers.target.vocabulary_size,
    }
    options = TRANSFORMER if name == "transformer" else {}
    return tiny_model(tiny_config(**sizes, **options), scale=1.5, tokenizers=tokenizers)


def ids_of(pairs, tokenizers):
    return zip(
        tokenizers.source.encode([s for s, _ in pairs]),
        tokenizers.target.encode([t for _, t in pairs]),
        strict=True,
    )


def test_each_word_learns_its_translation(tokenizers):
    learnt = Shortlist.of_texts(word_pairs(300), tokenizers, num_candidates=3, num_frequent=2)
    for source, target in LEXICON.items():
        (one,), (other,) = tokenizers.source.encode(source), tokenizers.target.encode(target)
        assert learnt.candidates[one, 0] == other
    assert learnt.candidates.shape == (tokenizers.source.vocabulary_size, 3)
    assert learnt.always.tolist()[:2] == [UNK_ID, EOS_ID]
    assert len(learnt.always) == 2 + 2


def test_learning_is_model_1():
    # "a b" is "x y" and "a" is "x", so b must be y.
    pairs = [([4, 5], [6, 7]), ([4], [6])]
    learnt = Shortlist.learn(pairs, 6, 8, num_candidates=2, num_frequent=1, iterations=9)
    assert learnt.candidates[4].tolist() == [6, 7]
    assert learnt.candidates[5].tolist() == [7, 6]
    assert learnt.candidates[[0, 1, 2, 3]].tolist() == [[0, 0]] * 4
    assert learnt.always.tolist() == [UNK_ID, EOS_ID, 6]


def test_parts_of_a_corpus_are_learnt_as_the_whole(tokenizers, monkeypatch):
    pairs = list(ids_of(word_pairs(60), tokenizers))
    whole = Shortlist.learn(pairs, 17, 17, num_candidates=5)
    monkeypatch.setattr("keras_seq2seq.decoding.shortlist.PAIRS_AT_ONCE", 7)
    parts = Shortlist.learn(pairs, 17, 17, num_candidates=5)
    assert (whole.candidates == parts.candidates).all()


def test_no_texts_to_learn_from(tokenizers):
    with pytest.raises(ValueError, match=r"learnt from at least one pair.*Received: 0 pairs"):
        Shortlist.of_texts([], tokenizers)


@pytest.mark.parametrize(
    ("pairs", "options"),
    [([], {}), ([([], [4])], {}), ([([4], [4])], {"iterations": 0})],
)
def test_nothing_to_learn_from(pairs, options):
    with pytest.raises(ValueError, match=r"learnt from at least one pair.*Received: \d pairs"):
        Shortlist.learn(pairs, 5, 5, **options)


def test_a_mask_allows_what_is_listed():
    given = shortlist()
    source_ids = random_ids(3, 5)
    for ids, allowed in zip(source_ids, given.mask(source_ids), strict=True):
        wanted = {*given.always.tolist(), *given.candidates[ids].reshape(-1).tolist()} - {PAD_ID}
        assert set(np.flatnonzero(allowed)) == wanted


def test_a_file_gives_the_shortlist_back(tmp_path):
    given, path = shortlist(), tmp_path / "shortlist.npz"
    given.save(path)
    loaded = Shortlist.load(path)
    assert (loaded.always == given.always).all()
    assert (loaded.candidates == given.candidates).all()
    assert loaded.target_vocabulary_size == 17
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"cannot be read.*Learn it again"):
        Shortlist.load(path)
    np.savez(path, always=given.always)
    with pytest.raises(ValueError, match="target_vocabulary_size"):
        Shortlist.load(path)


@pytest.mark.parametrize(
    ("always", "candidates", "message"),
    [
        ([3], [[9]], "outside 0 to 8"),
        ([4], [[5]], "lacks eos"),
        ([5, 3], [[5]], "does not rise"),
        ([3], [5], "rank 1"),
    ],
)
def test_what_is_no_shortlist(always, candidates, message):
    arrays = np.array(always, "int32"), np.array(candidates, "int32")
    with pytest.raises(ValueError, match=rf"must hold target ids. Received: .*{message}"):
        Shortlist(*arrays, 9)


@pytest.mark.parametrize("strategy", grid(STRATEGIES, STRATEGIES[1:2]), ids=str)
def test_graph_and_host_choose_alike(model, strategy):
    texts = [source for source, _ in word_pairs(30, seed=4)] + TEXTS
    options = {"strategy": strategy, "shortlist": shortlist(STRATEGIES.index(strategy))}
    inside = Translator.from_model(model, **options)
    assert inside.search == "in_file"
    host = Translator(inside.runtime, model.tokenizers, max_length=9, search="host", **options)
    for text, row, wanted in zip(texts, inside.n_best(texts), host.n_best(texts), strict=True):
        assert [one.hypothesis.ids for one in row] == [w.hypothesis.ids for w in wanted]
        scores = [one.hypothesis.score for one in row], [w.hypothesis.score for w in wanted]
        np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)
        source_ids = np.array([[*model.tokenizers.source.encode(text), EOS_ID]])
        allowed = set(np.flatnonzero(options["shortlist"].mask(source_ids)[0]))
        assert all(set(one.hypothesis.ids) <= allowed for one in row)


def test_a_shortlist_of_everything_changes_nothing_but_who_is_normalized(model):
    texts = [source for source, _ in word_pairs(9, seed=4)]
    free = Translator.from_model(model).translate(texts)
    assert Translator.from_model(model, shortlist=everything()).translate(texts) == free
    assert Translator.from_model(model, shortlist=shortlist()).translate(texts) != free


def test_the_rest_of_the_batch_changes_nothing(model):
    texts = [source for source, _ in word_pairs(9, seed=6, longest=8)]
    translator = Translator.from_model(model, shortlist=shortlist(), strategy=BeamSearch(3))
    alone = [translator.translate(text) for text in texts]
    assert translator.translate(texts) == alone


def test_a_prefix_may_have_any_ids(model):
    given = shortlist()
    translator = Translator.from_model(model, shortlist=given)
    allowed = given.mask(np.array([[4, EOS_ID]]))[0]
    other = next(i for i in range(4, 17) if not allowed[i])
    (row,) = translator.search_ids(np.array([[4, EOS_ID]], "int32"), [[other]])
    assert row[0].ids[0] == other
    assert np.isfinite(row[0].score)
    assert "".join(translator.stream("dog")) == translator.translate("dog")


def test_a_decoder_of_other_layers_is_refused():
    own = CUSTOM["both"]()
    with pytest.raises(ValueError, match=r"shortlist needs a decoder that a Seq2SeqConfig"):
        search_models(own.encoder, own.decoder_step, dynamic=True, shortlist=shortlist())


@pytest.fixture(scope="module")
def transformer(tokenizers):
    return make("transformer", tokenizers)


@pytest.fixture(scope="module")
def folder(transformer):
    """A bundle that two tests read, whichever worker writes it."""

    def write(room):
        options = {"sentences": TEXTS, "beam": BeamSearch(3, 2), "verbose": False}
        parity = export(transformer, room / "bundle", shortlist=shortlist(), **options)
        assert parity.passed, str(parity)

    return written_once("shortlist", write) / "bundle"


@pytest.mark.long
def test_every_file_obeys(transformer, folder):
    bundle = Bundle.open(folder)
    assert bundle.manifest["shortlist"] == "shortlist.npz"
    assert (bundle.shortlist.candidates == shortlist().candidates).all()
    wanted = Translator.from_model(transformer, shortlist=shortlist()).translate(TEXTS)
    assert wanted != transformer.translate(TEXTS)
    for runtime in ("onnx", "litert", "saved_model", "keras"):
        for search in ("in_file", "host"):
            assert opened(folder, runtime, search).translate(TEXTS) == wanted
    names = {a.search for a in verify(folder, verbose=False).agreements}
    plain = {"in_file without XNNPACK", "beam in_file without XNNPACK"}
    assert names == {"in_file", "host", "text", "beam in_file", "beam host", "beam text"} | plain


@pytest.mark.long
def test_an_altered_shortlist_is_refused(folder, tmp_path):
    copy = pathlib.Path(shutil.copytree(folder, tmp_path / "copy"))
    content = bytearray((copy / "shortlist.npz").read_bytes())
    content[60] ^= 1
    (copy / "shortlist.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"altered \['shortlist.npz'\]"):
        load(copy, "onnx")
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    for name, message in (("other.npz", "must name one of `files`"), ("../x", "must lie in")):
        text = json.dumps({**manifest, "shortlist": name})
        (copy / "manifest.json").write_text(text, "utf-8")
        with pytest.raises(ValueError, match=message):
            Bundle.open(copy)


def test_vocabularies_that_do_not_match_are_refused(transformer, tmp_path):
    for wrong in (shortlist(vocabulary=18), everything(12)):
        with pytest.raises(ValueError, match=r"`shortlist` must have the vocabulary sizes"):
            export(transformer, tmp_path / "bundle", shortlist=wrong)
        with pytest.raises(ValueError, match=r"`shortlist` must have the vocabulary sizes"):
            Translator.from_model(transformer, shortlist=wrong)
    assert not (tmp_path / "bundle").exists()
