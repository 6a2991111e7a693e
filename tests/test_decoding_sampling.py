import numpy as np
from fake_steps import (
    VOCABULARY,
    both,
    random_table,
    sources,
)

from keras_seq2seq.decoding.strategies import Sampling


def test_the_same_seed_draws_the_same_and_another_another():
    table = np.log(np.full((5, 4, VOCABULARY), 1 / VOCABULARY, "float32"))
    first, again, other = (both(table, strategy=Sampling(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({tuple(ids) for ids, _, _ in first}) > 3


def test_a_draw_does_not_depend_on_the_batch():
    strategy, ids = Sampling(seed=3), sources(4)
    together = strategy.uniforms(np.pad(ids, ((0, 0), (0, 3))), 6)
    for row in range(4):
        np.testing.assert_array_equal(strategy.uniforms(ids[row : row + 1], 6)[0], together[row])


def test_draws_follow_the_distribution():
    probabilities = np.array([0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0], "float64")
    log_probs = np.log(np.maximum(probabilities, 1e-30)).astype("float32")
    uniforms = np.random.default_rng(0).random(20_000, "float32")
    rows = np.broadcast_to(log_probs, (20_000, VOCABULARY)).copy()

    def shares(**options):
        ids = Sampling(**options).draw(rows, uniforms)
        return np.bincount(ids, minlength=VOCABULARY) / len(ids)

    np.testing.assert_allclose(shares(), probabilities, atol=0.01)
    np.testing.assert_allclose(shares(top_k=2)[5:7], [3 / 7, 4 / 7], atol=0.01)
    np.testing.assert_allclose(shares(top_p=0.6)[5:7], [3 / 7, 4 / 7], atol=0.01)
    np.testing.assert_allclose(shares(top_p=0.4)[6], 1)
    squared = probabilities**2 / (probabilities**2).sum()
    np.testing.assert_allclose(shares(temperature=0.5), squared, atol=0.01)
    np.testing.assert_allclose(shares(temperature=1e-4)[6], 1)


def test_the_coldest_draw_is_greedy():
    for case in range(20):
        table, is_empty = random_table(case)
        options = {"is_empty": is_empty, "max_length": table.shape[1]}
        assert both(table, strategy=Sampling(top_k=1), **options) == both(table, **options)
