"""The application of `serve` on a free port, in this process or its own, and a client for it."""

import contextlib
import http.client
import json
import re
import threading

import uvicorn
from command_line import default_signals, released_bundle, started

from keras_seq2seq.serving.app import build_app
from keras_seq2seq.serving.server import bound

SOON = 60  # seconds; what takes longer hangs


class Client:
    """Asks a server at a port; every call is a connection of its own."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=()):
        """Returns the status, the headers and the content, parsed if it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        with contextlib.closing(connection):
            given = dict(headers)
            if body is not None and not isinstance(body, bytes):
                given["Content-Type"] = "application/json"
                body = json.dumps(body).encode()
            connection.request(method, path, body, given)
            response = connection.getresponse()
            content = response.read()
            if response.getheader("Content-Type") == "application/json":
                content = json.loads(content, parse_constant=_refused)
            return response.status, response.headers, content

    def get(self, path, **options):
        """Returns the status and the content."""
        status, _, content = self.ask("GET", path, **options)
        return status, content

    def post(self, path, body, **options):
        """Returns the status and the content."""
        status, _, content = self.ask("POST", path, body, **options)
        return status, content


def _refused(constant):
    raise ValueError(f"JSON has no {constant}")


@contextlib.contextmanager
def served(service, **options):
    """Yields a client of a server over a service."""
    with bound("127.0.0.1", 0) as listening:
        config = uvicorn.Config(build_app(service, **options), log_config=None, ws="none")
        server = uvicorn.Server(config)
        listening.listen()
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(SOON)


@contextlib.contextmanager
def serving(*options):
    """Yields the process of a server that is ready, a client, and what it said."""
    process = started("serve", released_bundle(), "--port", "0", *options, prepared=default_signals)
    try:
        told = ""
        for line in process.stderr:
            told += line.decode()
            if found := re.search(r" at http://127\.0\.0\.1:(\d+): ", told):
                break
        else:
            raise AssertionError(told)
        yield process, Client(int(found[1])), told
    finally:
        process.kill()
        process.communicate()
