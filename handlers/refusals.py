"""What is answered to requests that reach no handler, or none that could be asked: always the envelope."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from handlers import envelope
from handlers.asked import Asked, whence
from rooms.errors import NotFound, ParleyError

MAX_HEADERS = 128
# aiohttp's words for more of them.
_TOO_MANY = "Too many headers received"

# Where the next request on the connection would begin is unknown after these.
_ENDING = frozenset({400, 408, 431})

_log = logging.getLogger("parley.http")


def json(body: dict[str, Any], status: int) -> web.Response:
    """Return an answer with this body."""
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def refuse(asked: Asked, status: int, body: dict[str, Any]) -> web.Response:
    """Return a refusal, and note it in the log."""
    code = body["error"]["code"]
    _log.info("%s %s -> %d %s [%s] %s", asked.method, asked.path, status, code, asked.id, asked.whence)
    return json(body, status)


def of_status(request: web.BaseRequest, request_id: str, error: web.HTTPException) -> web.Response:
    """Return the refusal that an error of aiohttp's stands for."""
    response = refuse(Asked.by(request, request_id), error.status, _problem(request, error))
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    if error.status in _ENDING:
        response.force_close()
    return response


def _problem(request: web.BaseRequest, error: web.HTTPException) -> dict[str, Any]:
    if error.status == 404:
        details = f"There is no {request.path}; /openapi.json lists what there is"
        return envelope.failure(NotFound(details, message="API endpoint not found"))
    if error.status == 405:
        allowed = ", ".join(sorted(getattr(error, "allowed_methods", [])))
        return envelope.problem(
            "METHOD_NOT_ALLOWED",
            "Method not allowed",
            f"{request.path} takes {allowed}, not {request.method}",
        )
    code = (error.reason or "BAD_REQUEST").upper().replace(" ", "_")
    return envelope.problem(code, error.reason or "Bad request", error.text or "The request is malformed")


def of_unread(request: web.BaseRequest, error: BaseException | None) -> web.Response:
    """Return the refusal of bytes that are no request, or of one that failed outside of every handler."""
    if isinstance(error, HttpProcessingError):
        # Its message quotes what the client sent.
        _log.info("what came from %s is no HTTP request: %s", whence(request), type(error).__name__)
        response = _unreadable(error)
    else:
        _log.error("a request from %s failed before its handler", whence(request), exc_info=error)
        response = json(envelope.failure(ParleyError()), 500)
    response.force_close()
    return response


def _unreadable(error: HttpProcessingError) -> web.Response:
    details = None
    if isinstance(error, LineTooLong):
        details = f"The request line and each header must have at most {error.args[1]} bytes"
    elif error.message == _TOO_MANY:
        details = f"A request must have at most {MAX_HEADERS} headers"
    if details is not None:
        body = envelope.problem("REQUEST_HEADER_FIELDS_TOO_LARGE", "Request header fields too large", details)
        return json(body, 431)
    details = "The request line, a header or the body's chunks do not follow HTTP/1.1"
    return json(envelope.problem("VALIDATION_ERROR", "Malformed request", details), 400)
