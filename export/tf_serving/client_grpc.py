"""Translates over gRPC: pip install grpcio tensorflow-serving-api.

Exit status: 0; 1 if the server refuses the request, for example because it has no such version;
2 for wrong options; 3 without a usable answer: no server, too late, or not that of a translator.

Usage: python client_grpc.py "A man rides a horse." "Two dogs run." [--n-best 3] [--label stable]
"""

import os
import sys
from typing import Any

try:
    import grpc
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
except ImportError as error:
    sys.exit(f"This client needs: pip install grpcio tensorflow-serving-api ({error}).")

from client_rest import NO_ANSWER, REFUSED, options, printable

# What a client can meet without a mistake in the request; the others are refusals.
NO_ANSWERS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# gRPC's own limit is 4 MiB, fewer than the states of a large batch.
CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def predict(
    channel: grpc.Channel,
    model: str,
    signature: str,
    inputs: dict[str, Any],
    *,
    version: int | None = None,
    label: str | None = None,
    timeout: float = 30,
) -> dict[str, np.ndarray]:
    """Returns the outputs of a signature by name.

    Args:
        channel: Such as grpc.insecure_channel("127.0.0.1:8500").
        model: Name of the model.
        signature: Such as "serving_default".
        inputs: Arrays by name, of the signature's dtypes; those with a default may be left out.
        version: int > 0. Its version; None means the highest one.
        label: Name of a version in model.config, instead of `version`.
        timeout: float > 0. Seconds until the answer must be there.
    Raises:
        grpc.RpcError: With INVALID_ARGUMENT or NOT_FOUND and what was wrong with the request, with
            UNAVAILABLE or DEADLINE_EXCEEDED if no answer came.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.Predict(request, timeout=timeout)
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def translated(channel: grpc.Channel, texts: list[str], n_best: int, **which: Any) -> list[str]:
    """Returns a line for each text: its translation, or its hypotheses with " | " between them.

    Raises:
        ValueError: If the model is no translator.
    """
    inputs: dict[str, Any] = {"text": [os.fsencode(text) for text in texts]}
    if n_best:
        inputs["beam_size"] = np.int32(max(4, n_best))
        inputs["num_hypotheses"] = np.int32(n_best)
    signature = "translate" if n_best else "serving_default"
    outputs = predict(channel, signature=signature, inputs=inputs, **which)
    name = "translations" if n_best else "translation"
    shapes = [np.shape(outputs.get(key))[:1] for key in (name, "finished")]
    if shapes != [(len(texts),)] * 2:
        raise ValueError(
            f"The model is no translator: `{signature}` gave {sorted(outputs)}, and not a row of "
            f"`{name}` and `finished` for each of {len(texts)} texts."
        )
    rows = zip(outputs[name], outputs["finished"], strict=True)
    if n_best:
        return [" | ".join(text.decode() for text in hypotheses) for hypotheses, _ in rows]
    return [f"{text.decode()}{'' if finished else ' [cut]'}" for text, finished in rows]


def open_channel(server: str, ca: str | None, key: str | None, cert: str | None) -> grpc.Channel:
    """Opens a channel; with `ca`, a file of PEM certificates, with TLS."""
    if ca is None:
        return grpc.insecure_channel(server, CHANNEL)
    contents = [None if path is None else _read(path) for path in (ca, key, cert)]
    return grpc.secure_channel(server, grpc.ssl_channel_credentials(*contents), CHANNEL)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def main() -> int:
    parser = options("127.0.0.1:8500", __doc__)
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust, PEM: use TLS")
    parser.add_argument("--key", metavar="FILE", help="key of the client's own certificate")
    parser.add_argument("--cert", metavar="FILE", help="the client's own certificate")
    given = parser.parse_args()
    if "://" in given.server:
        parser.error(f"--server must be HOST:PORT. Received: {given.server}.")
    if (given.key or given.cert) and not (given.ca and given.key and given.cert):
        parser.error("--key and --cert must come together, and with --ca.")
    which = {"model": given.model, "version": given.version, "label": given.label}
    try:
        with open_channel(given.server, given.ca, given.key, given.cert) as channel:
            lines = translated(channel, given.text, given.n_best, timeout=given.timeout, **which)
    except OSError as error:
        parser.error(f"{error.filename} cannot be read: {error.strerror}.")
    except grpc.RpcError as error:
        code, details = error.code(), printable(str(error.details()))
        if code in NO_ANSWERS:
            print(f"{given.server} gave no answer: {code.name}: {details}", file=sys.stderr)
            return NO_ANSWER
        print(f"Refused: {code.name}: {details}", file=sys.stderr)
        return REFUSED
    except ValueError as error:
        print(printable(str(error)), file=sys.stderr)
        return NO_ANSWER
    for line in lines:
        print(printable(line))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main())
