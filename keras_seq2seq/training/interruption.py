"""Lets signals stop a training between two steps, not in the middle of one."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import FrameType, TracebackType
from typing import TypeVar

Result = TypeVar("Result")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, not Ctrl-C, has ended a training."""


class Interruption:
    """Notes the first Ctrl-C or SIGTERM within a `with` block; the second one raises at once.

    An exception from a signal handler can hit a backend in the middle of its work, so the training
    calls `check` where it can stop. Ignored signals stay ignored. Outside the main thread, signals
    are left alone. A block within another starts with the signal that the outer one has noted.
    """

    # The blocks that are open in the main thread, the innermost last.
    _open: "list[Interruption]" = []  # noqa: RUF012

    def __init__(self) -> None:
        self.noted: int | None = None
        self.at_once = False
        self._former: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self.noted = self._open[-1].noted if self._open else None
            self._open.append(self)
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]
        self._former = {}
        if self in self._open:
            self._open.remove(self)
            if self._open and self._open[-1].noted is None:
                self._open[-1].noted = self.noted

    def check(self) -> None:
        """Raises KeyboardInterrupt, or Terminated, if a signal was noted."""
        if self.noted is not None:
            raise Terminated if self.noted == signal.SIGTERM else KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        second = self.noted is not None
        self.noted = number
        if second or self.at_once:
            self.check()
        print("\nStopping after this step; interrupt again to stop at once.", file=sys.stderr)


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """Lets the first signal end a block of an open `Interruption`.

    For long work that changes nothing, such as translating: nothing is lost with it.
    """
    block = Interruption._open[-1] if Interruption._open else None
    if block is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    former, block.at_once = block.at_once, True
    try:
        block.check()
        yield
    finally:
        block.at_once = former


def within_reach_of_signals(work: Callable[[], Result]) -> Result:
    """Returns what `work` returns; a signal ends the waiting for it at once.

    For one long call of C++ that lets other threads run: Python looks at signals in its main
    thread, between two instructions, and never within such a call.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    future: Future[Result] = Future()

    def fulfil() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=fulfil, daemon=True).start()
    return future.result()
