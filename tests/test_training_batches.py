import hashlib
import json

import keras
import numpy as np
import pytest
from conftest import last_json, run_python, tiny_config, tiny_model, word_pairs
from grid import grid

from keras_seq2seq import PairBatches
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID

PAIRS = word_pairs(120, seed=3, longest=9)
DIGEST = """
import hashlib, json, sys
from conftest import word_pairs
from keras_seq2seq import PairBatches, TokenizerPair
from test_training_batches import PAIRS, digest
pairs = word_pairs(300)
alpha = float(sys.argv[1]) or None
tokenizers = TokenizerPair.train(pairs, (285, 285))
batches = PairBatches(PAIRS, tokenizers, tokens_per_batch=64, num_shapes=4, sampling_alpha=alpha)
print(json.dumps(digest(batches)))
"""


def digest(batches, epochs=2):
    """Returns the SHA-256 of all batches of the first epochs."""
    found = hashlib.sha256()
    for epoch in range(epochs):
        for index in range(len(batches)):
            inputs, labels = batches.batch(epoch, index)
            for array in (inputs["source_ids"], inputs["target_ids"], labels):
                found.update(json.dumps([array.shape, array.tolist()]).encode())
    return found.hexdigest()


@pytest.fixture
def make(tokenizers):
    def make(pairs=PAIRS, **options):
        return PairBatches(
            pairs, tokenizers, **{"tokens_per_batch": 48, "num_shapes": 4, **options}
        )

    return make


def rows(batches, epoch):
    """Returns the pairs of ids of an epoch, without its rows of padding."""
    found = []
    for index in range(len(batches)):
        inputs, labels = batches.batch(epoch, index)
        sides = zip(inputs["source_ids"].tolist(), labels.tolist(), strict=True)
        found += [(tuple(s), tuple(t)) for s, t in sides if any(t)]
    return [(tuple(i for i in s if i), tuple(i for i in t if i)) for s, t in found]


def expected_rows(tokenizers, pairs=PAIRS):
    return [
        ((*tokenizers.source.encode(s), EOS_ID), (*tokenizers.target.encode(t), EOS_ID))
        for s, t in pairs
    ]


def shared(tokenizers, alpha):
    options = {"tokens_per_batch": 64, "num_shapes": 4, "sampling_alpha": alpha or None}
    return PairBatches(PAIRS, tokenizers, **options)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_same_bytes_in_another_object(subword_tokenizers, alpha):
    first, second = shared(subword_tokenizers, alpha), shared(subword_tokenizers, alpha)
    second.batch(1, len(second) - 1)
    assert digest(first) == digest(second)


@pytest.mark.parametrize("alpha", grid([0.0, 0.3], [0.3]))
def test_the_same_bytes_in_another_process(subword_tokenizers, alpha):
    expected = digest(shared(subword_tokenizers, alpha))
    assert last_json(run_python(DIGEST, alpha, PYTHONHASHSEED="123")) == expected


