"""What every REST request goes through: id, address, identity, limit, body, handler, envelope."""

from __future__ import annotations

import hashlib
import logging
import re
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import MultiDict, MultiMapping
from pydantic import BaseModel
from uuid_utils import uuid4

from handlers import bodies, envelope, refusals
from handlers.connection import Audience
from handlers.credentials import ANYBODY, Credentials
from handlers.draining import Draining
from handlers.following import Followers
from handlers.limits import Allowance, Limits, refuse_if_spent
from handlers.logbook import Logbook
from handlers.parsing import parse_json
from handlers.wire import Dialect
from rooms import rules, tickets
from rooms.context import Context
from rooms.errors import AuthenticationFailed, ParleyError, ValidationFailed
from rooms.principals import Principal

B = TypeVar("B")

GZIP_FROM = 1_024
LIMITED_PREFIX = "/api/messaging/"
# Since the beginning of 2026; elizaOS has had other names for these paths since its version 1.6.5.
DEPRECATED = "@1767225600"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ALLOWANCE = web.RequestKey("allowance", Allowance)
_SUCCESSOR = web.RequestKey("successor", str)
_log = logging.getLogger("parley.http")


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands before the domain on every door."""

    ctx: Context
    credentials: Credentials
    limits: Limits
    draining: Draining
    followers: Followers
    audience: Audience
    logs: Logbook


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """One authenticated request, with its body as the route's schema."""

    gate: Gate
    request: web.Request
    principal: Principal
    dialect: Dialect
    body: B

    @property
    def ctx(self) -> Context:
        """The domain's surroundings."""
        return self.gate.ctx

    @property
    def path(self) -> Mapping[str, str]:
        """What the variable parts of the URL's path say, by their names."""
        return {name: _readable(text) for name, text in self.request.match_info.items()}

    @property
    def query(self) -> MultiMapping[str]:
        """The parameters behind the URL's path."""
        query = self.request.query
        return MultiDict((name, _readable(text)) for name, text in query.items())

    @property
    def agent_id(self) -> str:
        """Which agent the URL's path names."""
        return rules.entity_id(self.path["agent_id"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers with another status than its route's, or with headers of its own."""

    data: Any
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the route table; ``answer`` documents what stands in ``data``, None an empty answer.

    One that ``follows`` a log takes tickets. One that ``waits``, if told to, charges a client that asks it
    again and again by the minute, and so does one that ``is_polled``, in any case. One that ``streams`` is
    free as long as it goes on with a reply. The answer of one that ``is_bare`` stands alone, not in ``data``,
    as elizaOS's clients expect it. One that ``takes_file`` reads its body by itself. One that
    ``guards_itself`` asks for no credential, and charges whoever it likes.

    ``aliases`` are other spellings of the path, ``deprecated`` those that clients should no longer use.
    """

    method: str
    path: str
    handler: Callable[[Call[Any]], Awaitable[Any]]
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    status: int = 200
    public: bool = False
    follows: bool = False
    waits: bool = False
    is_polled: bool = False
    streams: bool = False
    is_bare: bool = False
    takes_file: bool = False
    guards_itself: bool = False
    aliases: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()


def endpoint(gate: Gate, route: Route) -> Handler:
    """Return the aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        admit = _admit_anybody if route.public else _admit
        principal = await admit(gate, request, route)
        body = await _read_body(request, route.body)
        data = await route.handler(Call(gate, request, principal, _dialect(request), body))
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
        if allowance := request.get(_ALLOWANCE):
            response.headers.update(allowance.headers())
        if successor := request.get(_SUCCESSOR):
            response.headers["Deprecation"] = DEPRECATED
            response.headers[hdrs.LINK] = f'<{successor}>; rel="successor-version"'
    return response


async def _answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except ParleyError as error:
        return refusals.refuse(request, request_id, envelope.STATUS[type(error)], envelope.failure(error))
    except web.HTTPRequestEntityTooLarge:
        return refusals.refuse(request, request_id, 413, envelope.failure(bodies.too_large()))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refusals.of_status(request, request_id, error)
    except web.RequestPayloadError:
        broken = ValidationFailed("The chunks of the body do not follow HTTP/1.1")
        response = refusals.refuse(request, request_id, 400, envelope.failure(broken))
        # Where the next request on this connection would begin is unknown.
        response.force_close()
        return response
    except Exception:  # noqa: BLE001
        # The client learns nothing of our inside; the log has the frames under the request's id.
        _log.exception("%s %s failed [%s]", request.method, request.rel_url.raw_path, request_id)
        return refusals.json(envelope.failure(ParleyError()), 500)


async def _admit(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Return who asks; charge the address before, the principal after, who pays for writes elsewhere too."""
    if route.is_polled or (route.waits and "wait" in request.query):
        return await _admit_waiting(gate, request, route)
    if route.streams:
        return await _admit_streaming(gate, request, route)
    limited = request.path.startswith(LIMITED_PREFIX)
    if limited:
        _note(request, await gate.limits.charge_address(request.remote or ""))
    principal = await _identify(gate, request, route)
    if limited or request.method != hdrs.METH_GET:
        _note(request, await gate.limits.charge_principal(principal))
    return principal


async def _admit_waiting(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Return who waits for something; only the first time in a minute counts as a request.

    So does each time without a good credential.
    """
    principal = await _identify_or_charge(gate, request, route)
    if await gate.limits.is_first_wait(principal):
        await _charge(gate, request, principal)
    _note(request, await gate.limits.charge_wait(principal))
    return principal


async def _admit_streaming(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Return who goes on with a reply, which is free; whatever else is asked there is a request."""
    principal = await _identify_or_charge(gate, request, route)
    if not gate.ctx.streams.is_free(principal, request.match_info["run_id"].lower()):
        await _charge(gate, request, principal)
    return principal


async def _identify_or_charge(gate: Gate, request: web.Request, route: Route) -> Principal:
    try:
        return await _identify(gate, request, route)
    except AuthenticationFailed:
        _note(request, await gate.limits.charge_address(request.remote or ""))
        raise


async def _charge(gate: Gate, request: web.Request, principal: Principal) -> None:
    """Charge the address and the principal for a request."""
    _note(request, await gate.limits.charge_address(request.remote or ""))
    _note(request, await gate.limits.charge_principal(principal))


async def _identify(gate: Gate, request: web.Request, route: Route) -> Principal:
    ticket = request.query.get("ticket") if route.follows else None
    if ticket is not None:
        return await tickets.redeem(gate.ctx, ticket)
    return await gate.credentials.of_request(request.headers)


async def _admit_anybody(gate: Gate, request: web.Request, route: Route) -> Principal:
    """Let a public request in; one that may write is charged to its address."""
    if request.method != hdrs.METH_GET and not route.guards_itself:
        _note(request, await gate.limits.charge_address(request.remote or ""))
    return ANYBODY


def _note(request: web.Request, allowance: Allowance | None) -> None:
    """Keep, for the answer's headers, the allowance with the least left, or the one that refuses."""
    if allowance is None:
        return
    kept = request.get(_ALLOWANCE)
    if kept is None or allowance.retry_after or allowance.remaining < kept.remaining:
        request[_ALLOWANCE] = allowance
    refuse_if_spent(allowance)


def _readable(text: str) -> str:
    """Return another control character for NUL: as little is found by it, and PostgreSQL can look for it."""
    return text.replace("\0", "\x01")


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


def _dialect(request: web.Request) -> Dialect:
    bearer = request.headers.get(hdrs.AUTHORIZATION, "")[:7].lower() == "bearer "
    return Dialect.SEED if bearer else Dialect.ELIZA


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
