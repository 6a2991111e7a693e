"""A queue that translates the texts of many callers together."""

import collections
import concurrent.futures
import dataclasses
import functools
import os
import queue
import threading
import time
from collections.abc import Sequence

from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.text.pairs import checked_texts
from keras_seq2seq.translation import Translation
from keras_seq2seq.translator import Translator

Answer = concurrent.futures.Future[list[Translation]]


class QueueFull(queue.Full):
    """More texts wait than a queue takes; try again later, or elsewhere."""


class QueueClosed(RuntimeError):
    """A closed queue takes no texts."""


@dataclasses.dataclass
class QueueCounts:
    """What a queue has done since it was made.

    Args:
        accepted: Texts that were accepted.
        refused: Texts that were refused because the queue was full.
        cancelled: Texts that were cancelled before their turn.
        translated: Texts that were translated.
        failed: Texts that ended with an error.
        batches: Batches that were translated or failed.
        seconds: Time that all threads have worked.
    """

    accepted: int = 0
    refused: int = 0
    cancelled: int = 0
    translated: int = 0
    failed: int = 0
    batches: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(eq=False, frozen=True)
class _Job:
    text: str
    future: Answer
    due: float  # in seconds of time.monotonic: it waits for others until then


class TranslationQueue:
    """Translates the texts of many callers in batches that form while they wait.

    Threads may share it; nothing is lost: every future ends with what `Translator.n_best` gives for
    its text alone, with an error, or cancelled. Texts with the same strategy share batches, the
    oldest first. If a batch fails, its texts are translated again one by one, so that an error
    reaches only those that cause it. Use it in a `with` statement, or close it.

    Args:
        translators: One, or several: a thread works for each. The threads of ONNX and SavedModel
            runtimes may share one translator (`[translator] * 2`); LiteRT runs in parallel only
            with one of its own for each.
        max_batch_size: int > 0. Most texts of a batch; runtimes may take fewer.
        max_wait_ms: float >= 0. How long a text waits for others to share its batch, in
            milliseconds. With 0 it shares with what came while all threads were at work.
        max_queue_size: int > 0. Most texts that wait; then texts are refused.
    Raises:
        ValueError: If a number is out of its range, or there is no translator.
    Example:
        with TranslationQueue(keras_seq2seq.load("bundle")) as queue:
            future = queue.submit("They are watching.")
            print(future.result()[0].text)
    """

    def __init__(
        self,
        translators: Translator | Sequence[Translator],
        *,
        max_batch_size: int = 32,
        max_wait_ms: float = 2.0,
        max_queue_size: int = 1024,
    ) -> None:
        self.translators = (
            [translators] if isinstance(translators, Translator) else list(translators)
        )
        _check(self.translators, max_batch_size, max_wait_ms, max_queue_size)
        self.max_batch_size = max_batch_size
        self.max_wait_ms = max_wait_ms
        self.max_queue_size = max_queue_size
        self._process = os.getpid()
        self._changed = threading.Condition()
        # An OrderedDict for each strategy: in it, the oldest and any other job leave at once.
        self._groups: dict[Strategy | None, collections.OrderedDict[_Job, None]] = {}
        self._size = 0
        self._counts = QueueCounts()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name=f"translation-{i}", daemon=True)
            for i, one in enumerate(self.translators)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "TranslationQueue":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Returns the number of texts that wait, without those that are being translated."""
        return self._size

    def __repr__(self) -> str:
        return (
            f"TranslationQueue({len(self.translators)} x {self.translators[0]!r}, {len(self)} of "
            f"{self.max_queue_size} waiting)"
        )

    @property
    def counts(self) -> QueueCounts:
        """What the queue has done so far."""
        with self._changed:
            return dataclasses.replace(self._counts)

    def submit(self, text: str, *, strategy: Strategy | None = None) -> Answer:
        """Adds one text; see `submit_all`."""
        return self.submit_all([text], strategy=strategy)[0]

    def submit_all(self, texts: Sequence[str], *, strategy: Strategy | None = None) -> list[Answer]:
        """Adds texts, all of them or none; does not wait.

        Args:
            texts: The texts.
            strategy: What to search for; None takes the translator's own.
        Returns:
            A future for each text, in order. Its result is the translations of the text, the best
            first. A future that is cancelled before its turn costs nothing and makes room.
        Raises:
            QueueFull: If they would be more than `max_queue_size` waiting texts.
            QueueClosed: If the queue is closed.
            ValueError: If the texts are not texts.
            RuntimeError: If the process was forked after the queue had been made.
        """
        texts = checked_texts(texts, "texts")
        if os.getpid() != self._process:
            raise RuntimeError(
                f"A TranslationQueue of process {self._process} has no threads in process "
                f"{os.getpid()}, which was forked from it; make the queue after the fork."
            )
        due = time.monotonic() + self.max_wait_ms / 1000
        jobs = [_Job(text, concurrent.futures.Future(), due) for text in texts]
        with self._changed:
            if self._closed:
                raise QueueClosed("The queue is closed and takes no texts; make another one.")
            if self._size + len(jobs) > self.max_queue_size:
                self._counts.refused += len(jobs)
                raise QueueFull(
                    f"At most {self.max_queue_size} texts may wait. Received: {len(jobs)} more "
                    f"while {self._size} wait; try again later, or raise `max_queue_size`."
                )
            self._counts.accepted += len(jobs)
            if jobs:
                group = self._groups.setdefault(strategy, collections.OrderedDict())
                group.update(dict.fromkeys(jobs))
                self._size += len(jobs)
                self._changed.notify()
        for job in jobs:
            job.future.add_done_callback(functools.partial(self._forget, strategy, job))
        return [job.future for job in jobs]

    def close(self, *, cancel: bool = False) -> None:
        """Takes no more texts; returns when those that were accepted are done.

        Args:
            cancel: Cancel those that wait, and finish only those that are being translated.
        """
        with self._changed:
            self._closed = True
            waiting = [job for group in self._groups.values() for job in group] if cancel else []
            self._changed.notify_all()
        for job in waiting:
            job.future.cancel()
        for thread in self._threads:
            # A callback of a future may close the queue from its thread.
            if thread is not threading.current_thread():
                thread.join()

    def _forget(self, strategy: Strategy | None, job: _Job, future: Answer) -> None:
        """Makes room for another text if one was cancelled while it waited."""
        if not future.cancelled():
            return
        with self._changed:
            self._counts.cancelled += 1
            group = self._groups.get(strategy)
            if group is not None and job in group:
                del group[job]
                self._left(strategy, 1)

    def _left(self, strategy: Strategy | None, count: int) -> None:
        """Notes that jobs have left a group; called with the lock."""
        self._size -= count
        if not self._groups[strategy]:
            del self._groups[strategy]
        self._changed.notify()

    def _work(self, translator: Translator) -> None:
        most = min(self.max_batch_size, translator.runtime.max_batch_size or self.max_batch_size)
        while (batch := self._next(most)) is not None:
            strategy, jobs = batch
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if running:
                self._translate(_searching(translator, strategy), running)

    def _next(self, most: int) -> tuple[Strategy | None, list[_Job]] | None:
        """Waits for a batch; returns None when the queue is closed and empty."""
        with self._changed:
            while self._size or not self._closed:
                now = time.monotonic()
                oldest = [(next(iter(group)).due, key) for key, group in self._groups.items()]
                ready = [
                    (due, key)
                    for due, key in oldest
                    if due <= now or len(self._groups[key]) >= most or self._closed
                ]
                if ready:
                    _, strategy = min(ready, key=lambda one: one[0])
                    group = self._groups[strategy]
                    jobs = [group.popitem(last=False)[0] for _ in range(min(most, len(group)))]
                    self._left(strategy, len(jobs))
                    return strategy, jobs
                self._changed.wait(min((due - now for due, _ in oldest), default=None))
            self._changed.notify_all()
            return None

    def _translate(self, translator: Translator, jobs: list[_Job]) -> None:
        started = time.monotonic()
        answers = _answers(translator, [job.text for job in jobs])
        failed = sum(isinstance(answer, BaseException) for answer in answers)
        with self._changed:
            self._counts.translated += len(jobs) - failed
            self._counts.failed += failed
            self._counts.batches += 1
            self._counts.seconds += time.monotonic() - started
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, BaseException):
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer)


def _answers(translator: Translator, texts: list[str]) -> list[list[Translation] | BaseException]:
    """Returns for each text its translations, or the error that it causes."""
    try:
        return [*translator.iterate(texts, batch_size=len(texts), verbose=False)]
    except BaseException as error:  # whoever waits for a future gets it, whatever it is
        if len(texts) == 1:
            return [error]
    return [answer for text in texts for answer in _answers(translator, [text])]


def _searching(translator: Translator, strategy: Strategy | None) -> Translator:
    """Returns a translator that searches for what a caller asks for."""
    if strategy is None or strategy == translator.strategy:
        return translator
    # Callers may ask for any number of strategies: none of them may cost a compilation.
    compiles = translator.runtime.compiles_searches and strategy != GREEDY
    return translator.with_strategy(strategy, search="host" if compiles else None)


def _check(
    translators: Sequence[Translator],
    max_batch_size: int,
    max_wait_ms: float,
    max_queue_size: int,
) -> None:
    errors = []
    if not translators:
        errors.append("`translators` must hold at least one. Received: none.")
    sizes = {"max_batch_size": max_batch_size, "max_queue_size": max_queue_size}
    for name, number in sizes.items():
        if number < 1:
            errors.append(f"`{name}` must be at least 1. Received: {number}.")
    if not 0 <= max_wait_ms < float("inf"):
        errors.append(f"`max_wait_ms` must be finite and at least 0. Received: {max_wait_ms}.")
    if errors:
        raise ValueError("\n".join(errors))
