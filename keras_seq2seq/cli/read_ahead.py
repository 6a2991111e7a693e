"""Lines in groups as they come: at once when few come, many together when many do."""

import queue
import threading
from collections.abc import Iterable, Iterator


def groups(lines: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """Yields all lines that have come, at least one and at most so many, in their order.

    A thread reads ahead, never more than `most` lines.

    Args:
        lines: Such as a binary stream.
        most: int > 0.
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
