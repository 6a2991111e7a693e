"""Runs the application on a socket until a signal asks it to stop."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from keras_seq2seq.installed import missing_package

BACKLOG = 2048


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """Yields a socket that has its address and does not listen yet.

    So a port in use is told before a model is loaded, and nobody waits for one that is not ready.

    Args:
        host: Address, or name of one.
        port: int, 0 to 65535. 0 takes a free one.
    Raises:
        ValueError: If there is no such port.
        OSError: If the address cannot be had.
    """
    if not 0 <= port <= 65535:  # the system would take its last 16 bits
        raise ValueError(f"`port` must be 0 to 65535. Received: {port}.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(f"{host}:{port} cannot be served: {error.strerror or error}.") from None
    with listening:
        try:
            if os.name == "posix":  # elsewhere two servers could share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError as error:
            raise OSError(
                f"{host}:{port} cannot be served: {error.strerror}. Stop what listens there, or "
                "name another `port`."
            ) from None
        yield listening


def address(listening: socket.socket) -> str:
    """Returns where a socket is reached, as a URL."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Any, listening: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what was accepted, and raises that signal again.

    Args:
        app: An ASGI application.
        listening: From `bound`.
        ready: Called when requests are answered.
    Raises:
        ImportError: If uvicorn is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise missing_package("A server needs uvicorn", "serve", error) from error
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, backlog=BACKLOG, ws="none"
    )
    listening.listen(BACKLOG)
    ready()
    uvicorn.Server(config).run([listening])
