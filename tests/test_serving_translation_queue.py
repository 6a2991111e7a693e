import concurrent.futures
import os
import queue
import random
import threading

import pytest
from command_line import released_bundle
from conftest import word_pairs, word_tokenizers
from copier import Copier

from keras_seq2seq import BeamSearch, Greedy, Translator, load
from keras_seq2seq.serving.translation_queue import QueueClosed, QueueFull, TranslationQueue

MANY = [source for source, _ in word_pairs(60, seed=6)]
SOON = 60  # seconds; what takes longer hangs


class Held(Copier):
    """Says the source again when it may, and fails on texts that begin with "bird"."""

    def __init__(self, tokenizers, **options):
        super().__init__(tokenizers.source.vocabulary_size, **options)
        self.bird = tokenizers.source.encode("bird")[0]
        self.at_work, self.may = threading.Semaphore(0), threading.Event()

    def encode(self, source_ids):
        self.at_work.release()
        assert self.may.wait(SOON)
        if self.bird in source_ids[:, 0]:
            raise ArithmeticError("no birds")
        return super().encode(source_ids)


@pytest.fixture(scope="module")
def joint():
    return word_tokenizers(joint=True)


@pytest.fixture
def held(joint):
    """A translator that is at work on "the dog" until `runtime.may` is set."""
    runtime = Held(joint)
    return Translator(runtime, joint, max_length=20, search="host")


def started(held, **options):
    """Returns a queue whose only thread is at work, and the future of what it works on."""
    made = TranslationQueue(held, max_wait_ms=0, **options)
    future = made.submit("the dog")
    assert held.runtime.at_work.acquire(timeout=SOON)
    return made, future


def texts_of(futures):
    return [future.result(SOON)[0].text for future in futures]


def test_callers_get_what_each_text_gives_alone():
    translator = load(released_bundle(), "onnx")
    strategies = (None, BeamSearch(3, 2), Greedy(min_length=4))
    wanted = {
        one: [translator.with_strategy(one or Greedy()).n_best([text])[0] for text in MANY]
        for one in strategies
    }
    with TranslationQueue([translator] * 2, max_batch_size=7, max_wait_ms=1) as made:

        def ask(caller):
            draw = random.Random(caller)
            for _ in range(8):
                strategy, places = draw.choice(strategies), draw.sample(range(len(MANY)), 4)
                futures = made.submit_all([MANY[i] for i in places], strategy=strategy)
                for place, future in zip(places, futures, strict=True):
                    found = future.result(SOON)
                    assert [one.text for one in found] == [
                        one.text for one in wanted[strategy][place]
                    ]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(8)))
    counts = made.counts
    assert counts.accepted == counts.translated == 8 * 8 * 4
    assert 8 * 8 * 4 / 7 <= counts.batches < 8 * 8 * 4 and counts.seconds > 0


def test_what_waits_shares_batches_in_the_order_of_its_arrival(held):
    made, first = started(held, max_batch_size=4)
    with made:
        futures = [made.submit(f"{'dog ' * (i + 1)}".strip()) for i in range(10)]
        assert len(made) == 10
        held.runtime.may.set()
        assert texts_of([first, *futures])[1:] == ["dog " * i + "dog" for i in range(10)]
    # A batch is as wide as its longest text, and eos.
    assert held.runtime.shapes == [(1, 3), (4, 5), (4, 9), (2, 11)]


def test_strategies_share_no_batch_and_the_oldest_goes_first(held):
    made, _ = started(held)
    with made:
        for i in range(6):
            made.submit("dog " * (i + 1), strategy=None if i % 2 else BeamSearch(2))
        held.runtime.may.set()
    assert [rows for rows, _ in held.runtime.shapes] == [1, 3, 3]
    assert [width for _, width in held.runtime.shapes] == [3, 6, 7]


def test_a_full_queue_refuses_all_texts_of_a_request_or_none(held):
    made, first = started(held, max_queue_size=3)
    with made:
        accepted = made.submit_all(["a cat", "the cat"])
        with pytest.raises(QueueFull, match="At most 3 texts may wait. Received: 2 more while 2 w"):
            made.submit_all(["dog", "cat"])
        accepted.append(made.submit("cat"))
        with pytest.raises(queue.Full):
            made.submit("dog")
        held.runtime.may.set()
        assert texts_of([first, *accepted]) == ["the dog", "a cat", "the cat", "cat"]
        assert texts_of([made.submit("dog")]) == ["dog"]
    assert made.counts.refused == 3 and made.counts.translated == 5


def test_a_text_that_nobody_waits_for_costs_nothing(held):
    made, _ = started(held, max_queue_size=2)
    with made:
        gone = made.submit_all(["the old dog sees the cat", "a cat"])
        assert [future.cancel() for future in gone] == [True, True]
        assert len(made) == 0
        kept = made.submit_all(["dog", "cat"])
        held.runtime.may.set()
        assert texts_of(kept) == ["dog", "cat"]
    assert held.runtime.shapes == [(1, 3), (2, 2)]
    assert made.counts.cancelled == 2


