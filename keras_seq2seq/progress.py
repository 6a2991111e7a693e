"""A progress bar on standard error, also for work of unknown length."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0  # seconds; shorter work needs no bar


@contextlib.contextmanager
def progress(
    total: int | None, unit: str, verbose: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """Shows a progress bar: the items done, the time elapsed and the time remaining.

    Args:
        total: Number of items, or None if it is unknown.
        unit: Name of the items, such as "lines".
        verbose: True shows the bar, False hides it; None shows it if standard error is a terminal
            and the work takes more than a second.
    Yields:
        A function to call with the number of items that were just completed.
    """
    if not (sys.stderr.isatty() if verbose is None else verbose):
        yield lambda count: None
        return
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
    start = time.monotonic() - (PATIENCE if verbose else 0)

    def advance(count: int) -> None:
        bar.advance(task, count)
        if not bar.live.is_started and time.monotonic() - start >= PATIENCE:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()
