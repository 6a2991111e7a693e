"""Lets signals stop a training between two steps, not in the middle of one."""

import signal
import sys
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Notes the first Ctrl-C or SIGTERM within a `with` block; the second one raises at once.

    An exception from a signal handler can hit a backend in the middle of its work, so the training
    checks `noted` where it can stop. Ignored signals stay ignored. Outside the main thread, signals
    are left alone.
    """

    def __init__(self) -> None:
        self.noted = False
        self._former: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
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

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True
        print("\nStopping after this step; interrupt again to stop at once.", file=sys.stderr)
