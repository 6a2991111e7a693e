"""Where the time of a training goes."""

import contextlib
import contextvars
import time
from collections.abc import Iterator, Mapping

OTHER, STEPS, BATCHES, SAVING = "other", "steps", "batches", "saving"
VALIDATION, TRANSLATING, TEST = "validation", "translating", "test"


class TimeSpent:
    """Seconds of a process by what it did; what is done within something else counts for itself.

    Only the thread that made it is looked at: what other threads do takes no time of a training.

    Attributes:
        seconds: By `OTHER` and its neighbours, in the order in which they began.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Counts the time within the block as spent on `what`."""
        depth = len(self._open)
        self.begin(what)
        try:
            yield
        finally:
            self._count()
            del self._open[depth:]  # also what an exception has left open

    def begin(self, what: str) -> None:
        """Counts the time from here to `end` as spent on `what`."""
        self._count()
        self.seconds.setdefault(what, 0.0)
        self._open.append(what)

    def end(self) -> None:
        """Ends what was begun last."""
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def rounded(self) -> dict[str, float]:
        """Returns the seconds so far, for a report."""
        self._count()
        return {what: round(seconds, 1) for what, seconds in self.seconds.items()}


_current: contextvars.ContextVar[TimeSpent | None] = contextvars.ContextVar("spent", default=None)


@contextlib.contextmanager
def time_spent() -> Iterator[TimeSpent]:
    """Yields what counts the time of this thread within the block."""
    token = _current.set(TimeSpent())
    try:
        yield current_time_spent()
    finally:
        _current.reset(token)


def current_time_spent() -> TimeSpent:
    """Returns what counts the time of this thread; if nobody asked, nobody reads it."""
    return _current.get() or TimeSpent()


def spent_on(what: str) -> contextlib.AbstractContextManager[None]:
    """Counts the time within the block as spent on `what`."""
    return current_time_spent().on(what)


def told(seconds: Mapping[str, float]) -> str:
    """Returns one line that tells where the time went.

    Args:
        seconds: What `TimeSpent.rounded` returned.
    """
    total = sum(seconds.values())
    parts = (f"{what} {100 * one / (total or 1):.0f} %" for what, one in seconds.items())
    return f"{total:.0f} s, of it {', '.join(parts)}"
