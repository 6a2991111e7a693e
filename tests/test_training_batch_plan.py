import numpy as np
import pytest
from conftest import word_pairs

from keras_seq2seq import PairBatches
from keras_seq2seq.training import batch_plan
from keras_seq2seq.training.batch_plan import BatchPlan, LengthTable, make_buckets

DRAW = np.random.default_rng(0)
SOURCE, TARGET = DRAW.integers(1, 30, (2, 700))


def buckets(num_shapes=4, tokens=90):
    longer = np.maximum(SOURCE, TARGET)
    order = np.lexsort((np.minimum(SOURCE, TARGET), longer))
    return make_buckets(order, LengthTable.of(SOURCE, TARGET, 40), tokens, num_shapes)


@pytest.fixture(params=["drawn", "computed"])
def kind(request, monkeypatch):
    if request.param == "computed":
        monkeypatch.setattr(batch_plan, "LARGEST_DRAWN", 0)
    return request.param


def members(plan, epoch):
    return [plan.members(epoch, index)[1].tolist() for index in range(len(plan))]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num_shapes", [1, 2, 5])
def test_each_pair_is_in_one_batch_of_an_epoch(kind, shuffle, num_shapes):
    plan = BatchPlan(buckets(num_shapes), shuffle=shuffle, seed=3)
    assert plan.is_drawn == (kind == "drawn")
    for epoch in range(2):
        found = members(plan, epoch)
        assert sorted(i for batch in found for i in batch) == list(range(700))
        for index, batch in enumerate(found):
            bucket, _ = plan.members(epoch, index)
            assert 0 < len(batch) <= bucket.batch_size
            assert SOURCE[batch].max() <= bucket.source_length
            assert TARGET[batch].max() <= bucket.target_length


def test_orders_differ_by_seed_and_epoch_and_repeat(kind):
    def order(seed, epoch):
        return members(BatchPlan(buckets(), shuffle=True, seed=seed), epoch)

    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(orders[i] != orders[j] for i in range(4) for j in range(i))
    assert order(1, 1) == orders[3]


def test_the_longest_and_the_shortest_batch_come_first(kind):
    for shuffle in (True, False):
        plan = BatchPlan(buckets(), shuffle=shuffle, seed=0)
        firsts = [plan.members(0, index)[0] for index in (0, 1)]
        assert firsts == [plan.buckets[-1], plan.buckets[0]]


def test_without_shuffle_both_kinds_have_one_order(monkeypatch):
    drawn = members(BatchPlan(buckets(), shuffle=False, seed=0), 5)
    monkeypatch.setattr(batch_plan, "LARGEST_DRAWN", 0)
    assert members(BatchPlan(buckets(), shuffle=False, seed=0), 7) == drawn


def test_a_table_of_parts_is_the_table_of_all():
    whole = LengthTable.of(SOURCE, TARGET, 30)
    parts = LengthTable.of(SOURCE[:9], TARGET[:9], 30) + LengthTable.of(SOURCE[9:], TARGET[9:], 30)
    for name in ("counts", "source", "target"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_a_computed_order_has_another_fingerprint(tokenizers, monkeypatch):
    batches = PairBatches(word_pairs(50), tokenizers, max_length=9)
    kept = batches.fingerprint, batches.fingerprint_like("")
    monkeypatch.setattr(batch_plan, "LARGEST_DRAWN", 0)
    other = PairBatches(word_pairs(50), tokenizers, max_length=9)
    assert not {other.fingerprint, other.fingerprint_like("")} & set(kept)