def test_other_seeds_and_epochs_have_other_orders(make):
    orders = [rows(make(seed=seed), epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(orders[i] != orders[j] for i in range(4) for j in range(i))
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_pair_exactly_once_in_an_epoch(make, tokenizers, shuffle):
    batches = make(shuffle=shuffle)
    for epoch in range(2):
        assert sorted(rows(batches, epoch)) == sorted(expected_rows(tokenizers))


def test_without_shuffle_one_order(make):
    batches = make(shuffle=False)
    assert rows(batches, 0) == rows(batches, 5)


def test_labels_are_the_target_shifted(make):
    batches = make()
    for index in range(len(batches)):
        inputs, labels = batches.batch(0, index)
        for target, label in zip(inputs["target_ids"].tolist(), labels.tolist(), strict=True):
            real = [i for i in label if i]
            if not real:
                assert not any(target)
                continue
            assert real[-1] == EOS_ID
            assert target[: len(real)] == [BOS_ID, *real[:-1]]
            assert not any(target[len(real) :])


def shapes(batches, epoch=0):
    found = []
    for index in range(len(batches)):
        inputs, labels = batches.batch(epoch, index)
        assert labels.shape == inputs["target_ids"].shape
        assert {a.dtype for a in (*inputs.values(), labels)} == {np.dtype("int32")}
        found.append((*inputs["source_ids"].shape, labels.shape[1]))
    return found


@pytest.mark.parametrize("num_shapes", [1, 3, 8])
def test_few_shapes_within_the_budget(make, num_shapes):
    found = shapes(make(num_shapes=num_shapes, tokens_per_batch=40))
    assert len(set(found)) <= num_shapes
    assert all(count * max(source, target) <= 40 for count, source, target in found)


def test_a_pair_longer_than_the_budget_is_a_batch_of_its_own(make):
    assert {count for count, *_ in shapes(make(tokens_per_batch=1))} == {1}


def words(source, target):
    return " ".join(["dog"] * source), " ".join(["chien"] * target)


UNEVEN = {
    "alike": [words(n, n) for n in range(1, 13)],
    "source varies": [words(n, 2) for n in range(2, 14)],
    "target varies": [words(2, n) for n in range(2, 14)],
    "crosswise": [words(n, 14 - n) for n in range(1, 13)],
    "two steps": [words(n, 2 + 3 * (n > 6)) for n in range(1, 13)],
    "one shape": [words(3, 3)] * 12,
}


@pytest.mark.parametrize("name", UNEVEN)
@pytest.mark.parametrize("seed", range(4))
def test_the_first_two_batches_differ_where_any_two_do(make, name, seed):
    for epoch in range(3):
        found = shapes(make(UNEVEN[name], tokens_per_batch=30, seed=seed), epoch)
        for axis in zip(*found, strict=True):
            assert (axis[0] != axis[1]) == (len(set(axis)) > 1)


@pytest.mark.parametrize("name", grid(["source varies", "crosswise", "one shape"], ["crosswise"]))
def test_every_set_of_shapes_can_be_fitted(make, name):
    model = tiny_model()
    model.compile()
    history = model.fit(make(UNEVEN[name], tokens_per_batch=30), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_over_long_pairs_are_left_out_and_counted(make):
    pairs = [words(2, 2), words(5, 2), words(2, 5), words(4, 4)]
    with pytest.warns(UserWarning, match="2 of 4 pairs are left out: .*max_length=5 .*up to 6"):
        batches = make(pairs, max_length=5)
    assert batches.num_dropped == 2
    assert batches.pairs == [pairs[0], pairs[3]]
    assert batches.num_target_tokens == 3 + 5


def test_padding_share(make):
    batches = make([words(1, 1), words(3, 3), words(1, 1)], num_shapes=1, tokens_per_batch=8)
    assert shapes(batches) == [(2, 4, 4)] * 2
    assert batches.padding_share == pytest.approx(1 - 8 / 16)


def test_empty_texts_are_eos_alone(make, tokenizers):
    assert rows(make([("", ""), words(1, 1)]), 0).count(((EOS_ID,), (EOS_ID,))) == 1


def test_fit_takes_each_batch_of_each_epoch_once(make, monkeypatch):
    batches, model, asked = make(), tiny_model(), []
    plain = batches.batch

    def batch(epoch, index):
        asked.append((epoch, index))
        return plain(epoch, index)

    monkeypatch.setattr(batches, "batch", batch)
    model.compile()
    model.fit(batches, epochs=2, verbose=0)
    model.fit(batches, epochs=1, verbose=0)
    assert model.optimizer.iterations == 3 * len(batches)
    assert set(asked) == {(epoch, i) for epoch in range(3) for i in range(len(batches))}
    assert batches.epoch == 3


@pytest.mark.long
def test_fit_sees_every_real_token(make):
    batches, seen = make(), []

    class Count(keras.metrics.Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            seen.append(int(np.count_nonzero(y_true)))

        def result(self):
            return 0.0

    model = tiny_model()
    model.compile(metrics=[Count()], run_eagerly=True)
    model.fit(batches, epochs=1, verbose=0)
    assert sum(seen) == batches.num_target_tokens


def test_a_tf_dataset_has_the_same_batches_and_a_known_length(make):
    tf = pytest.importorskip("tensorflow")
    batches, twin = make(), make()
    dataset = batches.as_tf_dataset()
    assert int(tf.data.experimental.cardinality(dataset)) == len(batches)
    for epoch in range(2):
        for index, (inputs, labels) in enumerate(dataset.as_numpy_iterator()):
            expected, expected_labels = twin.batch(epoch, index)
            for name in expected:
                np.testing.assert_array_equal(inputs[name], expected[name])
            np.testing.assert_array_equal(labels, expected_labels)
        assert index == len(batches) - 1
        assert batches.epoch == epoch + 1


def test_a_tf_dataset_can_be_fitted(make):
    pytest.importorskip("tensorflow")
    batches, model = make(), tiny_model()
    model.compile()
    history = model.fit(batches.as_tf_dataset(), epochs=3, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 3
    assert model.optimizer.iterations == 3 * len(batches)
    assert batches.epoch == 3


def sampled(tokenizers, alpha=0.2, **options):
    options = {"tokens_per_batch": 200, "num_shapes": 3, **options}
    return PairBatches(PAIRS, tokenizers, sampling_alpha=alpha, **options)


def test_sampling_draws_other_segmentations_of_the_same_texts(subword_tokenizers):
    batches = sampled(subword_tokenizers)
    first, second = (rows(batches, epoch) for epoch in range(2))
    assert set(first) != set(second)

    def texts(found):
        decode = subword_tokenizers.source.decode, subword_tokenizers.target.decode
        return sorted(tuple(d(list(ids)) for d, ids in zip(decode, r, strict=True)) for r in found)

    assert texts(first) == texts(second) == sorted(PAIRS)


def test_sampling_keeps_the_shapes(subword_tokenizers):
    plain, drawn = sampled(subword_tokenizers, None), sampled(subword_tokenizers)
    assert shapes(plain) == shapes(drawn)
    assert rows(plain, 0) != rows(drawn, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens_per_batch": 0}, "`tokens_per_batch` must be at least 1. Received: 0"),
        ({"num_shapes": 0}, "`num_shapes` must be at least 1. Received: 0"),
        ({"max_length": 1}, "120 pairs, none within max_length=1 tokens"),
        ({"pairs": []}, "At least one pair must fit. Received: 0 pairs"),
        ({"seed": -1}, "`seed` must be at least 0. Received: -1"),
        ({"sampling_alpha": 0}, "`sampling_alpha` must be above 0 and at most 1. Received: 0"),
        ({"sampling_alpha": 1.5}, "`sampling_alpha` must be above 0 and at most 1. Received: 1.5"),
    ],
)
def test_errors(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_all_faults_of_the_numbers_come_at_once(make):
    with pytest.raises(ValueError, match=r"(?s)tokens_per_batch.*num_shapes.*sampling_alpha"):
        make(tokens_per_batch=0, num_shapes=-1, sampling_alpha=2)


def test_the_vocabulary_is_that_of_the_tiny_models(tokenizers):
    sizes = tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
    assert set(sizes) == {tiny_config().source_vocabulary_size}


def test_a_look_at_one_batch_is_no_epoch(tokenizers):
    batches = PairBatches(word_pairs(60), tokenizers, tokens_per_batch=80)
    for index in (0, len(batches) - 1):
        batches.on_epoch_begin()
        batches[index]
        batches.on_epoch_end()
        assert batches.epoch == 0
    batches.on_epoch_begin()
    for index in reversed(range(len(batches))):
        batches[index]
    batches.on_epoch_end()
    assert batches.epoch == 1


def test_copies_follow_one_another(make):
    once, twice = make(), make(copies=2, tokens_per_batch=96)
    assert len(once) == len(twice)
    for index in range(len(once)):
        inputs, labels = once.batch(3, index)
        doubled, double_labels = twice.batch(3, index)
        for first, both in [
            *((inputs[name], doubled[name]) for name in inputs),
            (labels, double_labels),
        ]:
            np.testing.assert_array_equal(both[0::2], first)
            np.testing.assert_array_equal(both[1::2], first)


def test_copies_are_of_one_segmentation(subword_tokenizers):
    batches = PairBatches(PAIRS, subword_tokenizers, sampling_alpha=0.2, copies=2)
    inputs, _ = batches.batch(0, 0)
    np.testing.assert_array_equal(inputs["source_ids"][0::2], inputs["source_ids"][1::2])


def test_a_fingerprint_tells_batches_apart(make):
    given = make().fingerprint
    assert make().fingerprint == given
    changes = [{"seed": 1}, {"tokens_per_batch": 40}, {"num_shapes": 2}, {"shuffle": False}]
    changes += [{"copies": 2}, {"pairs": PAIRS[:-1]}, {"pairs": PAIRS[::-1]}]
    found = [make(**change).fingerprint for change in changes]
    assert len({given, *found}) == len(changes) + 1


def test_the_longest_side_is_told_even_where_it_is_left_out(make):
    longest = make().longest
    assert longest == 10  # nine words and the end of sentence
    with pytest.warns(UserWarning, match=f"are left out: .*max_length=6 tokens, up to {longest}"):
        short = make(max_length=6)
    assert short.num_dropped > 0
    assert short.longest == longest


@pytest.mark.parametrize("sides", [(9, 2), (2, 9)])
def test_fit_refuses_batches_longer_than_learned_positions(make, sides):
    learned = {"encoder": "transformer", "decoder": "transformer", "positions": "learned"}
    model = tiny_model(tiny_config(**learned, num_heads=2, feedforward_dim=8, max_length=6))
    model.compile()
    side = "source" if sides[0] == 9 else "target"
    message = f"{side}_positions.*Received: 10 tokens, 6 positions; .*max_length=6"
    with pytest.raises(ValueError, match=message):
        model.fit(make([words(*sides)]), verbose=0)
    with pytest.raises(ValueError, match=message):
        model.fit(make([words(2, 2)]), validation_data=make([words(*sides)]), verbose=0)


def test_the_fingerprint_of_earlier_releases_is_known(make):
    batches = make()
    rows = expected_rows(batches.tokenizers)
    found = hashlib.sha256()
    for side in zip(*rows, strict=True):
        found.update(np.array([len(ids) for ids in side], "int64").tobytes())
        found.update(np.concatenate(side).astype("int64").tobytes())
    shapes = [(b.source_length, b.target_length, b.batch_size) for b in batches.buckets]
    found.update(repr((shapes, (True, 0, None, 1))).encode())
    assert batches.fingerprint_like("0123") == found.hexdigest()
    assert batches.fingerprint_like(batches.fingerprint) == batches.fingerprint
