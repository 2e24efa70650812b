"""What every REST request goes through: id, address, identity, limit, body, handler, envelope."""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import time
import urllib.parse
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel
from uuid_utils import uuid4

from handlers import bodies, charging, envelope, refusals
from handlers.asked import Asked
from handlers.http import Answer, Call, Gate, Route, dialect
from handlers.later import Later, LateResponse, Line
from handlers.parsing import parse_json
from handlers.wire import Dialect
from rooms.errors import ParleyError, RateLimited, ValidationFailed

GZIP_FROM = 1_024
# Since the beginning of 2026; elizaOS has had other names for these paths since its version 1.6.5.
DEPRECATED = "@1767225600"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID = web.RequestKey("id", str)
_SUCCESSOR = web.RequestKey("successor", str)
_log = logging.getLogger("parley.http")


def endpoint(gate: Gate, route: Route) -> Handler:
    """Return the aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        principal = await charging.admit(gate, request, route)
        body = await _read_body(request, route.body)
        data = await route.handler(Call(gate, request, principal, dialect(request), body))
        if route.answer is None:
            return web.Response(status=route.status)
        if isinstance(data, web.StreamResponse):
            return data
        asked = Asked.by(request, request[_ID])
        if isinstance(data, Later):
            return LateResponse(functools.partial(_respond_later, route, asked, data))
        return _respond(route, asked, data)

    return handle


def _respond(route: Route, asked: Asked, data: Any) -> web.Response:
    answer = data if isinstance(data, Answer) else Answer(data, route.status, {})
    said = answer.data if route.is_bare else envelope.success(answer.data)
    response = _reply(asked, said, answer.status)
    response.headers.update(answer.headers)
    return response


async def _respond_later(route: Route, asked: Asked, later: Later, _line: Line) -> web.Response:
    try:
        return _respond(route, asked, await later.find())
    except ParleyError as error:
        return _refuse(asked, error)
    except Exception:  # noqa: BLE001 - as where nobody has waited
        return _fail(asked)


def superseded(handler: Handler, successor: str) -> Handler:
    """Return the handler for a deprecated spelling of the path ``successor``; each answer says so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        values = {name: urllib.parse.quote(text, safe="") for name, text in request.match_info.items()}
        request[_SUCCESSOR] = successor.format(**values)
        return await handler(request)

    return handle


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request an id, and turn whatever goes wrong into the error envelope."""
    began = time.perf_counter()
    request_id = request[_ID] = _request_id(request)
    response = await _answer(request, handler, request_id)
    if not response.prepared:
        response.headers["X-Request-ID"] = request_id
        response.headers["Server-Timing"] = f"total;dur={(time.perf_counter() - began) * 1000:.1f}"
        response.headers.update(charging.headers(request))
        if successor := request.get(_SUCCESSOR):
            response.headers["Deprecation"] = DEPRECATED
            response.headers[hdrs.LINK] = f'<{successor}>; rel="successor-version"'
    return response


async def _answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except ParleyError as error:
        return _refuse(Asked.by(request, request_id), error)
    except web.HTTPRequestEntityTooLarge:
        return _refuse(Asked.by(request, request_id), bodies.too_large())
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refusals.of_status(request, request_id, error)
    except web.RequestPayloadError:
        broken = ValidationFailed("The chunks of the body do not follow HTTP/1.1")
        response = _refuse(Asked.by(request, request_id), broken)
        # Where the next request on this connection would begin is unknown.
        response.force_close()
        return response
    except Exception:  # noqa: BLE001
        return _fail(Asked.by(request, request_id))


def _refuse(asked: Asked, error: ParleyError) -> web.Response:
    told = envelope.told_to_eliza if asked.dialect is Dialect.ELIZA else envelope.failure
    response = refusals.refuse(asked, envelope.STATUS[type(error)], told(error))
    if isinstance(error, RateLimited):
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    return response


def _fail(asked: Asked) -> web.Response:
    # The client learns nothing of our inside; the log has the frames under the request's id.
    _log.exception("%s %s failed [%s]", asked.method, asked.path, asked.id)
    return refusals.json(envelope.failure(ParleyError()), 500)


async def _read_body(request: web.Request, schema: type[BaseModel] | None) -> BaseModel | None:
    if schema is None:
        return None
    if not request.body_exists and hdrs.CONTENT_TYPE not in request.headers:
        return parse_json(schema, b"{}")  # who sends nothing names no field
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(
            reason="Unsupported media type", text="Send the body as Content-Type: application/json"
        )
    return parse_json(schema, await bodies.read(request))


def _request_id(request: web.Request) -> str:
    stated = request.headers.get("X-Request-ID", "")
    return stated if _REQUEST_ID.fullmatch(stated) else uuid4().hex


def _reply(asked: Asked, answer: dict[str, Any], status: int) -> web.Response:
    body = orjson.dumps(answer)
    if asked.method != hdrs.METH_GET:
        return _compressible(asked, body, status)
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    is_known = f'"{tag}"' in asked.known
    response = web.Response(status=304) if is_known else _compressible(asked, body, status)
    # Weak, because the same answer may go out compressed.
    response.headers[hdrs.ETAG] = f'W/"{tag}"'
    response.headers[hdrs.CACHE_CONTROL] = "private, no-cache"
    return response


def _compressible(asked: Asked, body: bytes, status: int) -> web.Response:
    response = web.Response(body=body, status=status, content_type="application/json")
    if len(body) > GZIP_FROM and asked.takes_gzip:
        response.enable_compression(web.ContentCoding.gzip)
    return response
