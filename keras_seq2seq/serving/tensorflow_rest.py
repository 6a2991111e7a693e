"""TensorFlow Serving's REST interface, so that its clients can ask this server too.

Paths, forms, statuses and messages follow its http_rest_api_handler.cc and json_tensor.cc.
"""

import base64
import binascii
import dataclasses
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_seq2seq.decoding.hypothesis import FORBIDDEN
from keras_seq2seq.serving.service import (
    BAD_REQUEST,
    NOT_FOUND,
    Gone,
    Refused,
    TranslationService,
)
from keras_seq2seq.text.lines import clean_text
from keras_seq2seq.translation import Translation

_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
PREDICT = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_WHICH}:(?P<verb>classify|regress|predict)", re.I
)
STATUS = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_WHICH}(?P<metadata>/metadata)?", re.I)
STRING, FLOAT, INT, BOOL = "DT_STRING", "DT_FLOAT", "DT_INT32", "DT_BOOL"
DEFAULT = "serving_default"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of the model: dtype and rank of each tensor by its name."""

    inputs: Mapping[str, tuple[str, int]]
    outputs: Mapping[str, tuple[str, int]]


# As in the SavedModel of a bundle; docs/bundle.md explains them.
SIGNATURES = {
    DEFAULT: Signature(
        {"text": (STRING, 1)},
        {
            "translation": (STRING, 1),
            "score": (FLOAT, 1),
            "confidence": (FLOAT, 1),
            "finished": (BOOL, 1),
        },
    ),
    "translate": Signature(
        {
            "text": (STRING, 1),
            "beam_size": (INT, 0),
            "num_hypotheses": (INT, 0),
            "alpha": (FLOAT, 0),
        },
        {
            "translations": (STRING, 2),
            "scores": (FLOAT, 2),
            "rankings": (FLOAT, 2),
            "confidences": (FLOAT, 2),
            "finished": (BOOL, 2),
        },
    ),
}


class TensorFlowRest:
    """Answers requests as TensorFlow Serving does.

    Args:
        service: What translates.
    """

    def __init__(self, service: TranslationService) -> None:
        self.service = service

    def get(self, path: str) -> dict[str, Any]:
        """Returns the status or the metadata of the model.

        Args:
            path: Of the request.
        Raises:
            Refused: If there is no such model.
        """
        found = STATUS.fullmatch(path)
        if found is None:
            raise Refused(BAD_REQUEST, f"Malformed request: GET {path}")
        if found["name"] is None:
            raise Refused(BAD_REQUEST, "Missing model name in request.")
        model = self.service.model
        if found["metadata"]:
            self._check_model(found)
            spec = {"name": model.name, "signature_name": "", "version": str(model.version)}
            signatures = {name: _described(name, one) for name, one in SIGNATURES.items()}
            return {
                "model_spec": spec,
                "metadata": {"signature_def": {"signature_def": signatures}},
            }
        if found["name"] != model.name:
            raise Refused(NOT_FOUND, f"Could not find any versions of model {found['name']}")
        if found["version"] is not None and int(found["version"]) != model.version:
            raise Refused(
                NOT_FOUND, f"Could not find version {found['version']} of model {model.name}"
            )
        self._check_model(found)
        status = {"error_code": "OK", "error_message": ""}
        entry = {"version": str(model.version), "state": "AVAILABLE", "status": status}
        return {"model_version_status": [entry]}

    async def post(self, path: str, body: bytes, gone: Gone) -> dict[str, Any]:
        """Translates.

        Args:
            path: Of the request.
            body: JSON, in row form ("instances") or in column form ("inputs").
            gone: Waits until the client has gone.
        Returns:
            {"predictions": [...]} or {"outputs": {...}}.
        Raises:
            Refused: If the model does not exist, or the request is not in one of these forms.
        """
        found = PREDICT.fullmatch(path)
        if found is None:
            raise Refused(BAD_REQUEST, f"Malformed request: POST {path}")
        self._check_model(found)
        if (verb := found["verb"].lower()) != "predict":
            raise Refused(
                BAD_REQUEST,
                f"Expected the method_name of a signature to be tensorflow/serving/{verb}. "
                "Was: tensorflow/serving/predict",
            )
        given = _parsed(body)
        name = given.get("signature_name", "")
        if not isinstance(name, str):
            raise Refused(BAD_REQUEST, "'signature_name' key must be a string value.")
        name = name or DEFAULT
        if name not in SIGNATURES:
            raise Refused(
                BAD_REQUEST,
                f'Serving signature name: "{name}" not found in signature def. This server has '
                f"{', '.join(SIGNATURES)}.",
            )
        in_rows, inputs = _inputs(given, SIGNATURES[name])
        outputs = await self._outputs(name, inputs, gone)
        if not in_rows:
            return {"outputs": outputs}
        rows = zip(*outputs.values(), strict=True)
        return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}

    def _check_model(self, found: re.Match[str]) -> None:
        model = self.service.model
        if found["name"] != model.name:
            raise Refused(NOT_FOUND, f"Servable not found for request: Latest({found['name']})")
        if found["label"] is not None:
            raise Refused(NOT_FOUND, f"Unrecognized servable version label: {found['label']}")
        if found["version"] is not None and int(found["version"]) != model.version:
            version = int(found["version"])
            raise Refused(
                NOT_FOUND, f"Servable not found for request: Specific({model.name}, {version})"
            )

    async def _outputs(self, name: str, inputs: dict[str, Any], gone: Gone) -> dict[str, Any]:
        texts = inputs.pop("text")
        if name == DEFAULT:
            best = [one for one, *_ in await self.service.translate(texts, gone)]
            columns = _columns(best)
            return {
                "translation": columns["translations"],
                "score": columns["scores"],
                "confidence": columns["confidences"],
                "finished": columns["finished"],
            }
        beam = self.service.n_best(**inputs)
        rows = [
            _columns([*found, *[None] * (beam.num_hypotheses - len(found))])
            for found in await self.service.translate(texts, gone, beam)
        ]
        return {key: [row[key] for row in rows] for key in SIGNATURES[name].outputs}


def _columns(found: Sequence[Translation | None]) -> dict[str, list[Any]]:
    """Returns the outputs of some translations; None is one that does not exist."""
    return {
        "translations": [one.text if one else "" for one in found],
        "scores": [_float(one.score if one else FORBIDDEN) for one in found],
        "rankings": [
            _float(FORBIDDEN if one is None else one.hypothesis.ranking or 0.0) for one in found
        ],
        "confidences": [_float(one.confidence if one else 0.0) for one in found],
        "finished": [bool(one and one.hypothesis.finished) for one in found],
    }


def _float(value: float) -> float:
    """Returns a float32 with the fewest digits that tell it from others."""
    return float(str(np.float32(value)))


def _parsed(body: bytes) -> dict[str, Any]:
    if not body:
        raise Refused(BAD_REQUEST, "JSON Parse error: The document is empty")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(BAD_REQUEST, f"JSON Parse error: {error}") from None
    if not isinstance(given, dict):
        raise Refused(BAD_REQUEST, f"JSON Value: {_short(given)} Is not object")
    return given


def _inputs(given: dict[str, Any], signature: Signature) -> tuple[bool, dict[str, Any]]:
    """Returns whether a request is in row form, and its inputs by name."""
    if ("instances" in given) == ("inputs" in given):
        told = "Missing 'inputs' or 'instances' key"
        if "inputs" in given:
            told = (
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to "
                "exist"
            )
        raise Refused(BAD_REQUEST, told)
    if "inputs" in given:
        inputs = _of_columns(given["inputs"], signature)
    else:
        inputs = _of_rows(given["instances"], signature)
    return "instances" in given, {
        name: _tensor(name, inputs[name], *kind) for name, kind in signature.inputs.items()
    }


def _of_columns(inputs: Any, signature: Signature) -> dict[str, Any]:
    if not isinstance(inputs, dict) or _is_base64(inputs):
        if len(signature.inputs) > 1:
            raise Refused(
                BAD_REQUEST,
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map",
            )
        return dict.fromkeys(signature.inputs, inputs)
    for name in signature.inputs:
        if name not in inputs:
            raise Refused(BAD_REQUEST, f"Missing named input: {name} in 'inputs' object.")
    return inputs


def _of_rows(instances: Any, signature: Signature) -> dict[str, Any]:
    if not isinstance(instances, list):
        raise Refused(BAD_REQUEST, "Excepting 'instances' to be an list/array")
    if not instances:
        raise Refused(BAD_REQUEST, "No values in 'instances' array")
    named = isinstance(instances[0], dict) and not _is_base64(instances[0])
    if not named and len(signature.inputs) > 1:
        raise Refused(
            BAD_REQUEST,
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        )
    (first, *_) = signature.inputs
    rows = []
    for place, one in enumerate(instances):
        if (isinstance(one, dict) and not _is_base64(one)) != named:
            kinds = ("object", "list") if named else ("value/list", "object")
            raise Refused(
                BAD_REQUEST,
                f"Expecting {kinds[0]} but got {kinds[1]} at item {place} of input list",
            )
        row = one if named else {first: one}
        if set(row) != set(signature.inputs):
            raise Refused(
                BAD_REQUEST,
                f"Failed to process element: {place} of 'instances' list. JSON object: "
                f"{_short(one)} keys must be equal to: {','.join(sorted(signature.inputs))}",
            )
        rows.append(row)
    return {name: [row[name] for row in rows] for name in signature.inputs}


def _tensor(name: str, value: Any, dtype: str, rank: int) -> Any:
    """Returns a vector of texts, or one number."""
    if rank == 0:
        if isinstance(value, list):
            raise Refused(
                BAD_REQUEST,
                f"Tensor {name} must be a scalar; in row form every input is a vector, so use "
                f"'inputs'. Received: {_short(value)}",
            )
        is_number = isinstance(value, int | float if dtype == FLOAT else int)
        if not is_number or isinstance(value, bool):
            raise _type_error(value, "float" if dtype == FLOAT else "int32")
        return value
    if not isinstance(value, list):
        raise Refused(
            BAD_REQUEST,
            f"Shape of tensor {name} [] is not compatible with expected shape [?]; send a list.",
        )
    return [_text(name, one) for one in value]


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        raise Refused(
            BAD_REQUEST,
            f"Shape of tensor {name} [?,?] is not compatible with expected shape [?]; send one "
            "list of strings.",
        )
    if not isinstance(value, dict):
        raise _type_error(value, "string")
    if not _is_base64(value):
        raise Refused(
            BAD_REQUEST, f"JSON Value: {_short(value)} not formatted correctly for base64 data"
        )
    try:
        return clean_text(base64.b64decode(value["b64"], validate=True))
    except (binascii.Error, ValueError):
        raise Refused(BAD_REQUEST, "Unable to base64 decode") from None


def _is_base64(value: dict[str, Any]) -> bool:
    return list(value) == ["b64"] and isinstance(value["b64"], str)


def _type_error(value: Any, dtype: str) -> Refused:
    kinds = {bool: str(value), str: "String", type(None): "Null", dict: "Object", list: "Array"}
    kind = kinds.get(type(value), "Number")
    return Refused(
        BAD_REQUEST,
        f"JSON Value: {_short(value)} Type: {kind} is not of expected type: {dtype}",
    )


def _short(value: Any) -> str:
    return reprlib.repr(value)


def _described(name: str, signature: Signature) -> dict[str, Any]:
    """Returns a signature as the server prints a SignatureDef."""

    def tensors(side: Mapping[str, tuple[str, int]], prefix: str) -> dict[str, Any]:
        return {
            tensor: {
                "dtype": dtype,
                "tensor_shape": {
                    "dim": [{"size": "-1", "name": ""}] * rank,
                    "unknown_rank": False,
                },
                "name": f"{prefix}_{tensor}:0",
            }
            for tensor, (dtype, rank) in side.items()
        }

    return {
        "inputs": tensors(signature.inputs, name),
        "outputs": tensors(signature.outputs, "StatefulPartitionedCall"),
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
