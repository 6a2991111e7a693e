"""Groups lines as they arrive: few lines at once, many lines together."""

import queue
import threading
from collections.abc import Iterable, Iterator


def groups(lines: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """Yields the lines that have arrived, at least one and at most `most`, in order.

    A thread reads ahead, never more than `most` lines.

    Args:
        lines: Lines, such as a binary stream.
        most: int > 0. Largest group.
    Raises:
        ValueError: If `most` is not positive; also what reading raises.
    """
    if most < 1:
        raise ValueError(f"`window` must be at least 1. Received: {most}.")
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(most)

    def read() -> None:
        try:
            for line in lines:
                waiting.put(line)
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        item, group = waiting.get(), []
        while isinstance(item, bytes):
            group.append(item)
            if len(group) == most or waiting.empty():
                break
            item = waiting.get()
        if group:
            yield group
        if isinstance(item, BaseException):
            raise item
        if item is None:
            return
