"""Ends a command as its signal would: Ctrl-C, SIGTERM, or a terminal that closes."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

INTERRUPTED = 130
BROKEN_PIPE = 141
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal asks the command to stop.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Lets signals raise `Stopped` within the block, so that files are tidied up before the end.

    Signals that are ignored stay ignored (as under nohup), and those that have a handler keep it.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    former: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                former[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class Held:
    """Holds `Stopped` back within a `with` block from the moment that `begun` is set.

    Until then, a signal ends the block at once; a second one always does.
    """

    def __init__(self) -> None:
        self.begun = False
        self._noted = 0
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Held":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        if self._noted and error is None:
            raise Stopped(self._noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted or not self.begun:
            raise Stopped(number)
        self._noted = number


def end(status: int) -> int:
    """Ends the process by the signal that `status` stands for, above 128; returns any other status.

    A shell sees whether a command died of a signal: after Ctrl-C a loop over files stops only then.
    """
    if os.name == "posix" and status > 128:
        number = status - 128
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return status  # the first process of a container is not killed by itself
