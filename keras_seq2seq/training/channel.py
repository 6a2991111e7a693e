"""Short messages between the processes of one training, over sockets to process 0."""

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

LONGEST_HELLO = 1000  # bytes; whatever else talks to the port is not one of the processes
RETRY_SECONDS = 0.2
Message = dict[str, Any]


class ProcessError(ConnectionError):
    """Another process of a training did not come, has ended or has failed."""


class Link:
    """A connection to one other process: lines of JSON.

    Args:
        connection: A connected socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A host that has lost its power says nothing: the kernel asks it now and then.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
        self._connection = connection
        self._file = connection.makefile("rb")
        self._lock = threading.Lock()
        self._listens = False

    def send(self, message: Message) -> None:
        """Sends one message; one that the other process can no longer read is lost."""
        line = json.dumps(message).encode("ascii") + b"\n"
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(line)

    def receive(self, most: int = -1) -> Message | None:
        """Returns the next message, or None after the last one.

        Args:
            most: int. Bytes that the message may have; -1 takes any number.
        """
        try:
            line = self._file.readline(most)
            found = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def listen(self, heard: Callable[[Message | None], None]) -> threading.Thread:
        """Gives each message to `heard` in the returned thread, and None after the last one."""

        def run() -> None:
            while (message := self.receive()) is not None:
                heard(message)
            self._file.close()
            heard(None)

        self._listens = True
        thread = threading.Thread(target=run, daemon=True, name="keras_seq2seq link")
        thread.start()
        return thread

    def close(self) -> None:
        """Closes the connection; whoever listens to it hears its end."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        if not self._listens:
            self._file.close()


def gathered_links(port: int, count: int, release: str, timeout: float) -> list[Link]:
    """Waits in process 0 for all others and returns the links to them, in their order.

    Args:
        port: int. Where they knock.
        count: int > 1. Number of processes.
        release: What all must run.
        timeout: float > 0. Seconds.
    Raises:
        ProcessError: If some do not come in time, or one comes twice or does not fit.
    """
    deadline = time.monotonic() + timeout
    links: dict[int, Link] = {}
    try:
        with contextlib.closing(_listening(port)) as door:
            while len(links) < count - 1:
                door.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    connection, address = door.accept()
                except TimeoutError:
                    raise _missing(count, links, timeout, port) from None
                _welcome(connection, str(address[0]), links, count, release)
        for link in links.values():
            link.send({"all": True})
    except BaseException as error:
        for link in links.values():
            link.send({"refused": str(error)})
            link.close()
        raise
    return [links[process] for process in range(1, count)]


def _listening(port: int) -> socket.socket:
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise ProcessError(
            f"Process 0 cannot listen on port {port} ({error.strerror}): another program, perhaps "
            "a training that has not ended yet, uses it. Nothing was changed. Name another port."
        ) from None


def _welcome(
    connection: socket.socket, host: str, links: dict[int, Link], count: int, release: str
) -> None:
    """Adds the link to a process that has knocked; ignores what is none."""
    connection.settimeout(RETRY_SECONDS * 10)
    hello: Any = None
    wrong = OSError, ValueError, RecursionError
    with contextlib.suppress(*wrong), connection.makefile("rb") as file:
        hello = json.loads(file.readline(LONGEST_HELLO))
    if not isinstance(hello, dict) or not isinstance(hello.get("process"), int):
        connection.close()
        return
    process = hello["process"]
    link = Link(connection)
    odd = None
    if hello.get("count") != count:
        odd = f"process {process} on {host} counts {hello.get('count')} processes, not {count}"
    elif process in links or not 0 < process < count:
        odd = f"two processes are number {process}, or it is not below {count}"
    elif hello.get("release") != release:
        odd = f"process {process} on {host} runs {hello.get('release')}, process 0 {release}"
    if odd:
        link.send({"refused": f"The processes of a training must fit each other: {odd}."})
        link.close()
        raise ProcessError(f"The processes of a training must fit each other. Received: {odd}.")
    links[process] = link


def _missing(count: int, links: dict[int, Link], timeout: float, port: int) -> ProcessError:
    missing = [str(process) for process in range(1, count) if process not in links]
    return ProcessError(
        f"{len(missing)} of {count} processes did not come within {timeout:g} s: process "
        f"{', '.join(missing)} has not reached port {port} of process 0. Nothing was changed. "
        "Start all processes within that time, see whether their hosts reach this one, or wait "
        "longer (distribution.timeout)."
    )


def link_to_first(
    address: tuple[str, int], process: int, count: int, release: str, timeout: float
) -> Link:
    """Connects to process 0, waits until all others have done so, and returns the link.

    Args:
        address: Host and port of process 0.
        process: int > 0. Number of this process.
        count: int > 1. Number of processes.
        release: What all must run.
        timeout: float > 0. Seconds.
    Raises:
        ProcessError: If process 0 does not come in time, or refuses.
    """
    deadline = time.monotonic() + timeout
    connection = None
    hello = {"process": process, "count": count, "release": release}
    while connection is None:
        try:
            connection = socket.create_connection(address, max(0.01, deadline - time.monotonic()))
        except OSError as error:
            if time.monotonic() + RETRY_SECONDS > deadline:
                raise ProcessError(
                    f"Process 0 was not reached within {timeout:g} s at {address[0]}:{address[1]} "
                    f"({error.strerror or error}). Nothing was changed. Start all processes within "
                    "that time, name the address of process 0, or wait longer "
                    "(distribution.timeout)."
                ) from None
            time.sleep(RETRY_SECONDS)
    link = Link(connection)
    link.send(hello)
    answers: queue.Queue[Message | None] = queue.Queue()
    threading.Thread(target=lambda: answers.put(link.receive()), daemon=True).start()
    try:
        # Process 0 tells who is missing; so it may be the first to give up.
        answer = answers.get(timeout=max(0.01, deadline - time.monotonic()) + 10)
    except queue.Empty:
        answer = None
    if answer is None or "all" not in answer:
        link.close()
        told = (answer or {}).get("refused") or (
            f"Process 0 at {address[0]}:{address[1]} has ended, or has not answered within "
            f"{timeout:g} s. Nothing was changed. Start all processes again."
        )
        raise ProcessError(str(told))
    return link
