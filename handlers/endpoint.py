"""What every REST request goes through: id, address, identity, limit, body, handler, envelope."""

from __future__ import annotations

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
from handlers.http import Answer, Call, Gate, Route, dialect
from handlers.parsing import parse_json
from handlers.wire import Dialect
from rooms.errors import ParleyError, RateLimited, ValidationFailed

GZIP_FROM = 1_024
# Since the beginning of 2026; elizaOS has had other names for these paths since its version 1.6.5.
DEPRECATED = "@1767225600"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
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
        answer = data if isinstance(data, Answer) else Answer(data, route.status, {})
        said = answer.data if route.is_bare else envelope.success(answer.data)
        response = _reply(request, said, answer.status)
        response.headers.update(answer.headers)
        return response

    return handle


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
    request_id = _request_id(request)
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
        response = _refuse(request, request_id, error)
        if isinstance(error, RateLimited):
            response.headers[hdrs.RETRY_AFTER] = str(error.retry_after)
        return response
    except web.HTTPRequestEntityTooLarge:
        return _refuse(request, request_id, bodies.too_large())
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refusals.of_status(request, request_id, error)
    except web.RequestPayloadError:
        broken = ValidationFailed("The chunks of the body do not follow HTTP/1.1")
        response = _refuse(request, request_id, broken)
        # Where the next request on this connection would begin is unknown.
        response.force_close()
        return response
    except Exception:  # noqa: BLE001
        # The client learns nothing of our inside; the log has the frames under the request's id.
        _log.exception("%s %s failed [%s]", request.method, request.rel_url.raw_path, request_id)
        return refusals.json(envelope.failure(ParleyError()), 500)


def _refuse(request: web.Request, request_id: str, error: ParleyError) -> web.Response:
    told = envelope.told_to_eliza if dialect(request) is Dialect.ELIZA else envelope.failure
    return refusals.refuse(request, request_id, envelope.STATUS[type(error)], told(error))


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


def _reply(request: web.Request, answer: dict[str, Any], status: int) -> web.Response:
    body = orjson.dumps(answer)
    if request.method != hdrs.METH_GET:
        return _compressible(request, body, status)
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    known = f'"{tag}"' in request.headers.get(hdrs.IF_NONE_MATCH, "")
    response = web.Response(status=304) if known else _compressible(request, body, status)
    # Weak, because the same answer may go out compressed.
    response.headers[hdrs.ETAG] = f'W/"{tag}"'
    response.headers[hdrs.CACHE_CONTROL] = "private, no-cache"
    return response


def _compressible(request: web.Request, body: bytes, status: int) -> web.Response:
    response = web.Response(body=body, status=status, content_type="application/json")
    if len(body) > GZIP_FROM and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        response.enable_compression(web.ContentCoding.gzip)
    return response
