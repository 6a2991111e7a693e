"""Translates over gRPC: pip install grpcio tensorflow-serving-api.

Usage: python client_grpc.py "A man rides a horse." "Two dogs run." [--n-best 3]
"""

import argparse
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def predict(
    channel: grpc.Channel, model: str, signature: str, inputs: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Returns the outputs of a signature by name.

    Args:
        channel: Such as grpc.insecure_channel("127.0.0.1:8500").
        model: Name of the model.
        signature: Such as "serving_default".
        inputs: Arrays by name, of the signature's dtypes; those with a default may be left out.
    Raises:
        grpc.RpcError: With INVALID_ARGUMENT and what was wrong with the request.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.Predict(request, timeout=30)
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="+")
    parser.add_argument("--server", default="127.0.0.1:8500")
    parser.add_argument("--model", default="translator")
    parser.add_argument("--n-best", type=int, default=0, help="hypotheses of a beam search")
    given = parser.parse_args()
    inputs: dict[str, Any] = {"text": given.text}
    with grpc.insecure_channel(given.server) as channel:
        if given.n_best:
            inputs["beam_size"] = np.int32(max(4, given.n_best))
            inputs["num_hypotheses"] = np.int32(given.n_best)
            outputs = predict(channel, given.model, "translate", inputs)
            for hypotheses in outputs["translations"]:
                print(*(text.decode() for text in hypotheses), sep=" | ")
        else:
            outputs = predict(channel, given.model, "serving_default", inputs)
            for translation, finished in zip(
                outputs["translation"], outputs["finished"], strict=True
            ):
                print(translation.decode(), "" if finished else "[cut]")


if __name__ == "__main__":
    main()
