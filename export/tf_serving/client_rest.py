"""Translates over REST with the standard library alone.

Usage: python client_rest.py "A man rides a horse." "Two dogs run." [--n-best 3]
"""

import argparse
import json
import urllib.error
import urllib.request
from typing import Any


def predict(url: str, signature: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Returns the outputs of a signature by name.

    Args:
        url: Of the model, such as "http://127.0.0.1:8501/v1/models/translator".
        signature: Such as "serving_default".
        inputs: Lists by name. REST fills in no defaults: name every input.
    Raises:
        ValueError: What the server says of a bad request.
        urllib.error.URLError: If there is no server.
    """
    content = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    request = urllib.request.Request(
        f"{url}:predict", content, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            outputs = json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)["error"]) from None
    return outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="+")
    parser.add_argument("--server", default="http://127.0.0.1:8501")
    parser.add_argument("--model", default="translator")
    parser.add_argument("--n-best", type=int, default=0, help="hypotheses of a beam search")
    given = parser.parse_args()
    url = f"{given.server}/v1/models/{given.model}"
    if given.n_best:
        sizes = {"beam_size": max(4, given.n_best), "num_hypotheses": given.n_best, "alpha": 0.6}
        outputs = predict(url, "translate", {"text": given.text, **sizes})
        for hypotheses in outputs["translations"]:
            print(*hypotheses, sep=" | ")
    else:
        outputs = predict(url, "serving_default", {"text": given.text})
        for translation, finished in zip(outputs["translation"], outputs["finished"], strict=True):
            print(translation, "" if finished else "[cut]")


if __name__ == "__main__":
    main()
