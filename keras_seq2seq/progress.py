"""A progress bar on standard error for work whose length may not be known."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0  # seconds without a bar: work that is done by then needs none


@contextlib.contextmanager
def progress(
    total: int | None, unit: str, verbose: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """Shows how many are done, and for how long it has gone and will go on.

    Args:
        total: How many there are, or None if that is not known.
        unit: What they are, such as "lines".
        verbose: Show the bar; None shows it if standard error is a terminal and the work takes
            more than a second.
    Yields:
        A function to call with how many more are done.
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
