"""Answers as TensorFlow Serving does, over REST and gRPC, with the real SavedModel in the C API.

No server can be installed here. Versions, labels and errors follow the server's sources
(http_rest_api_handler.cc, server_core.cc, get_model_status_impl.cc).
"""

import base64
import concurrent.futures
import contextlib
import csv
import http.server
import json
import os
import re
import subprocess
import threading
import time

from conftest import ROOT
from saved_model_c_api import SavedModelSession, StatusError

KIT = ROOT / "export" / "tf_serving"
STATUS = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"


class NotFound(Exception):
    """A model, version or label that the server does not have."""


class Models:
    """The models of a server: {name: {version: session}}, and labels {name: version}."""

    def __init__(self, sessions, labels):
        self.sessions, self.labels = sessions, labels

    @classmethod
    def of(cls, folder, labels):
        """Loads every version of `translator` in a folder that prepare.sh has filled."""
        versions = (folder / "translator").iterdir()
        return cls({"translator": {int(v.name): SavedModelSession(v) for v in versions}}, labels)

    def session(self, model, version=None, label=None):
        if model not in self.sessions:
            raise NotFound(f"Servable not found for request: Latest({model})")
        if label is not None:
            if label not in self.labels:
                raise NotFound(f"Unrecognized servable version label: {label}")
            version = self.labels[label]
        versions = self.sessions[model]
        version = max(versions) if version is None else int(version)
        if version not in versions:
            raise NotFound(f"Servable not found for request: Specific({model}, {version})")
        return versions[version]


class RestHandler(http.server.BaseHTTPRequestHandler):
    """Answers POST .../MODEL:predict, and GET .../MODEL with the states of its versions."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            session = self.session(":predict")
            takes = session.signatures[body["signature_name"]][0]
            if missing := set(takes) - set(body["inputs"]):  # REST fills in no defaults
                return self.answer(400, {"error": f"Missing named inputs: {sorted(missing)}"})
            inputs = {name: decoded(value) for name, value in body["inputs"].items()}
            outputs = session.run(body["signature_name"], inputs)
        except NotFound as error:
            return self.answer(404, {"error": str(error)})
        except StatusError as error:
            return self.answer(400, {"error": str(error)})
        return self.answer(200, {"outputs": outputs})

    def do_GET(self):
        state = self.server.state
        try:
            self.session("")
        except NotFound as error:
            return self.answer(404, {"error": str(error)})
        return self.answer(200, {"model_version_status": [{"version": "3", "state": state}]})

    def session(self, verb):
        found = re.fullmatch(STATUS + verb, self.path)
        return self.server.models.session(**found.groupdict())

    def answer(self, status, content):
        # JSON has no NaN: one would fail here, as it does in a strict client.
        text = json.dumps(content, indent=1, allow_nan=False).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


def decoded(value):
    if isinstance(value, list):
        return [decoded(one) for one in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


@contextlib.contextmanager
def rest_server(models, *, state="AVAILABLE", handler=RestHandler):
    """Yields the port of a REST server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.models, server.state = models, state
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def replies(content, *, status=200, seconds=0.0):
    """Returns a handler that answers every request with the same bytes, after a while."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(seconds)
            with contextlib.suppress(OSError):  # the client has gone
                self.send_response(status)
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    return Handler


@contextlib.contextmanager
def grpc_server(models, *, credentials=None, seconds=0.0):
    """Yields the port of a gRPC server."""
    import grpc
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            time.sleep(seconds)
            spec = request.model_spec
            version = spec.version.value if spec.HasField("version") else None
            inputs = {name: tf.make_ndarray(t).tolist() for name, t in request.inputs.items()}
            try:
                session = models.session(spec.name, version, spec.version_label or None)
                outputs = session.run(spec.signature_name, inputs)
            except NotFound as error:
                context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            except StatusError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            response = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(np.array(value)))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    address = "localhost:0"
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(None)


FAKE_DOCKER = """#!/usr/bin/env python3
import json, sys
print(json.dumps(sys.argv[1:]))
"""


def serve(cwd, *arguments, **environment):
    """Runs serve.sh with a docker that prints its arguments; returns these and the mounts."""
    (cwd / "bin").mkdir(exist_ok=True)
    (cwd / "bin" / "docker").write_text(FAKE_DOCKER)
    (cwd / "bin" / "docker").chmod(0o755)
    path = f"{cwd / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(KIT / "serve.sh"), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env={**os.environ, "PATH": path, **environment},
    )
    if done.returncode:
        return done.returncode, done.stderr
    given = json.loads(done.stdout)
    # docker reads the value of --mount as a row of CSV.
    rows = next(csv.reader([given[given.index("--mount") + 1]]))
    return given, dict(field.split("=", 1) for field in rows if "=" in field)