def test_an_error_reaches_only_the_texts_that_cause_it(held):
    made, _ = started(held)
    with made:
        futures = made.submit_all(["cat", "bird", "the dog", "bird sees", "dog"])
        held.runtime.may.set()
        errors = [future.exception(SOON) for future in futures]
    assert [str(error) for error in errors if error] == ["no birds", "no birds"]
    assert texts_of(futures[::2]) == ["cat", "the dog", "dog"]
    assert (made.counts.failed, made.counts.translated) == (2, 4)


def test_closing_finishes_what_was_accepted(held):
    made, first = started(held)
    futures = made.submit_all(MANY[:9])
    closing = threading.Thread(target=made.close)
    closing.start()
    held.runtime.may.set()
    closing.join(SOON)
    assert all(future.done() for future in futures)
    assert texts_of([first, *futures]) == ["the dog", *MANY[:9]]
    with pytest.raises(QueueClosed, match="The queue is closed and takes no texts"):
        made.submit("dog")
    made.close()


def test_closing_may_cancel_what_waits(held):
    made, first = started(held)
    futures = made.submit_all(MANY[:9])
    threading.Timer(0.05, held.runtime.may.set).start()
    made.close(cancel=True)
    assert texts_of([first]) == ["the dog"] and all(future.cancelled() for future in futures)


def test_a_full_batch_does_not_wait(joint):
    with TranslationQueue(
        Translator(Copier(joint.source.vocabulary_size), joint, max_length=20),
        max_batch_size=2,
        max_wait_ms=SOON * 10_000,
    ) as made:
        assert texts_of(made.submit_all(["dog", "cat"])) == ["dog", "cat"]
    assert made.counts.batches == 1


def test_a_runtime_of_one_row_does_not_wait(joint):
    runtime = Copier(joint.source.vocabulary_size, max_batch_size=1)
    translator = Translator(runtime, joint, max_length=20)
    with TranslationQueue(translator, max_wait_ms=SOON * 10_000) as made:
        assert texts_of(made.submit_all(["dog", "cat"])) == ["dog", "cat"]


def test_no_caller_makes_a_runtime_compile(joint):
    class Compiler(Copier):
        compiles_searches = True

        def has(self, strategy):
            return True

        def _search(self, source_ids, strategy):
            assert strategy in (Greedy(), BeamSearch(2))
            return super()._search(source_ids, Greedy())

    runtime = Compiler(joint.source.vocabulary_size)
    translator = Translator(runtime, joint, max_length=20, strategy=BeamSearch(2))
    with TranslationQueue(translator) as made:
        for strategy in (None, Greedy(), BeamSearch(2), BeamSearch(3, alpha=0.7)):
            assert texts_of([made.submit("the dog", strategy=strategy)]) == ["the dog"]


def test_every_future_ends_whatever_callers_do(held):
    held.runtime.may.set()
    futures, refused = [], []
    made = TranslationQueue([held] * 2, max_batch_size=5, max_queue_size=20, max_wait_ms=0.2)

    def call(seed):
        draw = random.Random(seed)
        for _ in range(40):
            texts = draw.choices([*MANY, "bird"], k=draw.randint(0, 6))
            strategy = draw.choice([None, BeamSearch(2)])
            try:
                found = made.submit_all(texts, strategy=strategy)
            except (QueueFull, QueueClosed):
                refused.append(len(texts))
                continue
            futures.extend(zip(texts, found, strict=True))
            if draw.random() < 0.3:
                [future.cancel() for future in found]

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers[:3]:
        caller.join(SOON)
    made.close()
    for caller in callers:
        caller.join(SOON)
    counts = made.counts
    assert len(made) == 0 and all(future.done() for _, future in futures)
    assert counts.accepted == len(futures)
    assert counts.accepted == counts.translated + counts.failed + counts.cancelled
    for text, future in futures:
        if not future.cancelled():
            error = future.exception()
            assert error is None or text.startswith("bird")
            assert error is not None or future.result()[0].text == text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_is_told_to_make_its_own(held, monkeypatch):
    with TranslationQueue(held) as made:
        held.runtime.may.set()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="which was forked from it; make the queue after"):
            made.submit("dog")


def test_a_queue_says_what_it_is(held):
    held.runtime.may.set()
    with TranslationQueue([held], max_queue_size=5) as made:
        assert repr(made).startswith("TranslationQueue(1 x Translator(runtime='copier', ")
        assert repr(made).endswith("0 of 5 waiting)")
        with pytest.raises(TypeError, match="`texts` must be a list of texts. Received: one str"):
            made.submit_all("dog")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_batch_size": 0}, "`max_batch_size` must be at least 1. Received: 0."),
        ({"max_queue_size": 0}, "`max_queue_size` must be at least 1. Received: 0."),
        ({"max_wait_ms": -1}, "`max_wait_ms` must be finite and at least 0. Received: -1."),
        ({"translators": []}, "`translators` must hold at least one. Received: none."),
    ],
)
def test_errors(held, options, message):
    with pytest.raises(ValueError, match=message):
        TranslationQueue(**{"translators": held, **options})
