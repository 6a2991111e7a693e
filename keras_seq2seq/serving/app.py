"""The HTTP application: routes, bodies, keys, errors."""

import functools
import importlib.resources
import json
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from keras_seq2seq.installed import missing_package
from keras_seq2seq.serving.libre_translate import LibreTranslate
from keras_seq2seq.serving.metrics import Metrics
from keras_seq2seq.serving.service import (
    BAD_REQUEST,
    BUSY,
    CLIENT_GONE,
    FAILED,
    LOG,
    TOO_LARGE,
    UNAUTHORIZED,
    Refused,
    TranslationService,
)
from keras_seq2seq.serving.tensorflow_rest import TensorFlowRest
from keras_seq2seq.version import __version__

PAGE = "page.html"
# The page loads nothing from elsewhere and is shown in no frame of another page.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Seconds after which a busy server may be asked again.
RETRY_AFTER = 1
_EXAMPLE = {"q": "They are watching.", "source": "en", "target": "fr", "format": "text"}


def build_app(
    service: TranslationService, *, allow_origins: Sequence[str] = (), metrics: bool = True
) -> Any:
    """Returns a FastAPI application, for uvicorn or another ASGI server.

    Args:
        service: What translates; its queue stays open when the application stops.
        allow_origins: Origins of web pages whose scripts may ask this server; "*" is any.
        metrics: Whether there is `/metrics`.
    Raises:
        ImportError: If FastAPI is not installed.
    """
    try:
        import fastapi
        from fastapi.middleware.cors import CORSMiddleware
        from starlette.exceptions import HTTPException
    except ImportError as error:
        raise missing_package("A server needs FastAPI", "serve", error) from error
    app = fastapi.FastAPI(title="keras_seq2seq", version=__version__, redoc_url=None)
    _Routes(service, Metrics(service.queue) if metrics else None).add_to(app)
    app.add_exception_handler(HTTPException, _not_found)
    if allow_origins:
        allowed = {"allow_methods": ["GET", "POST"], "allow_headers": ["*"]}
        app.add_middleware(CORSMiddleware, allow_origins=list(allow_origins), **allowed)
    return app


