"""A progress bar on standard error for work whose length may not be known."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(
    total: int | None, unit: str, verbose: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """Shows how many are done, and for how long it has gone and will go on.

    Args:
        total: How many there are, or None if that is not known.
        unit: What they are, such as "lines".
        verbose: Show the bar; None shows it if standard error is a terminal.
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
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(unit, total=total)
        yield lambda count: bar.advance(task, count)
