"""The processes of one training: what all agree on, and what process 0 alone does."""

import atexit
import collections
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import keras

from keras_seq2seq.training.channel import (
    Link,
    Message,
    ProcessError,
    gathered_links,
    link_to_first,
)
from keras_seq2seq.training.folder_lock import free_all
from keras_seq2seq.training.process_environment import process_environment
from keras_seq2seq.version import __version__

Result = TypeVar("Result")
TIMEOUT = 300
GOODBYE_SECONDS = 10.0
BEGINNING, END = "the beginning", "the end"
LOST = 1  # exit status of a process that lost another one


class Processes:
    """The processes of one training, seen from one of them; a single one has nobody to ask.

    All processes call the same methods in the same order.

    Args:
        index: int >= 0. Number of this process; process 0 writes all files.
        links: In process 0 the links to the others, in their order; in each other one that to
            process 0.
    """

    def __init__(self, index: int = 0, links: Sequence[Link] = ()) -> None:
        self.index = index
        self.count = len(links) + 1 if index == 0 else 0
        self._links = links
        self.watching = False  # True within `at_work`
        self._failing = False
        self._ended: set[int] = set()
        self._heard: queue.Queue[tuple[int, Message]] = queue.Queue()
        self._early: dict[int, collections.deque[Message]] = collections.defaultdict(
            collections.deque
        )
        # Ticks are counted alike in all processes; see `tick`.
        self._ticks = 0
        self._wanted: int | None = None
        self._stop: tuple[int, int] | None = None
        self._acknowledged = threading.Semaphore(0)
        self._listeners = [
            link.listen(functools.partial(self._hear, place + 1 if index == 0 else 0))
            for place, link in enumerate(links)
        ]

    @classmethod
    def of_other(cls, index: int, count: int, link: Link) -> "Processes":
        """Returns what process `index` > 0 of `count` sees."""
        processes = cls(index, [link])
        processes.count = count
        return processes

    def __repr__(self) -> str:
        return f"Processes(index={self.index}, count={self.count})"

    @property
    def writes(self) -> bool:
        """True in the one process that writes files and speaks."""
        return self.index == 0

    @property
    def several(self) -> bool:
        """True if there are others."""
        return self.count > 1

    def gather(self, what: str, value: Any = None) -> list[Any]:
        """Returns the value of each process, in their order; waits for all of them.

        Args:
            what: What is gathered, the same in all processes.
            value: Plain values for JSON.
        Raises:
            ProcessError: If the processes are not at the same place.
        """
        return self._gathered(what, value, lambda values: False)

    def _gathered(self, what: str, value: Any, fail: Callable[[list[Any]], bool]) -> list[Any]:
        """Returns what `gather` returns; `fail` tells whether all fail by these values.

        Then none is to be ended by another before it has tidied up, so it is told with the values.
        """
        if not self.several:
            return [value]
        if self.index:
            self._links[0].send({"gather": what, "value": value})
            return list(self._next(0, what)["value"])
        values = [value, *(self._next(i, what)["value"] for i in range(1, self.count))]
        failing = fail(values)
        self._failing |= failing
        for link in self._links:
            link.send({"gather": what, "value": values, "failing": failing})
        return values

    def from_first(self, what: str, work: Callable[[], Result]) -> Result:
        """Returns what `work` returns in process 0, where alone it is called.

        Args:
            what: As for `gather`.
            work: Returns plain values for JSON.
        """
        return self.gather(what, work() if self.writes else None)[0]

    def agree(self, what: str, values: Mapping[str, Any]) -> None:
        """Checks that all processes have the same values.

        Args:
            what: What they belong to, for the error.
            values: Plain values for JSON by their names.
        Raises:
            ValueError: In all processes, with the names of what differs.
        """
        given = json.loads(json.dumps(dict(values)))
        found = self._gathered(what, given, lambda found: bool(_differences(found)))
        if faults := _differences(found):
            raise ValueError(
                f"All processes must have the same {what}. Received: {'; '.join(faults)}. Give all "
                "of them the same files and folders, such as those of a shared file system."
            )

    def wait(self, what: str) -> None:
        """Waits until all processes are here."""
        self.gather(what)

    def want_stop(self, number: int) -> None:
        """Asks all processes to stop because of a signal."""
        if self._wanted is None:
            self._wanted = number
            if self.index:
                self._links[0].send({"want": number})
            else:
                self._tell_wanted()

    @property
    def wanted(self) -> int | None:
        """The signal by which some process wants to stop, as far as it is known here."""
        return self._wanted

    def tick(self) -> int | None:
        """Returns the signal to stop by now, in all processes at the same tick.

        Between two ticks lies a step that no process can end before all have begun it. Process 0
        names the next tick and begins no step before all others have heard it.
        """
        self._ticks += 1
        if self.index == 0 and self._stop is None and self._wanted is not None:
            self._stop = self._ticks + 1, self._wanted
            for link in self._links:
                link.send({"stop": self._stop})
            for _ in self._links:
                self._acknowledged.acquire()
            return None
        if self._stop is not None and self._ticks >= self._stop[0]:
            return self._stop[1]
        return None

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Ends this process if another one is lost within the block, and tells the others so.

        A process that waits for a lost one in the middle of a step could wait for ever; no
        exception reaches it there. What is on the disk is whole, as after a kill.
        """
        if not self.several:
            yield
            return
        self.watching, self._failing = True, False
        self._wanted = self._stop = None
        self._ticks = 0
        self._ended.clear()
        try:
            self.wait(BEGINNING)
            yield
            self.wait(END)
        except BaseException as error:
            self._failing = True
            said = str(error).strip().rstrip(".") or type(error).__name__
            for link in self._links:
                link.send({"failed": said, "process": self.index})
            raise
        finally:
            self.watching = False

    def close(self) -> None:
        """Closes the links to the others."""
        for link in self._links:
            link.close()

    def _next(self, process: int, what: str) -> Message:
        """Returns the next gathered message of a process."""
        while not self._early[process]:
            sender, message = self._heard.get()
            self._early[sender].append(message)
        message = self._early[process].popleft()
        if message["gather"] != what:
            raise ProcessError(
                f"All processes must do the same. Received: {message['gather']} from process "
                f"{process}, but {what} in process {self.index}."
            )
        return message

    def _hear(self, sender: int, message: Message | None) -> None:
        """Takes a message, or the end of all messages; runs in the thread of a link."""
        if message is None:
            self._lose(f"Process {sender} of {self.count} has ended", sender)
        elif "gather" in message:
            if message["gather"] == END:  # now it may go
                self._ended.add(sender)
            self._failing |= message.get("failing", False)
            self._heard.put((sender, message))
        elif "failed" in message:
            self._lose(
                f"Process {message['process']} of {self.count} has failed: {message['failed']}",
                sender,
            )
        elif "want" in message:
            self._wanted = self._wanted or int(message["want"])
            if self.index == 0:
                self._tell_wanted()
        elif "stop" in message:
            self._stop = (int(message["stop"][0]), int(message["stop"][1]))
            self._links[0].send({"heard": True})
        elif "heard" in message:
            self._acknowledged.release()

    def _tell_wanted(self) -> None:
        for link in self._links:
            link.send({"want": self._wanted})

    def _lose(self, what: str, sender: int) -> None:
        if not self.watching or self._failing or sender in self._ended:
            return
        if self.index == 0:
            for place, link in enumerate(self._links):
                if place + 1 != sender:
                    link.send({"failed": f"it lost another one: {what}", "process": 0})
        print(
            f"\n{what}. Process {self.index} ends with it. The last saved state is kept: start all "
            "processes again to go on from it.",
            file=sys.stderr,
            flush=True,
        )
        try:
            free_all()
        finally:
            os._exit(LOST)

    def _goodbye(self) -> None:
        """Ends JAX's service in process 0 last: without it, JAX kills the others."""
        import jax

        if self.index:
            jax.distributed.shutdown()
            self.close()
            return
        deadline = time.monotonic() + GOODBYE_SECONDS
        for listener in self._listeners:
            listener.join(max(0.0, deadline - time.monotonic()))
        jax.distributed.shutdown()