class _Routes:
    """Answers requests.

    Args:
        service: What translates.
        metrics: What counts them, or None.
    """

    def __init__(self, service: TranslationService, metrics: Metrics | None) -> None:
        self.service = service
        self.metrics = metrics
        self.tensorflow = TensorFlowRest(service)
        self.libre = LibreTranslate(service)
        self.page = importlib.resources.files(__package__).joinpath(PAGE).read_text("utf-8")

    def add_to(self, app: Any) -> None:
        """Adds all routes."""
        add = functools.partial(self._add, app)
        add("GET", "/", "page", self._page, "A page to translate on.")
        add("GET", "/health", "health", self._health, "Whether the server answers.")
        add("GET", "/languages", "languages", self._languages, "The pair of languages.")
        add("GET", "/frontend/settings", "settings", self._settings, "Limits, for front ends.")
        body = _body_like(_EXAMPLE)
        told = "Translates a text or a list of texts; as JSON or as a form."
        add("POST", "/translate", "translate", self._translate, told, body)
        add("POST", "/detect", "detect", self._detect, "Not implemented.")
        if self.metrics is not None:
            add("GET", "/metrics", "metrics", self._metrics, "Metrics for Prometheus.")
        body = _body_like({"instances": ["They are watching."]})
        told = "TensorFlow Serving: /v1/models/NAME:predict."
        add("POST", "/v1/{rest:path}", "predict", self._predict, told, body)
        told = "TensorFlow Serving: /v1/models/NAME, also with /versions/N and /metadata."
        add("GET", "/v1/{rest:path}", "status", self._status, told)

    def _add(
        self,
        app: Any,
        method: str,
        path: str,
        name: str,
        answer: Callable[[Any], Awaitable[Any]],
        summary: str,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        import fastapi

        async def endpoint(request: fastapi.Request) -> fastapi.Response:
            return await self._answered(name, answer, request)

        extra = {"requestBody": body} if body else None
        told: dict[str, Any] = {"name": name, "summary": summary, "openapi_extra": extra}
        app.add_api_route(path, endpoint, methods=[method], **told)

    async def _answered(
        self, name: str, answer: Callable[[Any], Awaitable[Any]], request: Any
    ) -> Any:
        """Returns the response to a request, whatever happens, and counts it."""
        started = time.perf_counter()
        if self.metrics is not None:
            self.metrics.in_flight.inc()
        response = None
        try:
            response = await answer(request)
        except Refused as error:
            response = _refusal(error)
        except Exception:
            LOG.exception("%s %r failed.", request.method, request.scope["path"])
            response = _refusal(Refused(FAILED, "The server failed; its log says why."))
        finally:
            if self.metrics is not None:
                self.metrics.in_flight.dec()
                status = FAILED if response is None else response.status_code
                self.metrics.observe(name, status, time.perf_counter() - started)
        return response

    async def _page(self, request: Any) -> Any:
        return _response(self.page, "text/html; charset=utf-8", headers=PAGE_HEADERS)

    async def _health(self, request: Any) -> Any:
        return _json({"status": "ok"})

    async def _languages(self, request: Any) -> Any:
        return _json(self.libre.languages())

    async def _settings(self, request: Any) -> Any:
        return _json(self.libre.settings())

    async def _metrics(self, request: Any) -> Any:
        assert self.metrics is not None
        return _response(*self.metrics.rendered())

    async def _translate(self, request: Any) -> Any:
        fields = await self._fields(request)
        self.service.check_key(_key(request, fields))
        return _json(await self.libre.translate(fields, request.receive))

    async def _detect(self, request: Any) -> Any:
        return self.libre.detect()

    async def _status(self, request: Any) -> Any:
        return _json(self.tensorflow.get(request.scope["path"]))

    async def _predict(self, request: Any) -> Any:
        self.service.check_key(_key(request, {}))
        body = await self._body(request)
        return _json(await self.tensorflow.post(request.scope["path"], body, request.receive))

    async def _body(self, request: Any) -> bytes:
        """Returns the body of a request, which must not be too large."""
        from starlette.requests import ClientDisconnect

        parts: list[bytes] = []
        size, most = 0, self.service.limits.max_body_bytes
        try:
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Refused(TOO_LARGE, f"A request must have at most {most} bytes.")
                parts.append(part)
        except ClientDisconnect:
            raise Refused(CLIENT_GONE, "The client has gone.") from None
        return b"".join(parts)

    async def _fields(self, request: Any) -> dict[str, Any]:
        """Returns the fields of a request: JSON, a form, or the query."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            told = "Send JSON, or a form as application/x-www-form-urlencoded."
            raise Refused(BAD_REQUEST, f"Invalid request: {told}")
        body = await self._body(request)
        if kind == "application/x-www-form-urlencoded" or not body:
            pairs = urllib.parse.parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            return dict(request.query_params) | dict(pairs)
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise Refused(BAD_REQUEST, "Invalid JSON format")
        return fields


def _body_like(example: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"example": example}}}


async def _not_found(request: Any, error: Any) -> Any:
    """Answers a path or a method that does not exist as every other error is answered."""
    told = f"{error.detail}: {request.method} {request.scope['path']}"
    return _json({"error": told}, error.status_code, error.headers)


def _key(request: Any, fields: Mapping[str, Any]) -> str | None:
    """Returns the API key of a request, if it has one."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and key.strip():
        return key.strip()
    given = fields.get("api_key") or request.headers.get("x-api-key")
    return given if isinstance(given, str) else None


def _refusal(error: Refused) -> Any:
    headers = {}
    if error.status == BUSY:
        headers["Retry-After"] = str(RETRY_AFTER)
    if error.status == UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _json({"error": str(error)}, error.status, headers)


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Any:
    # A lone surrogate of a request may come back in an error; JSON can say it.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    content = text.encode("utf-8", "backslashreplace")
    return _response(content, "application/json", status, headers)


def _response(
    content: str | bytes,
    kind: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Any:
    import fastapi

    return fastapi.Response(content, status, headers, kind)
