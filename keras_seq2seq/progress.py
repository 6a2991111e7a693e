"""Progress on standard error: a bar on a terminal, a few plain lines in a log."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0  # seconds; shorter work needs no bar
SHARES = 10  # lines in a log, if the total is known
FIRST_PAUSE = 10.0  # seconds to the first line if it is not; every further pause is twice as long


@contextlib.contextmanager
def progress(
    total: int | None, unit: str, verbose: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """Shows the progress of work: the items done, the time elapsed and the time remaining.

    A terminal gets a bar. Where standard error is no terminal, a line is printed at each tenth of
    the work (after 10 s, 20 s, 40 s, ... if the total is unknown) and at its end.

    Args:
        total: Number of items, or None if it is unknown.
        unit: Name of the items, such as "lines".
        verbose: True shows the progress, False hides it; None shows it if standard error is a
            terminal and the work takes more than a second.
    Yields:
        A function to call with the number of items that were just completed.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (is_terminal if verbose is None else verbose):
        yield lambda count: None
    elif is_terminal:
        with _bar(total, unit, patience=0 if verbose else PATIENCE) as advance:
            yield advance
    else:
        lines = _Lines(total, unit)
        try:
            yield lines.advance
        finally:
            lines.end()


class _Lines:
    """Progress as plain lines."""

    def __init__(self, total: int | None, unit: str) -> None:
        self.total = total
        self.unit = unit
        self.done = self.told = 0
        self.started = time.monotonic()
        self.pause = FIRST_PAUSE

    def advance(self, count: int) -> None:
        self.done += count
        if self.total:
            is_due = self.done * SHARES // self.total > self.told * SHARES // self.total
        else:
            is_due = time.monotonic() - self.started >= self.pause
        if is_due:
            self.pause *= 2
            self._tell()

    def end(self) -> None:
        if self.done > self.told:
            self._tell()

    def _tell(self) -> None:
        self.told = self.done
        of_all = "?" if self.total is None else self.total
        seconds = time.monotonic() - self.started
        print(f"{self.done}/{of_all} {self.unit}, {seconds:.0f} s", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _bar(total: int | None, unit: str, patience: float) -> Iterator[Callable[[int], object]]:
    """Shows a bar as soon as the work has taken `patience` seconds."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(unit, total=total)
    start = time.monotonic()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if not bar.live.is_started and time.monotonic() - start >= patience:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()