_ONE = Processes()
_current = _ONE


def current_processes() -> Processes:
    """Returns the processes of this training: what `initialize_processes` returned, or one.

    Raises:
        ValueError: If there are several that `initialize_processes` does not know.
    """
    if not _current.several and keras.backend.backend() == "jax":
        import jax

        if jax.process_count() > 1:
            raise ValueError(
                "A training in several processes must be begun by "
                "keras_seq2seq.initialize_processes(), in place of keras.distribution.initialize()"
                f". Received: {jax.process_count()} processes of JAX."
            )
    return _current


def initialize_processes(timeout: float = TIMEOUT) -> Processes:
    """Joins the processes of one training, as Keras' environment variables name them.

    `KERAS_DISTRIBUTION_JOB_ADDRESSES` is HOST:PORT of process 0 (or of all, separated by commas),
    `KERAS_DISTRIBUTION_NUM_PROCESSES` their number, `KERAS_DISTRIBUTION_PROCESS_ID` that of this
    process. Call it before anything is computed, in place of keras.distribution.initialize, which
    it calls. Without these variables, or with one process, there is nothing to join.

    Args:
        timeout: float > 0. Seconds in which all processes must come.
    Returns:
        The processes, with `index`, `count` and `writes`.
    Raises:
        ProcessError: If a process does not come in time, or they do not fit each other.
        ValueError: If a variable is missing or wrong, or the backend is not JAX.
    """
    global _current
    count, index, address = process_environment()
    if count == 1 or _current.several:
        return _current
    if not timeout > 0:
        raise ValueError(f"`timeout` must be above 0. Received: {timeout}.")
    assert address is not None
    release = ", ".join(
        f"{name} {_version(name)}" for name in ("keras_seq2seq", "keras", "jax", "jaxlib")
    )
    if index:
        link = link_to_first(address, index, count, release, timeout)
        _current = Processes.of_other(index, count, link)
    else:
        _current = Processes(0, gathered_links(address[1], count, release, timeout))
    import jax

    # JAX would end this process by SIGABRT if another one is lost, and take SIGTERM for itself.
    jax.config.update("jax_enable_recoverability", True)
    jax.config.update("jax_enable_preemption_service", False)
    keras.distribution.initialize(f"{address[0]}:{address[1]}", count, index)
    atexit.register(_current._goodbye)
    return _current


def _version(name: str) -> str:
    return __version__ if name == "keras_seq2seq" else importlib.metadata.version(name)


def _differences(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns in words where the values of a process are not those of process 0."""
    return [
        f"{name}: {_short(found[0].get(name))} in process 0, {_short(other.get(name))} in "
        f"process {process}"
        for process, other in enumerate(found)
        for name in {**found[0], **other}
        if other.get(name) != found[0].get(name)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({digest(text)[:12]})"


def digest(text: str) -> str:
    """Returns the SHA-256 of a text, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
