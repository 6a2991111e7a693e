import keras
import numpy as np
import pytest
from conftest import word_pairs, word_tokenizers
from light_model import light_model

from keras_seq2seq import PairBatches

PAIRS = word_pairs(60, seed=5, longest=8)
EPOCHS = 5
# Options of one `fit` after another.
CALLS = [
    [{"epochs": 2}, {"epochs": 2}],
    [{"epochs": 3, "steps_per_epoch": 3}, {"steps_per_epoch": 4}],
    [{"steps_per_epoch": 1}] * 6,
    [{"steps_per_epoch": 12}, {"epochs": 2, "steps_per_epoch": 5}],
]
FROM_EPOCH_2 = (
    [{"initial_epoch": 2, "epochs": 4}],
    [{"initial_epoch": 2, "epochs": 4, "steps_per_epoch": 5}],
)


def make(tokenizers, **options):
    options = {"tokens_per_batch": 90, "num_shapes": 2, "max_length": 9, **options}
    return PairBatches(PAIRS, tokenizers, **options)


def read(calls, batches=None, each=None, **options):
    """Returns (epoch, index) of all batches that a model trained on in some calls of `fit`."""
    batches = batches or make(word_tokenizers())
    places = {
        batches.batch(epoch, index)[1].tobytes(): (epoch, index)
        for epoch in range(EPOCHS)
        for index in range(len(batches))
    }

    model = light_model(run_eagerly=True, **options)
    for call in calls:
        model.fit(batches, verbose=0, **call)
        if each is not None:
            each(model, batches)
    return [list(places[labels.tobytes()]) for labels in model.noted]


def count(calls):
    """Returns how many batches they read, five in an epoch."""
    return sum(c.get("epochs", 1) * c.get("steps_per_epoch", 5) for c in calls)


def in_order(number, start=0):
    return [list(divmod(place, 5)) for place in range(start, start + number)]


@pytest.mark.parametrize("calls", CALLS, ids=str)
def test_fits_read_one_batch_after_the_other(tokenizers, calls):
    batches = make(tokenizers)
    assert len(batches) == 5
    assert read(calls, batches) == in_order(count(calls))
    assert (batches.epoch, batches.position) == (count(calls) // 5, count(calls))


@pytest.mark.parametrize("calls", FROM_EPOCH_2)
def test_epoch_2_of_fit_reads_epoch_2(tokenizers, calls):
    assert read(calls, make(tokenizers)) == in_order(10, 10)


def test_executions_of_several_steps_leave_nothing_out(tokenizers):
    calls = [{"epochs": 2, "steps_per_epoch": 3}]
    assert read(calls, make(tokenizers), steps_per_execution=2) == in_order(8)
    assert read([{"epochs": 2}], make(tokenizers), steps_per_execution=2) == in_order(10)


def test_workers_read_in_order(tokenizers):
    batches = make(tokenizers)
    batches.workers = 3
    calls = [{"epochs": 2}, {"epochs": 3, "steps_per_epoch": 3}]
    assert read(calls, batches) == in_order(19)


def test_evaluation_in_between_disturbs_nothing(tokenizers):
    batches = make(tokenizers)

    class Evaluate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                # By hand, for `evaluate` resets the metrics of this epoch.
                list(batches.read_by_evaluate())

    call = {"steps_per_epoch": 3, "callbacks": Evaluate(), "epochs": 2}

    def evaluate(model, batches):
        model.evaluate(batches, verbose=0)
        model.evaluate(batches, steps=2, verbose=0)

    assert read([call, {}], batches, each=evaluate) == in_order(6) + in_order(5, 10)


def test_validation_on_the_training_batches_disturbs_nothing(tokenizers):
    batches, model = make(tokenizers), light_model()
    options = {"validation_data": batches, "validation_steps": 2, "verbose": 0}
    model.fit(batches, epochs=2, **options)
    assert batches.position == 10
    model.fit(batches, epochs=2, steps_per_epoch=3, callbacks=keras.callbacks.History(), **options)
    assert batches.position == 16


def test_an_epoch_cut_short_is_read_again(tokenizers):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    stop = {"callbacks": [Stop()]}
    assert read([stop, {}], make(tokenizers)) == in_order(2) + in_order(5)
    calls = [{**stop, "steps_per_epoch": 4}, {"steps_per_epoch": 4}]
    assert read(calls, make(tokenizers)) == in_order(6)


def test_a_callback_list_stays_as_it_was(tokenizers):
    batches, model = make(tokenizers), light_model()
    listed = keras.callbacks.CallbackList([], add_history=True, model=model, epochs=1, steps=2)
    before = list(listed.callbacks)
    model.fit(batches, steps_per_epoch=2, callbacks=listed)
    assert listed.callbacks == before and batches.position == 2


def test_passes_over_a_tf_dataset_are_never_the_same(tokenizers):
    pytest.importorskip("tensorflow")
    batches = make(tokenizers)
    dataset = batches.as_tf_dataset()

    def first_two():
        return tuple(labels.tobytes() for _, labels in dataset.take(2).as_numpy_iterator())

    assert len({first_two() for _ in range(3)}) == 3
    endless = make(tokenizers).as_tf_dataset().repeat().as_numpy_iterator()
    for place in range(12):
        expected = batches.batch(*divmod(place, 5))[1]
        np.testing.assert_array_equal(next(endless)[1], expected)


def test_later_indices_are_of_later_epochs(tokenizers):
    batches = make(tokenizers)
    batches.epoch = 1
    for index, place in [(0, (1, 0)), (4, (1, 4)), (5, (2, 0)), (11, (3, 1)), (-1, (1, -1))]:
        np.testing.assert_array_equal(batches[index][1], batches.batch(*place)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 8}, r"`batch_size` must be left out.*`tokens_per_batch`. Received: 8"),
        ({"validation_split": 0.1}, r"`validation_split` must be left out.*Received: 0\.1"),
        ({"steps_per_epoch": 0}, "`steps_per_epoch` must be at least 1. Received: 0"),
        ({"y": np.zeros(3)}, "`y` should not be passed"),
    ],
)
def test_habits_that_batches_do_not_take(tokenizers, options, message):
    model = light_model()
    with pytest.raises(ValueError, match=message):
        model.fit(make(tokenizers), **options)
    with pytest.raises(ValueError, match=r"(?s)`batch_size`.*`validation_split`"):
        model.fit(make(tokenizers), batch_size=3, validation_split=0.1)


def test_workers_are_refused_where_keras_would_repeat_batches(tokenizers, monkeypatch):
    batches = make(tokenizers)
    batches.workers = 2
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"by one worker.*workers=2 on jax; set `workers = 1`"):
        batches.read_by_evaluate()


@pytest.mark.parametrize("rows", [PAIRS, ["a text"] * 3, [{"en": "a", "fr": "b"}]])
def test_texts_are_no_batches(rows):
    with pytest.raises(ValueError, match=r"batches of ids, not texts.*PairBatches\(pairs"):
        light_model().fit(rows)
