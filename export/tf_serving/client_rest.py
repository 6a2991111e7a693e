"""Translates over REST with the standard library alone.

Exit status: 0; 1 if the server refuses the request, for example because it has no such version;
2 for wrong options; 3 without a usable answer: no server, too late, or not that of a translator.

Usage: python client_rest.py "A man rides a horse." "Two dogs run." [--n-best 3] [--label stable]
"""

import argparse
import base64
import http.client
import json
import os
import re
import sys
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

REFUSED, NO_ANSWER = 1, 3
CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories; joiners and no-break spaces stay
BUSY = (502, 503, 504)  # nobody behind a proxy, a full queue, not in time


class NoAnswer(ConnectionError):
    """No usable answer: nobody there, not in time, or not in the form of TensorFlow Serving."""


def predict(
    url: str, signature: str, inputs: dict[str, Any], *, timeout: float = 30
) -> dict[str, Any]:
    """Returns the outputs of a signature by name.

    Args:
        url: Of the model, such as "http://127.0.0.1:8501/v1/models/translator", of one version,
            with "/versions/2" after that, or of a label, with "/labels/stable".
        signature: Such as "serving_default".
        inputs: Lists by name. REST fills in no defaults: name every input.
        timeout: float > 0. Seconds to wait for the connection, and for each part of the answer.
    Raises:
        ValueError: What the server says of a request that it refuses.
        NoAnswer: If there is no answer in time, or one that no TensorFlow Serving gives.
    """
    content = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    request = urllib.request.Request(
        f"{url}:predict", content, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer = response.read()
    except urllib.error.HTTPError as error:
        if error.code in BUSY:
            raise NoAnswer(f"{url} gave no answer: {_refusal(error)}") from None
        raise ValueError(_refusal(error)) from None
    except TimeoutError:
        raise NoAnswer(f"{url} did not answer within {timeout:g} seconds.") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise NoAnswer(f"{url} did not answer within {timeout:g} seconds.") from None
        raise NoAnswer(f"{url} cannot be reached: {error.reason}.") from None
    except (http.client.HTTPException, OSError) as error:
        raise NoAnswer(f"{url} broke the connection off: {error!r}.") from None
    try:
        outputs = json.loads(answer)["outputs"]
    except (ValueError, LookupError, TypeError):
        outputs = None
    if not isinstance(outputs, dict):
        raise NoAnswer(f"{url} gave no answer of TensorFlow Serving: {answer[:200]!r}")
    return outputs


def _refusal(error: urllib.error.HTTPError) -> str:
    """Returns what a server says of a request that it refuses; a proxy does not say it in JSON."""
    try:
        content = error.read()
    except (http.client.HTTPException, OSError):
        content = b""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, LookupError, TypeError):
        return f"HTTP status {error.code}: {content[:200]!r}"


def model_url(
    server: str, model: str, *, version: int | None = None, label: str | None = None
) -> str:
    """Returns the address of a model; without version and label, of its highest version.

    Raises:
        ValueError: If `server` is no address of HTTP, or there are both a version and a label.
    """
    try:
        parts = urllib.parse.urlsplit(server)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is no number
        is_address = False
    if not is_address:
        raise ValueError(f"A server must be as http://HOST:PORT. Received: {server!r}.")
    if version is not None and label is not None:
        raise ValueError(f"Name a version or a label. Received: {version} and {label!r}.")
    url = f"{server.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"
    if label is not None:
        return f"{url}/labels/{urllib.parse.quote(label, safe='')}"
    return url if version is None else f"{url}/versions/{version}"


def encoded(text: str) -> Any:
    """Returns a text as JSON takes it: bytes of the command line that are not UTF-8 in base 64."""
    content = os.fsencode(text)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(content).decode()}


def translated(url: str, texts: list[str], n_best: int, timeout: float) -> list[str]:
    """Returns a line for each text: its translation, or its hypotheses with " | " between them."""
    inputs: dict[str, Any] = {"text": [encoded(text) for text in texts]}
    name = "translations" if n_best else "translation"
    if n_best:
        inputs |= {"beam_size": max(4, n_best), "num_hypotheses": n_best, "alpha": 0.6}
    signature = "translate" if n_best else "serving_default"
    outputs = predict(url, signature, inputs, timeout=timeout)
    found, finished = outputs.get(name), outputs.get("finished")
    if not (_is_rows(found, len(texts)) and _is_rows(finished, len(texts))):
        raise NoAnswer(
            f"{url} is no translator: `{signature}` gave {sorted(outputs)}, and not a row of "
            f"`{name}` and `finished` for each of {len(texts)} texts."
        )
    if n_best:
        return [" | ".join(map(str, row)) for row in found]
    return [f"{text}{'' if all_ else ' [cut]'}" for text, all_ in zip(found, finished, strict=True)]


def _is_rows(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count


def options(server: str, description: str | None) -> argparse.ArgumentParser:
    """Returns the options of a client."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="+")
    parser.add_argument("--server", default=server, help="default: %(default)s")
    parser.add_argument("--model", default="translator", help="default: %(default)s")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=_positive(int), help="default: the highest one")
    which.add_argument("--label", type=_label, help="name of a version in model.config")
    parser.add_argument("--n-best", type=_positive(int), default=0, help="hypotheses of a beam")
    parser.add_argument(
        "--timeout", type=_positive(float), default=30.0, help="seconds, default: %(default)s"
    )
    return parser


def _positive(kind: Any) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < 2**63:
            raise argparse.ArgumentTypeError(f"must be above 0. Received: {text}.")
        return value

    number.__name__ = kind.__name__
    return number


def _label(text: str) -> str:
    if not re.fullmatch(r"\w+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be letters, digits and _. Received: {text!r}.")
    return text


def printable(text: str) -> str:
    """Returns a foreign text without what a terminal would obey, on one line."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in CONTROLS else c
        for c in text
    )


def main() -> int:
    parser = options("http://127.0.0.1:8501", __doc__)
    given = parser.parse_args()
    try:
        url = model_url(given.server, given.model, version=given.version, label=given.label)
    except ValueError as error:
        parser.error(str(error))
    try:
        lines = translated(url, given.text, given.n_best, given.timeout)
    except NoAnswer as error:
        print(printable(str(error)), file=sys.stderr)
        return NO_ANSWER
    except ValueError as error:
        print(f"Refused: {printable(str(error))}", file=sys.stderr)
        return REFUSED
    for line in lines:
        print(printable(line))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main())
